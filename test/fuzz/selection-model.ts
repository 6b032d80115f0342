/** Reads the option `select` strictly and independently, for the oracle. */
import type { Selection } from '../../lib/attention/options.js';
import * as model from './tensor-model.js';
import { expect, type ModelTensor, plain } from './tensor-model.js';

export interface ModelSelection {
  readonly select: Selection;
  readonly centers: ModelTensor | undefined;
  /** A key is chosen, which the last digits of scores may decide. */
  readonly chooses: boolean;
}

function broadcasts(dims: readonly number[], target: readonly number[]): boolean {
  const skipped = target.length - dims.length;
  return skipped >= 0 && dims.every((length, axis) => length === 1 || length === target[axis + skipped]);
}

/** `target` is [batch, heads, queries]; without it the selection is unused, but must be valid. */
export function readSelection(value: unknown, target?: readonly number[]): ModelSelection {
  if (value === undefined || value === 'soft') return { select: 'soft', centers: undefined, chooses: false };
  if (value === 'hard') return { select: 'hard', centers: undefined, chooses: true };
  expect(model.isObject(value), 'a selection');
  const { type, seed, centers, halfWidth } = model.options(value, ['type', 'seed', 'centers', 'halfWidth']);
  if (type === 'hard') {
    expect(centers === undefined && halfWidth === undefined, 'no window');
    expect(model.isInteger(seed, 0, Number.MAX_SAFE_INTEGER), 'a seed');
    return { select: { type, seed }, centers: undefined, chooses: true };
  }
  expect(type === 'local' && seed === undefined, 'a type of selection');
  const tensor = model.floatTensor(centers);
  expect(target === undefined || broadcasts(tensor.dims, target), 'centers that broadcast');
  const width = model.finite(halfWidth);
  expect(width >= 2 ** -126, 'a half width');
  // Centers are used as float32, which the float64 of the reference represents exactly.
  return { select: { type, centers: plain(tensor), halfWidth: width }, centers: tensor, chooses: false };
}

/** The centers of one sequence of a packed batch. */
export function centersOf({ dims, values }: ModelTensor, entry: number, queries: number) {
  const [batch, heads, rows] = [1, 1, 1, ...dims].slice(-3);
  const count = rows === 1 ? 1 : queries;
  const own: number[] = [];
  for (let h = 0; h < heads; h++) {
    const start = ((batch === 1 ? 0 : entry) * heads + h) * rows;
    own.push(...values.subarray(start, start + count));
  }
  return { type: 'float64' as const, dims: [1, heads, count], data: Float64Array.from(own) };
}
