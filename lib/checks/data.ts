/** The memory under a tensor: the right typed array, of the right length, that cannot shrink while it is used. */
import { HeedError } from '../errors.js';
import { bufferOf, byteOffsetOf, bytesOf, lengthOf, typedArrayName } from '../memory/arrays.js';
import type { TensorType, TypedArray } from '../tensor/types.js';
import { describe } from './values.js';

const arrayNames: Readonly<Record<TensorType, readonly string[]>> = {
  float32: ['Float32Array'],
  float16: ['Uint16Array', 'Float16Array'],
  bfloat16: ['Uint16Array'],
  float64: ['Float64Array'],
  bool: ['Uint8Array'],
  uint8: ['Uint8Array'],
  int32: ['Int32Array'],
  int64: ['BigInt64Array'],
};

const arrayClasses = {
  float32: Float32Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  float64: Float64Array,
  bool: Uint8Array,
  uint8: Uint8Array,
  int32: Int32Array,
  int64: BigInt64Array,
} as const;

/** The array that holds `size` elements of a type, all zero. */
export function allocate(type: TensorType, size: number, name: string): TypedArray {
  try {
    return new arrayClasses[type](size);
  } catch (error) {
    throw new HeedError('HEED_OUT_OF_MEMORY', `Could not allocate ${size} elements of ${type} for ${name}`, {
      cause: error,
    });
  }
}

function isDetached(buffer: ArrayBufferLike): boolean {
  try {
    new Uint8Array(buffer);
    return false;
  } catch {
    return true;
  }
}

/** A detached buffer leaves a view of length 0 behind; only such a view needs the closer look. */
export function isDetachedArray(data: TypedArray): boolean {
  return lengthOf(data) === 0 && isDetached(bufferOf(data));
}

function wrongLength(data: TypedArray, received: number, size: number, name: string): HeedError {
  if (isDetachedArray(data)) {
    return new HeedError('HEED_DETACHED', `Expected ${name} to have memory, received a detached ArrayBuffer`);
  }
  return new HeedError(
    'HEED_SHAPE_MISMATCH',
    `Expected ${name} to have as many elements as the product of dims (${size}), received ${received}`,
  );
}

/**
 * A standard typed array over the same memory, from the element at `start` on: the bits of a Float16Array, the
 * base class of a subclass.
 */
export function plainView(
  data: object,
  type: TensorType,
  start = 0,
  count = lengthOf(data) - start,
): TypedArray {
  const arrayClass: {
    new (buffer: ArrayBufferLike, byteOffset: number, length: number): TypedArray;
    readonly BYTES_PER_ELEMENT: number;
  } = arrayClasses[type];
  const offset = byteOffsetOf(data) + start * arrayClass.BYTES_PER_ELEMENT;
  return new arrayClass(bufferOf(data), offset, count);
}

function typedArrayOf(value: unknown, type: TensorType, name: string): TypedArray {
  const arrayName = typedArrayName(value);
  if (arrayName === undefined || !arrayNames[type].includes(arrayName)) {
    throw new HeedError(
      'HEED_TYPE_MISMATCH',
      `Expected ${name} to be a ${arrayNames[type].join(' or ')} for type ${type}, received ${describe(value)}`,
    );
  }
  return value as TypedArray;
}

/** A standard typed array over the memory of `value`, which must be one that holds `size` elements of the type. */
export function checkData(value: unknown, type: TensorType, size: number, name: string): TypedArray {
  const data = typedArrayOf(value, type, name);
  const length = lengthOf(data);
  if (length !== size || isDetachedArray(data)) {
    throw wrongLength(data, length, size, name);
  }
  return Object.getPrototypeOf(data) === arrayClasses[type].prototype ? data : plainView(data, type);
}

/** The same for at least `reach` elements, of which only these are in the result. */
export function checkReach(value: unknown, type: TensorType, reach: number, name: string): TypedArray {
  const data = typedArrayOf(value, type, name);
  const length = lengthOf(data);
  if (isDetachedArray(data)) throw wrongLength(data, length, reach, name);
  if (length >= reach) return plainView(data, type, 0, reach);
  throw tooShort(name, reach, length);
}

export function tooShort(name: string, reach: number, received: number): HeedError {
  return new HeedError(
    'HEED_SHAPE_MISMATCH',
    `Expected ${name} to reach as far as dims and strides do (${reach} elements), received ${received}`,
  );
}

/** The same elements in memory of their own. */
export function copyData(data: TypedArray, type: TensorType, name: string): TypedArray {
  const copy = allocate(type, lengthOf(data), `a copy of ${name}`);
  bytesOf(copy).set(bytesOf(data));
  return copy;
}
