/** The one table of everything that can be wrong, and the error that says so. */

/** Every code a {@link HeedError} can have, and what it means. Codes are stable: programs may rely on them. */
export const errorCodes = {
  HEED_INVALID_ARGUMENT: 'An argument or option has the wrong type or is out of range.',
  HEED_UNKNOWN_OPTION: 'An option does not exist; the message suggests the nearest one that does.',
  HEED_INVALID_DIMS:
    'Dims are not a short list of non-negative integers, or the length of an axis is not supported.',
  HEED_SHAPE_MISMATCH: 'Dims, lengths or counts do not match.',
  HEED_TYPE_MISMATCH: 'Element types do not match.',
  HEED_UNSUPPORTED_TYPE: 'The operation or the chosen backend does not support this element type.',
  HEED_UNSUPPORTED:
    'The chosen backend does not support the operation; the message names a backend that does.',
  HEED_LOCATION_MISMATCH: 'Tensors, weights or caches of one operation are in different places.',
  HEED_NOT_ON_CPU: 'The elements of a tensor are not in the memory of the CPU.',
  HEED_DISPOSED: 'A tensor, weight, layer, cache or engine was used after dispose().',
  HEED_DETACHED: 'The memory under a tensor was transferred or detached.',
  HEED_RESIZABLE: 'An output lies in a resizable ArrayBuffer, which could shrink while it is written.',
  HEED_OVERLAP: 'An output shares memory with an input.',
  HEED_CACHE_FULL: 'The steps to append exceed the capacity of a cache.',
  HEED_POOL_FULL: 'The steps to append need more pages than a pool has left.',
  HEED_OVERLOADED: 'An engine has as many requests as may wait; the same request may be taken later.',
  HEED_CACHE_BUSY: 'A cache cannot be changed while an operation appends steps to it.',
  HEED_OUT_OF_MEMORY: 'Memory for a result or for an operation could not be allocated.',
  HEED_ENVIRONMENT: 'A HEED_ environment variable has an invalid value.',
  HEED_NO_CUDA: 'A CUDA device was requested and none is available; the message says why.',
  HEED_DEVICE:
    'A device failed for a reason other than an argument; the message names the call and its error.',
  HEED_DEVICE_LOST: 'A device failed permanently: no operation can run on it any more.',
  HEED_NO_NATIVE: 'The native addon is required but could not be loaded; the message lists what was tried.',
  HEED_NATIVE: 'The native addon failed for a reason other than an argument.',
  HEED_FILE_ERROR: 'The operating system could not open, read or write a file.',
  HEED_MALFORMED_FILE:
    'A file is truncated, or does not have the expected format. If it is something else, the message names it.',
  HEED_MISSING_PACKAGE: 'An optional package that the call needs is not installed; the message names it.',
  HEED_UNKNOWN_TENSOR:
    'A file lacks a requested tensor, or has a tensor whose name belongs to no known kind of layer.',
} as const;

/** A stable name of an error, which programs may rely on. */
export type HeedErrorCode = keyof typeof errorCodes;

const brand = Symbol.for('heed.HeedError');

/**
 * Thrown for every bad input, before any work starts; promise functions reject with it. `code` is
 * stable, `message` is for people. `instanceof HeedError` also holds for errors of another copy of heed.
 */
export class HeedError extends Error {
  /** The kind of error, as a stable name. */
  readonly code: HeedErrorCode;

  /** @internal */
  constructor(code: HeedErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  /** Always `HeedError`. */
  override get name(): string {
    return 'HeedError';
  }

  /** @internal */
  get [brand](): true {
    return true;
  }

  /** Whether a value is an error of this or of another copy of heed. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && (value as { [brand]?: unknown })[brand] === true;
  }
}
