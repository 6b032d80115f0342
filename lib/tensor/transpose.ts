/** Weights that a checkpoint keeps [in, out], as GPT-2's Conv1D does. */
import { allocate } from '../checks/data.js';
import { describeDims } from '../checks/values.js';
import { HeedError } from '../errors.js';
import { Tensor } from './tensor.js';

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
