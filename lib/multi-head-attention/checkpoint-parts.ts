/** Bringing the tensors of a checkpoint into the form [out, in] of one linear map. */
import { allocate } from '../checks/data.js';
import { describeDims } from '../checks/describe.js';
import { HeedError } from '../errors.js';
import { Tensor } from '../tensor.js';

/** A third of the rows, sharing memory. */
export function takeThird(tensor: Tensor, third: 0 | 1 | 2, name: string): Tensor {
  const [rows, ...rest] = tensor.dims;
  if (rows === undefined || rows % 3 !== 0) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected ${name} to hold query, key and value of equal width, received dims ${describeDims(tensor.dims)}`,
    );
  }
  const size = tensor.size / 3;
  return new Tensor(tensor.type, tensor.data.subarray(third * size, (third + 1) * size), [rows / 3, ...rest]);
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
