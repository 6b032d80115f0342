/** Masks, broadcast to [batch, heads, queries, keys] as numpy broadcasts. */

import { broadcastStrides } from '../checks/broadcast.js';
import { computedData, readTensor, type TensorArgument } from '../checks/tensor.js';
import { HeedError } from '../errors.js';
import type { MaskView } from '../problem/problem.js';
import type { FloatType } from '../tensor/types.js';
import { isFloatType } from '../tensor/types.js';

export interface MaskArgument {
  readonly tensor: TensorArgument;
  /** Along batch, heads, queries and keys; 0 where the mask broadcasts. */
  readonly strides: readonly number[];
}

function expectMaskType(tensor: TensorArgument): void {
  if (tensor.type === 'bool' || isFloatType(tensor.type)) return;
  throw new HeedError(
    'HEED_UNSUPPORTED_TYPE',
    `Expected ${tensor.name}.type to be 'bool' or a floating-point type, received '${tensor.type}'`,
  );
}

export function readMask(
  value: unknown,
  name: string,
  target: readonly [batch: number, heads: number, queries: number, keys: number],
): MaskArgument | undefined {
  if (value === undefined) return undefined;
  const tensor = readTensor(value, name);
  expectMaskType(tensor);
  return { tensor, strides: broadcastStrides(tensor, target, 'batch, heads, queries, keys') };
}

/** The mask as a problem sees it. It is added in the precision of the computation. */
export function maskView({ tensor, strides }: MaskArgument, computeType: FloatType): MaskView {
  const [batchStride, headStride, queryStride, keyStride] = strides;
  return { ...computedData(tensor, computeType), batchStride, headStride, queryStride, keyStride };
}
