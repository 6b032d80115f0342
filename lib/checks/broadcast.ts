/** Broadcasting as numpy does it. */
import { HeedError } from '../errors.js';
import { describeDims } from './describe.js';
import type { TensorArgument } from './tensor.js';

/** The stride of a tensor along each of the target's axes, 0 where it broadcasts; `axes` names the target. */
export function broadcastStrides(
  { dims, name }: TensorArgument,
  target: readonly number[],
  axes: string,
): number[] {
  const strides = target.map(() => 0);
  const missing = target.length - dims.length;
  let stride = 1;
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    const length = dims[axis];
    const wanted = target[axis + missing];
    if (missing < 0 || (length !== wanted && length !== 1)) {
      throw new HeedError(
        'HEED_SHAPE_MISMATCH',
        `Expected ${name}.dims to broadcast to [${axes}] ${describeDims(target)}, received ${describeDims(dims)}`,
      );
    }
    if (length !== 1) strides[axis + missing] = stride;
    stride *= length;
  }
  return strides;
}
