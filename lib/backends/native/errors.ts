/** What the addon throws and tells, as errors of heed's. */
import { HeedError, type HeedErrorCode } from '../../errors.js';
import type { AddonError } from './addon.js';

/** These say all there is to say. */
const explained: readonly unknown[] = [
  'HEED_OUT_OF_MEMORY',
  'HEED_UNSUPPORTED',
  'HEED_NO_CUDA',
  'HEED_DEVICE_LOST',
  'HEED_DEVICE',
] satisfies HeedErrorCode[];

export function toHeedError(error: unknown): HeedError {
  const { code, message } = error as AddonError;
  if (explained.includes(code)) return new HeedError(code as HeedErrorCode, message, { cause: error });
  return new HeedError('HEED_NATIVE', `The native backend failed: ${message}`, { cause: error });
}

/** What the addon is asked for, or its error as one of heed's. */
export function ask<Answer>(question: () => Answer): Answer {
  try {
    return question();
  } catch (error) {
    throw toHeedError(error);
  }
}
