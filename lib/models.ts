/**
 * heed/models: whole models from the folders that Hugging Face's libraries save, of the families that the guide
 * "Run a model" lists.
 *
 * @module models
 */
import './expect-require.js';

export type { ChatMessage } from './models/chat-template.js';
export type { ModelConfig } from './models/config.js';
export { DecoderModel, type GeneratedToken, type GenerateOptions } from './models/decoder-model.js';
export {
  type EmbedTextsOptions,
  EncoderModel,
  type HeadPlace,
  type HiddenOptions,
  type HiddenStates,
} from './models/encoder-model.js';
export { type LoadModelOptions, loadModel } from './models/load-model.js';
export { ModelSequence, ModelSession, type StepPart } from './models/session.js';
export type { Tokenizer } from './models/tokenizer.js';
