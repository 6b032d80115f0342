/** Element types, locations, and the typed arrays that store elements. */

/** float16 and bfloat16 are stored as their bits, bool as 0 and 1. */
export type TensorType =
  | 'float32'
  | 'float16'
  | 'bfloat16'
  | 'float64'
  | 'bool'
  | 'uint8'
  | 'int32'
  | 'int64';

/** Types of rows in caches whose elements are multiples of a scale, one per row: integers, or numbers of E4M3. */
export type ScaledType = 'int8' | 'float8';

/** The types that attention and projections compute with. */
export type FloatType = 'float32' | 'float16' | 'bfloat16' | 'float64';

/** Where a tensor's elements are: in the memory of the CPU, or of a CUDA device; 'cuda' is the first of them, 'cuda:0'. */
export type Location = 'cpu' | 'cuda' | `cuda:${number}`;

/** The arrays that hold elements. */
export type TypedArray = Float32Array | Float64Array | Uint16Array | Uint8Array | Int32Array | BigInt64Array;

/** The arrays that numbers are computed in. */
export type Numbers = Float32Array | Float64Array;

/** A `Float16Array`, described by its shape because not every supported runtime has the class. */
export interface Float16Elements {
  /** Distinguishes the class from other typed arrays. */
  readonly [Symbol.toStringTag]: 'Float16Array';
  /** As of every typed array. */
  readonly buffer: ArrayBufferLike;
  /** As of every typed array. */
  readonly byteOffset: number;
  /** As of every typed array. */
  readonly byteLength: number;
  /** As of every typed array. */
  readonly length: number;
}

/** What a tensor may wrap: a typed array, or a Float16Array where the runtime has it. */
export type TensorData = TypedArray | Float16Elements;

/** What every operation accepts: a heed Tensor, an onnxruntime Tensor, or a plain object. */
export interface TensorLike {
  /** The element type. */
  readonly type: TensorType;
  /** The length along every axis, outermost first. */
  readonly dims: readonly number[];
  /** The elements in row-major order, as many as the product of dims. */
  readonly data: TensorData;
  /**
   * Elements from one place along each axis to the next, for a tensor whose rows lie within larger ones, as
   * those of `splitHeads` do: the last is 1, and `data` reaches at least to the last element. Only query, key
   * and value of attention and of `KeyValueCache.append`, in the memory of the CPU, may have them; all other
   * functions refuse them. Default: the tensor is dense.
   */
  readonly strides?: readonly number[] | undefined;
}

/**
 * Real numbers: an array of numbers, a Float32Array, a Float64Array, a Float16Array, or a tensor of any
 * floating-point type. Other typed arrays are refused, because they may hold the bits of numbers: pass those
 * in a tensor, which has a type.
 */
export type NumberList = ArrayLike<number> | TensorLike;

/**
 * Integers: an array or typed array of numbers or bigints, or a tensor of type int64, int32 or uint8, as
 * tokenizers and onnxruntime give them.
 */
export type IntegerList = ArrayLike<number> | ArrayLike<bigint> | TensorLike;

export const tensorTypes: readonly TensorType[] = [
  'float32',
  'float16',
  'bfloat16',
  'float64',
  'bool',
  'uint8',
  'int32',
  'int64',
];

export const floatTypes: readonly FloatType[] = ['float32', 'float16', 'bfloat16', 'float64'];

export const integerTypes: readonly TensorType[] = ['int64', 'int32', 'uint8'];

export const bytesPerElement: Readonly<Record<TensorType, number>> = {
  float32: 4,
  float16: 2,
  bfloat16: 2,
  float64: 8,
  bool: 1,
  uint8: 1,
  int32: 4,
  int64: 8,
};

export function isTensorType(type: unknown): type is TensorType {
  return tensorTypes.includes(type as TensorType);
}

export function isFloatType(type: TensorType): type is FloatType {
  return type === 'float32' || type === 'float16' || type === 'bfloat16' || type === 'float64';
}

export function isIntegerType(type: TensorType): boolean {
  return integerTypes.includes(type);
}
