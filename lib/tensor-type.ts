/** Element types and the typed arrays that hold them. float16 and bfloat16 are stored as their bits. */

export type TensorType = 'float32' | 'float16' | 'bfloat16' | 'float64' | 'bool' | 'int32' | 'int64';

export type TypedArray = Float32Array | Float64Array | Uint16Array | Uint8Array | Int32Array | BigInt64Array;
