/** The only file that touches the native addon. */
import type { Backend } from './backend.js';

/** What became of loading the addon. */
export interface NativeStatus {
  readonly loaded: boolean;
  readonly path?: string;
  /** Every place that was looked at, and what was found there. */
  readonly tried: readonly string[];
  /** Why it is not loaded. */
  readonly why?: string;
  readonly instructionSet?: string;
  readonly threads?: number;
}

export function nativeBackend(): Backend | undefined {
  return undefined;
}

export function nativeStatus(): NativeStatus {
  return { loaded: false, tried: [], why: 'the addon is not built' };
}
