/** Masks, broadcast to [batch, heads, queries, keys] as numpy broadcasts. */
import { readElements } from '../elements.js';
import { HeedError } from '../errors.js';
import type { MaskView } from '../problem.js';
import type { FloatType } from '../tensor-type.js';
import { isFloatType } from '../tensor-type.js';
import { allocate } from './data.js';
import { describeDims } from './describe.js';
import { dataOf, readTensor, type TensorArgument } from './tensor.js';

export interface MaskArgument {
  readonly tensor: TensorArgument;
  /** Along batch, heads, queries and keys; 0 where the mask broadcasts. */
  readonly strides: readonly [number, number, number, number];
}

function expectMaskType(tensor: TensorArgument): void {
  if (tensor.type === 'bool' || isFloatType(tensor.type)) return;
  throw new HeedError(
    'HEED_UNSUPPORTED_TYPE',
    `Expected ${tensor.name}.type to be 'bool' or a floating-point type, received '${tensor.type}'`,
  );
}

function broadcastStrides(
  tensor: TensorArgument,
  target: readonly [batch: number, heads: number, queries: number, keys: number],
): [number, number, number, number] {
  const { dims, name } = tensor;
  const strides: [number, number, number, number] = [0, 0, 0, 0];
  const missing = target.length - dims.length;
  let stride = 1;
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    const length = dims[axis];
    const wanted = target[axis + missing];
    if (missing < 0 || (length !== wanted && length !== 1)) {
      throw new HeedError(
        'HEED_SHAPE_MISMATCH',
        `Expected ${name}.dims to broadcast to [batch, heads, queries, keys] ${describeDims(target)}, received ${describeDims(dims)}`,
      );
    }
    if (length !== 1) strides[axis + missing] = stride;
    stride *= length;
  }
  return strides;
}

export function readMask(
  value: unknown,
  name: string,
  target: readonly [batch: number, heads: number, queries: number, keys: number],
): MaskArgument | undefined {
  if (value === undefined) return undefined;
  const tensor = readTensor(value, name);
  expectMaskType(tensor);
  return { tensor, strides: broadcastStrides(tensor, target) };
}

/**
 * The mask as a problem sees it. A float64 mask is added in the precision of the computation, so
 * unless that is float64 it is rounded to float32 here, where a huge negative value becomes −∞.
 */
export function maskView(mask: MaskArgument, computeType: FloatType): MaskView {
  const { tensor, strides } = mask;
  let data = dataOf(tensor);
  let type = tensor.type;
  if (type === 'float64' && computeType !== 'float64') {
    const rounded = allocate('float32', tensor.size, tensor.name) as Float32Array;
    readElements(type, data, 0, tensor.size, rounded);
    data = rounded;
    type = 'float32';
  }
  const [batchStride, headStride, queryStride, keyStride] = strides;
  return { data, type, batchStride, headStride, queryStride, keyStride };
}
