/** Tensors split into heads, in either order of axes, and copies from one order to the other. */

import { allocate, isDetachedArray } from '../checks/data.js';
import { HeedError } from '../errors.js';
import { bytesOf } from '../memory/arrays.js';
import { Tensor } from '../tensor/tensor.js';
import type { TensorType, TypedArray } from '../tensor/types.js';

/** Bytes between two pauses: a few milliseconds of copying. */
const bytesPerTurn = 1 << 23;

export interface Heads {
  readonly name: string;
  readonly type: TensorType;
  readonly data: TypedArray;
  readonly batch: number;
  readonly heads: number;
  readonly steps: number;
  readonly width: number;
  /** [batch, steps, heads, width], as three-dimensional inputs are; otherwise [batch, heads, steps, width]. */
  readonly stepsFirst: boolean;
}

export function tensorOf(split: Heads): Tensor {
  const { batch, heads, steps, width } = split;
  const dims = split.stepsFirst ? [batch, steps, heads, width] : [batch, heads, steps, width];
  return new Tensor(split.type, split.data, dims);
}

export function headsOf(tensor: Tensor, name: string, stepsFirst: boolean): Heads {
  const [batch, second, third, width] = tensor.dims;
  const [heads, steps] = stepsFirst ? [third, second] : [second, third];
  return { name, type: tensor.type, data: tensor.data, batch, heads, steps, width, stepsFirst };
}

function detached({ name }: Heads): HeedError {
  return new HeedError('HEED_DETACHED', `Expected the memory of ${name} to stay while the operation runs`);
}

/** Copies every step of `from` to `to`, from step `firstStep` on. Pauses now and then. */
function* copySteps(from: Heads, to: Heads, firstStep: number): Generator<void, void> {
  // Axes beside an empty one may be of any length.
  if (from.batch * from.heads * from.steps * from.width === 0) return;
  if (isDetachedArray(from.data)) throw detached(from);
  const source = bytesOf(from.data);
  const target = bytesOf(to.data);
  const rowBytes = from.width * from.data.BYTES_PER_ELEMENT;
  // The steps of one head follow each other when neither side has other heads between them.
  const stepsAtOnce = from.stepsFirst || to.stepsFirst ? 1 : from.steps;
  const row = (side: Heads, b: number, h: number, s: number) =>
    side.stepsFirst ? (b * side.steps + s) * side.heads + h : (b * side.heads + h) * side.steps + s;
  let sinceTurn = 0;
  for (let b = 0; b < from.batch; b++) {
    for (let h = 0; h < from.heads; h++) {
      for (let s = 0; s < from.steps; s += stepsAtOnce) {
        const start = row(from, b, h, s) * rowBytes;
        target.set(
          source.subarray(start, start + stepsAtOnce * rowBytes),
          row(to, b, h, firstStep + s) * rowBytes,
        );
        sinceTurn += stepsAtOnce * rowBytes;
        if (sinceTurn < bytesPerTurn) continue;
        sinceTurn = 0;
        yield;
        if (source.length === 0) throw detached(from);
      }
    }
  }
}

function emptyLike(like: Heads, name: string, steps: number, stepsFirst: boolean): Heads {
  const data = allocate(like.type, like.batch * like.heads * steps * like.width, name);
  return { ...like, name, data, steps, stepsFirst };
}

/** past, then incoming: [batch, heads, steps of both, width] in memory of its own. */
export function* appendSteps(past: Heads | undefined, incoming: Heads, name: string): Generator<void, Heads> {
  const before = past?.steps ?? 0;
  const present = emptyLike(incoming, name, before + incoming.steps, false);
  if (past !== undefined) yield* copySteps(past, present, 0);
  yield* copySteps(incoming, present, before);
  return present;
}

/** The same elements as [batch, steps, heads, width]. */
export function* withStepsFirst(split: Heads): Generator<void, Heads> {
  const copy = emptyLike(split, split.name, split.steps, true);
  yield* copySteps(split, copy, 0);
  return copy;
}
