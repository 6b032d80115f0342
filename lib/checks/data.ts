/** The memory under a tensor: the right typed array, of the right length, that cannot shrink while it is used. */
import { HeedError } from '../errors.js';
import type { TensorType, TypedArray } from '../tensor-type.js';
import { describe, typedArrayName } from './describe.js';

type Getter<Value> = (this: unknown) => Value;
const typedArrayPrototype: object = Object.getPrototypeOf(Uint8Array.prototype);

function intrinsic<Value>(prototype: object, property: string): Getter<Value> {
  return Object.getOwnPropertyDescriptor(prototype, property)?.get as Getter<Value>;
}

// A typed array may carry properties of its own under these names; the memory itself only answers to the originals.
const lengthOf = intrinsic<number>(typedArrayPrototype, 'length');
const bufferOf = intrinsic<ArrayBufferLike>(typedArrayPrototype, 'buffer');
const byteOffsetOf = intrinsic<number>(typedArrayPrototype, 'byteOffset');
const byteLengthOf = intrinsic<number>(typedArrayPrototype, 'byteLength');
const resizableOf = intrinsic<boolean>(ArrayBuffer.prototype, 'resizable');

const arrayNames: Readonly<Record<TensorType, readonly string[]>> = {
  float32: ['Float32Array'],
  float16: ['Uint16Array', 'Float16Array'],
  bfloat16: ['Uint16Array'],
  float64: ['Float64Array'],
  bool: ['Uint8Array'],
  int32: ['Int32Array'],
  int64: ['BigInt64Array'],
};

const arrayClasses = {
  float32: Float32Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  float64: Float64Array,
  bool: Uint8Array,
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
  return lengthOf.call(data) === 0 && isDetached(bufferOf.call(data));
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

/** A standard typed array over the same memory: the bits of a Float16Array, the base class of a subclass. */
function plainView(data: object, type: TensorType): TypedArray {
  const arrayClass: new (buffer: ArrayBufferLike, byteOffset: number, length: number) => TypedArray =
    arrayClasses[type];
  return new arrayClass(bufferOf.call(data), byteOffsetOf.call(data), lengthOf.call(data));
}

/** A standard typed array over the memory of `value`, which must be one that holds `size` elements of the type. */
export function checkData(value: unknown, type: TensorType, size: number, name: string): TypedArray {
  const arrayName = typedArrayName(value);
  if (arrayName === undefined || !arrayNames[type].includes(arrayName)) {
    throw new HeedError(
      'HEED_TYPE_MISMATCH',
      `Expected ${name} to be a ${arrayNames[type].join(' or ')} for type ${type}, received ${describe(value)}`,
    );
  }
  const data = value as TypedArray;
  const length = lengthOf.call(data);
  if (length !== size || isDetachedArray(data)) {
    throw wrongLength(data, length, size, name);
  }
  return Object.getPrototypeOf(data) === arrayClasses[type].prototype ? data : plainView(data, type);
}

/** Whether the memory could shrink. A shared buffer, which the getter throws for, can only grow. */
export function isResizable(data: TypedArray): boolean {
  try {
    return resizableOf.call(bufferOf.call(data));
  } catch {
    return false;
  }
}

/** The same elements in memory of their own. */
export function copyData(data: TypedArray, type: TensorType, name: string): TypedArray {
  const bytes = byteLengthOf.call(data);
  const copy = allocate(type, lengthOf.call(data), `a copy of ${name}`);
  new Uint8Array(copy.buffer).set(new Uint8Array(bufferOf.call(data), byteOffsetOf.call(data), bytes));
  return copy;
}

export function overlaps(a: TypedArray, b: TypedArray): boolean {
  if (bufferOf.call(a) !== bufferOf.call(b)) return false;
  const startOfA = byteOffsetOf.call(a);
  const startOfB = byteOffsetOf.call(b);
  const endOfA = startOfA + byteLengthOf.call(a);
  const endOfB = startOfB + byteLengthOf.call(b);
  return Math.max(startOfA, startOfB) < Math.min(endOfA, endOfB);
}
