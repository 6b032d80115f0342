/** Tensors split into heads, in either order of axes, and copies from one order to the other. */
import { allocate, isDetachedArray } from '../checks/data.js';
import { HeedError } from '../errors.js';
import { bytesOf } from '../memory/arrays.js';
import { Tensor } from '../tensor/tensor.js';
import type { TensorType, TypedArray } from '../tensor/types.js';

/** Bytes between two pauses: a few milliseconds of copying. */
const bytesPerTurn = 1 << 23;

/** Elements between two pauses: a few milliseconds of arithmetic. */
export const elementsPerTurn = 1 << 18;

export interface Heads {
  readonly name: string;
  readonly type: TensorType;
  readonly data: TypedArray;
  readonly batch: number;
  readonly heads: number;
  readonly steps: number;
  readonly width: number;
  /**
   * [batch, steps, heads, width], as three-dimensional inputs are; otherwise [batch, heads, steps, width].
   */
  readonly stepsFirst: boolean;
  /** Where the heads lie in each step if it holds more than them, as that of a packed input does. */
  readonly packing?: {
    /** All rows of a step. */
    readonly rows: number;
    /** The row of head 0. */
    readonly first: number;
    /** Rows from one head to the next. */
    readonly stride: number;
  };
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

export function detached({ name }: { readonly name: string }): HeedError {
  return new HeedError('HEED_DETACHED', `Expected the memory of ${name} to stay while the operation runs`);
}

/** A number of steps, one for all batch entries or one for each. */
type Steps = number | readonly number[];

const stepsOf = (steps: Steps, entry: number) => (typeof steps === 'number' ? steps : steps[entry]);

/** The first elements of a step's heads, in rows. */
function rowOf(side: Heads, entry: number, head: number, step: number): number {
  if (!side.stepsFirst) return (entry * side.heads + head) * side.steps + step;
  const { rows, first, stride } = side.packing ?? { rows: side.heads, first: 0, stride: 1 };
  return (entry * side.steps + step) * rows + first + head * stride;
}

/**
 * Copies the leading steps of each entry of `from` to `to`, from step `firstStep` on. Pauses now and then.
 */
function* copySteps(from: Heads, to: Heads, count: Steps, firstStep: Steps): Generator<void, void> {
  // Axes beside an empty one may be of any length.
  if (from.batch * from.heads * from.steps * from.width === 0) return;
  if (isDetachedArray(from.data)) throw detached(from);
  const source = bytesOf(from.data);
  const target = bytesOf(to.data);
  const rowBytes = from.width * from.data.BYTES_PER_ELEMENT;
  // The steps of one head follow each other when neither side has other heads between them.
  const inRuns = !from.stepsFirst && !to.stepsFirst;
  let sinceTurn = 0;
  for (let b = 0; b < from.batch; b++) {
    const steps = stepsOf(count, b);
    const stepsAtOnce = inRuns ? Math.max(steps, 1) : 1;
    for (let h = 0; h < from.heads; h++) {
      for (let s = 0; s < steps; s += stepsAtOnce) {
        const start = rowOf(from, b, h, s) * rowBytes;
        target.set(
          source.subarray(start, start + stepsAtOnce * rowBytes),
          rowOf(to, b, h, stepsOf(firstStep, b) + s) * rowBytes,
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

function emptyLike(
  { type, batch, heads, width }: Heads,
  name: string,
  steps: number,
  stepsFirst: boolean,
): Heads {
  const data = allocate(type, batch * heads * steps * width, name);
  return { name, type, data, batch, heads, steps, width, stepsFirst };
}

/**
 * past, then incoming: [batch, heads, steps, width] in memory of its own.
 *
 * @param pastSteps the valid steps of the past, which incoming follows
 * @param steps of the result; those after incoming are zeros
 */
export function* appendSteps(
  past: Heads | undefined,
  incoming: Heads,
  name: string,
  pastSteps: Steps = past?.steps ?? 0,
  steps: number = (past?.steps ?? 0) + incoming.steps,
): Generator<void, Heads> {
  const present = emptyLike(incoming, name, steps, false);
  if (past !== undefined) yield* copySteps(past, present, pastSteps, 0);
  yield* copySteps(incoming, present, incoming.steps, pastSteps);
  return present;
}

/** The same elements as [batch, heads, steps, width]. */
export function* withHeadsFirst(split: Heads): Generator<void, Heads> {
  return split.stepsFirst ? yield* appendSteps(undefined, split, split.name) : split;
}

/** The same elements as [batch, steps, heads, width], in memory of their own. */
export function* withStepsFirst(split: Heads): Generator<void, Heads> {
  const copy = emptyLike(split, split.name, split.steps, true);
  yield* copySteps(split, copy, split.steps, 0);
  return copy;
}

/** The output of attention as [batch, steps, heads · width]. */
export function* joinHeads(output: Tensor, name: string, stepsFirst: boolean): Generator<void, Tensor> {
  const split = headsOf(output, name, stepsFirst);
  const { data } = stepsFirst ? split : yield* withStepsFirst(split);
  return new Tensor(split.type, data, [split.batch, split.steps, split.heads * split.width]);
}
