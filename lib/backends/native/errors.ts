/** Errors that the addon throws or reports, as HeedErrors. */
import { HeedError, type HeedErrorCode } from '../../errors.js';
import type { AddonError } from './addon.js';

/** Errors with these codes keep their message. */
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

/** Calls the addon, and converts its errors to HeedErrors. */
export function ask<Answer>(question: () => Answer): Answer {
  try {
    return question();
  } catch (error) {
    throw toHeedError(error);
  }
}
