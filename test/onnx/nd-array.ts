/**
 * A minimal n-dimensional array for implementing an operator's specification: float64 elements, right-aligned
 * broadcasting.
 */
import type { TensorLike } from '../../lib/tensor/types.js';
import { toNumbers } from '../support/numbers.js';

export interface NdArray {
  readonly dims: readonly number[];
  readonly values: Float64Array;
  /** The elements are bool: true is 1, false 0. */
  readonly bool?: boolean;
}

const elements = (dims: readonly number[]) => dims.reduce((product, dim) => product * dim, 1);

export function filled(dims: readonly number[], value: (index: number) => number): NdArray {
  return { dims, values: Float64Array.from({ length: elements(dims) }, (_, index) => value(index)) };
}

export function decode(tensor: TensorLike): NdArray {
  const array = { dims: tensor.dims, values: Float64Array.from(toNumbers(tensor)) };
  return tensor.type === 'bool' ? { ...array, bool: true } : array;
}

/** The element at an index of the broadcast array. */
export function at(array: NdArray, index: readonly number[]): number {
  let position = 0;
  const skipped = index.length - array.dims.length;
  for (const [axis, dim] of array.dims.entries()) {
    position = position * dim + (dim === 1 ? 0 : index[skipped + axis]);
  }
  return array.values[position];
}
