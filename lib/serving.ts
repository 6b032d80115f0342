/**
 * heed/serving: many generations over one model at a time, for servers of any kind.
 *
 * @module serving
 */
import './expect-require.js';

export { Engine, type EngineStats } from './serving/engine.js';
export type { EndReason, Generation, GenerationUsage } from './serving/generation.js';
export type { EngineOptions, GenerationOptions, WaitingOptions } from './serving/options.js';
export type { ServedModel, ServedPart, ServedSequence, ServedSession } from './serving/served-model.js';
