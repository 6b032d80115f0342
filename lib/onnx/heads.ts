/** Tensors split into heads, in either order of axes, and copies from one order to the other. */
import type { Backend } from '../backends/backend.js';
import { solveSync } from '../backends/operation.js';
import { allocate } from '../checks/data.js';
import type { Allocations } from '../memory/allocations.js';
import { type Elements, isOnDevice } from '../memory/device.js';
import type { HeadsProblem, View } from '../problem/problem.js';
import type { Tensor } from '../tensor/tensor.js';
import { bytesPerElement, type TensorType, type TypedArray } from '../tensor/types.js';
import { tensorOver } from './arguments.js';
import { copyRows } from './copy-rows.js';

/** Elements between two pauses: a few milliseconds of arithmetic. */
export const elementsPerTurn = 1 << 18;

export interface Heads {
  readonly name: string;
  readonly type: TensorType;
  readonly data: Elements;
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

/** Heads in the memory of the CPU. */
export interface HostHeads extends Heads {
  readonly data: TypedArray;
}

/** In the memory of the heads, which the tensor has no share in. */
export function tensorOf({ type, data, batch, heads, steps, width, stepsFirst }: Heads): Tensor {
  return tensorOver(type, data, stepsFirst ? [batch, steps, heads, width] : [batch, heads, steps, width]);
}

export function headsOf(tensor: Tensor, name: string, stepsFirst: boolean): Heads {
  const [batch, second, third, width] = tensor.dims;
  const [heads, steps] = stepsFirst ? [third, second] : [second, third];
  return { name, type: tensor.type, data: tensor.elements, batch, heads, steps, width, stepsFirst };
}

/** A number of steps, one for all batch entries or one for each. */
type Steps = number | readonly number[];

const stepsOf = (steps: Steps, entry: number) => (typeof steps === 'number' ? steps : steps[entry]);

/** Where rows lie. */
interface Strides {
  readonly start: number;
  readonly batch: number;
  readonly head: number;
  readonly step: number;
}

/** @param row the length of a row, in elements or in bytes */
function stridesOf({ heads, steps, stepsFirst, packing }: Heads, row: number): Strides {
  if (!stepsFirst) return { start: 0, batch: heads * steps * row, head: steps * row, step: row };
  const { rows, first, stride } = packing ?? { rows: heads, first: 0, stride: 1 };
  return { start: first * row, batch: steps * rows * row, head: stride * row, step: rows * row };
}

/**
 * Copies the leading steps of each entry of `from` to `to`, from step `firstStep` on. Pauses now and then.
 */
function* copySteps(from: Heads, to: Heads, count: Steps, firstStep: Steps): Generator<void, void> {
  // Axes beside an empty one may be of any length.
  if (from.batch * from.heads * from.steps * from.width === 0) return;
  const rowBytes = from.width * bytesPerElement[from.type];
  const [source, target] = [stridesOf(from, rowBytes), stridesOf(to, rowBytes)];
  const entries = { length: from.batch, from: source.batch, to: target.batch };
  const copy = (steps: number, first: number, entry: number, batch: typeof entries) =>
    copyRows(
      from,
      to,
      [
        batch,
        { length: from.heads, from: source.head, to: target.head },
        { length: steps, from: source.step, to: target.step },
      ],
      rowBytes,
      {
        from: source.start + entry * source.batch,
        to: target.start + entry * target.batch + first * target.step,
      },
    );
  if (typeof count === 'number' && typeof firstStep === 'number') {
    if (count > 0) yield* copy(count, firstStep, 0, entries);
    return;
  }
  for (let b = 0; b < from.batch; b++) {
    const steps = stepsOf(count, b);
    if (steps > 0) yield* copy(steps, stepsOf(firstStep, b), b, { ...entries, length: 1 });
  }
}

/** Memory for elements where others are, for the operation only: zeros on the CPU, anything on a device. */
export function emptyBeside(
  allocations: Allocations,
  beside: Elements,
  type: TensorType,
  size: number,
  name: string,
): Elements {
  if (!isOnDevice(beside)) return allocate(type, size, name);
  return allocations.temporary(type, [size], beside.device.location).elements;
}

function emptyLike(
  allocations: Allocations,
  { data, type, batch, heads, width }: Heads,
  name: string,
  steps: number,
  stepsFirst: boolean,
): Heads {
  const empty = emptyBeside(allocations, data, type, batch * heads * steps * width, name);
  return { name, type, data: empty, batch, heads, steps, width, stepsFirst };
}

/**
 * past, then incoming: [batch, heads, steps, width] in memory of its own.
 *
 * @param pastSteps the valid steps of the past, which incoming follows
 * @param steps of the result; those after incoming are zeros
 */
export function* appendSteps(
  allocations: Allocations,
  past: Heads | undefined,
  incoming: Heads,
  name: string,
  pastSteps: Steps = past?.steps ?? 0,
  steps: number = (past?.steps ?? 0) + incoming.steps,
): Generator<void, Heads> {
  const present = emptyLike(allocations, incoming, name, steps, false);
  const isFull = (valid: number) => valid + incoming.steps === steps;
  const full = typeof pastSteps === 'number' ? isFull(pastSteps) : pastSteps.every(isFull);
  if (isOnDevice(present.data) && !full) present.data.device.clear(present.data);
  if (past !== undefined) yield* copySteps(past, present, pastSteps, 0);
  yield* copySteps(incoming, present, incoming.steps, pastSteps);
  return present;
}

/** Whether both orders of axes are the same. */
function isEitherOrder({ heads, steps, packing }: Heads): boolean {
  return packing === undefined && (heads === 1 || steps === 1);
}

/** The same elements as [batch, heads, steps, width]. */
export function* withHeadsFirst(allocations: Allocations, split: Heads): Generator<void, Heads> {
  if (!split.stepsFirst || isEitherOrder(split)) return { ...split, stepsFirst: false };
  return yield* appendSteps(allocations, undefined, split, split.name);
}

/** The same elements as [batch, steps, heads, width]. */
export function* withStepsFirst(allocations: Allocations, split: Heads): Generator<void, Heads> {
  if (split.packing === undefined && (split.stepsFirst || isEitherOrder(split)))
    return { ...split, stepsFirst: true };
  return yield* copyWithStepsFirst(allocations, split);
}

/** The same in memory of their own. */
export function* copyWithStepsFirst(allocations: Allocations, split: Heads): Generator<void, Heads> {
  const copy = emptyLike(allocations, split, split.name, split.steps, true);
  yield* copySteps(split, copy, split.steps, 0);
  return copy;
}

/** A copy of heads on a device, in memory of its own, to which a bias is added or which is rotated. */
export function copyOnDevice(
  allocations: Allocations,
  backend: Backend,
  from: Heads,
  stepsFirst: boolean,
  changes: Pick<HeadsProblem, 'bias' | 'rotation'>,
): Heads {
  const { name, batch, heads, steps, width } = from;
  const to = emptyLike(allocations, from, name, steps, stepsFirst);
  const view = (split: Heads, strides: Strides): View => ({
    data: split.data,
    type: split.type,
    batchStride: strides.batch,
    headStride: strides.head,
    stepStride: strides.step,
  });
  const [source, target] = [stridesOf(from, width), stridesOf(to, width)];
  const shape = { batch, heads, steps, width, from: view(from, source), fromStart: source.start };
  // Nothing waits: all memory is on the device.
  solveSync(backend, [{ kind: 'heads', ...shape, to: view(to, target), ...changes }]);
  return to;
}

/** The output of attention as [batch, steps, heads · width], for the caller. */
export function* joinHeads(
  allocations: Allocations,
  output: Tensor,
  name: string,
  stepsFirst: boolean,
): Generator<void, Tensor> {
  const split = yield* withStepsFirst(allocations, headsOf(output, name, stepsFirst));
  return allocations.share(tensorOf(split), [split.batch, split.steps, split.heads * split.width]);
}
