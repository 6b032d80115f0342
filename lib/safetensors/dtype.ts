import type { TensorType } from '../tensor/types.js';

/** An element type of the format; `type` is set if heed supports it. */
export interface Dtype {
  readonly bits: number;
  readonly type?: TensorType;
}

/**
 * Every element type the format knows, in the order of its reference implementation: `save` writes
 * wide elements first, so that each tensor starts at a multiple of its element size.
 */
export const dtypes: ReadonlyMap<string, Dtype> = new Map<string, Dtype>([
  ['BOOL', { bits: 8, type: 'bool' }],
  ['F4', { bits: 4 }],
  ['F6_E2M3', { bits: 6 }],
  ['F6_E3M2', { bits: 6 }],
  ['U8', { bits: 8 }],
  ['I8', { bits: 8 }],
  ['F8_E5M2', { bits: 8 }],
  ['F8_E4M3', { bits: 8 }],
  ['F8_E8M0', { bits: 8 }],
  ['F8_E4M3FNUZ', { bits: 8 }],
  ['F8_E5M2FNUZ', { bits: 8 }],
  ['I16', { bits: 16 }],
  ['U16', { bits: 16 }],
  ['F16', { bits: 16, type: 'float16' }],
  ['BF16', { bits: 16, type: 'bfloat16' }],
  ['I32', { bits: 32, type: 'int32' }],
  ['U32', { bits: 32 }],
  ['F32', { bits: 32, type: 'float32' }],
  ['C64', { bits: 64 }],
  ['F64', { bits: 64, type: 'float64' }],
  ['I64', { bits: 64, type: 'int64' }],
  ['U64', { bits: 64 }],
]);

const order = [...dtypes.keys()];

/** The format's name for a tensor type. */
export function dtypeOf(type: TensorType): string {
  for (const [name, dtype] of dtypes) if (dtype.type === type) return name;
  throw new TypeError(`No safetensors dtype for ${type}`);
}

/** The index of a dtype in the table: a later one is aligned at least as widely. */
export function rankOf(dtype: string): number {
  return order.indexOf(dtype);
}
