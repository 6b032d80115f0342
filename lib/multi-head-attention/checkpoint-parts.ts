/** Converts tensors of a checkpoint to the shape [out, in] of one linear map. */
import { allocate } from '../checks/data.js';
import { describeDims } from '../checks/describe.js';
import { HeedError } from '../errors.js';
import { Tensor } from '../tensor/tensor.js';
import type { FusedPart } from './checkpoint-conventions.js';

/** The number of heads of the rows. */
export interface Heads {
  readonly heads: number;
  readonly keyValueHeads: number;
}

/** Rows of query, key or value, sharing memory: as many for each head, one part after the other. */
export function takePart(
  tensor: Tensor,
  part: FusedPart,
  { heads, keyValueHeads }: Heads,
  name: string,
): Tensor {
  const [rows, ...rest] = tensor.dims;
  const all = heads + 2 * keyValueHeads;
  if (rows === undefined || rows % all !== 0) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected ${name} to hold query, key and value of equal width for ${heads} + ${keyValueHeads} + ${keyValueHeads} heads, received dims ${describeDims(tensor.dims)}`,
    );
  }
  const [before, count] = {
    query: [0, heads],
    key: [heads, keyValueHeads],
    value: [heads + keyValueHeads, keyValueHeads],
  }[part];
  const size = tensor.size / all;
  const data = tensor.data.subarray(before * size, (before + count) * size);
  return new Tensor(tensor.type, data, [(rows / all) * count, ...rest]);
}

/** [in, out] → [out, in] */
export function transpose(tensor: Tensor, name: string): Tensor {
  if (tensor.dims.length !== 2) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected ${name} to have 2 axes, [in, out], received dims ${describeDims(tensor.dims)}`,
    );
  }
  const [rows, columns] = tensor.dims;
  const from = tensor.data;
  const to = allocate(tensor.type, tensor.size, name);
  for (let column = 0; column < columns; column++) {
    for (let row = 0; row < rows; row++) to[column * rows + row] = from[row * columns + column];
  }
  return new Tensor(tensor.type, to, [columns, rows]);
}
