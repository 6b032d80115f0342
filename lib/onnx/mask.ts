/** The attn_mask input: broadcast from the right, and padded if it covers fewer keys than there are. */
import { sizeOf } from '../checks/lists.js';
import type { TensorArgument } from '../checks/tensor.js';
import { describeDims } from '../checks/values.js';
import { HeedError } from '../errors.js';
import type { Allocations } from '../memory/allocations.js';
import { isOnDevice } from '../memory/device.js';
import type { Tensor } from '../tensor/tensor.js';
import { bytesPerElement, isFloatType } from '../tensor/types.js';
import { atOnce } from '../time-slices.js';
import { type Opset, tensorOver, toTensor } from './arguments.js';
import { copyRows } from './copy-rows.js';
import { emptyBeside } from './heads.js';

interface MaskContext {
  readonly batch: number;
  readonly queryHeads: number;
  readonly querySteps: number;
  /** Those of the past included. */
  readonly totalSteps: number;
  readonly keyLengths: readonly number[] | undefined;
  readonly opset: Opset;
}

function expectMask(mask: TensorArgument, context: MaskContext): void {
  if (mask.type !== 'bool' && !isFloatType(mask.type)) {
    throw new HeedError(
      'HEED_UNSUPPORTED_TYPE',
      `Expected attn_mask.type to be 'bool' or a floating-point type, received '${mask.type}'`,
    );
  }
  const target = [context.batch, context.queryHeads, context.querySteps, context.totalSteps];
  const { dims } = mask;
  const covered = dims.at(-1) ?? -1;
  // Until operator set 24 the last axis broadcast like the others; since then a shorter one leaves keys out.
  const keysFit =
    covered === context.totalSteps || (context.opset === 23 ? covered === 1 : covered < context.totalSteps);
  const outer = target.slice(4 - dims.length, -1);
  const fits = dims.length >= 1 && dims.length <= 4 && keysFit;
  if (!fits || outer.some((length, axis) => dims[axis] !== length && dims[axis] !== 1)) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected attn_mask.dims to broadcast to [batch, heads, queries, keys] ${describeDims(target)}, received ${describeDims(dims)}`,
    );
  }
  const longest = Math.max(0, ...(context.keyLengths ?? []));
  if (covered < longest && context.opset !== 23) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected the last of attn_mask.dims to reach the longest of nonpad_kv_seqlen (${longest}), received ${covered}`,
    );
  }
}

/** The same mask for more keys, of which lengths exclude the others; itself if it covers all. */
export function fillUp(allocations: Allocations, mask: Tensor, covered: number, total: number): Tensor {
  if (covered === total) return mask;
  const outer = mask.dims.slice(0, -1);
  const rows = sizeOf(outer);
  const { type, elements: from } = mask;
  const to = emptyBeside(allocations, from, type, rows * total, 'a mask');
  if (isOnDevice(to)) to.device.clear(to);
  const bytes = bytesPerElement[type];
  if (covered * rows > 0) {
    const axis = { length: rows, from: covered * bytes, to: total * bytes };
    atOnce(copyRows({ name: 'a mask', data: from }, { data: to }, [axis], covered * bytes));
  }
  return tensorOver(type, to, [...outer, total]);
}

/** With four axes, so that two axes are [queries, keys] and nothing else. */
export function readMask(
  allocations: Allocations,
  mask: TensorArgument | undefined,
  context: MaskContext,
): Tensor | undefined {
  if (mask === undefined) return undefined;
  expectMask(mask, context);
  const tensor = toTensor(mask, [1, 1, 1, ...mask.dims].slice(-4));
  const covered = mask.dims.at(-1) ?? 0;
  if (context.opset === 23) return tensor;
  return fillUp(allocations, tensor, covered, context.totalSteps);
}
