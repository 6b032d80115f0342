/** Rotation of heads by position, as the rotary operators specify it. */
import type { Backend } from '../backends/backend.js';
import { copyData } from '../checks/data.js';
import { sizeOf } from '../checks/lists.js';
import { dataOf, type TensorArgument } from '../checks/tensor.js';
import { integerBetween, invalid } from '../checks/values.js';
import type { Allocations } from '../memory/allocations.js';
import { isOnDevice } from '../memory/device.js';
import type { HeadRotation } from '../problem/problem.js';
import { rotatePairs } from '../rotary/rotate-pairs.js';
import { hostElements, readElements, writeElements } from '../tensor/elements.js';
import type { Tensor } from '../tensor/tensor.js';
import type { TypedArray } from '../tensor/types.js';
import { expectRankOf, widthOfHeads } from './arguments.js';
import { copyOnDevice, elementsPerTurn, type Heads, type HostHeads, tensorOf } from './heads.js';

/** A node of a rotary operator. */
export interface RotaryNode {
  /** In the memory of the CPU a copy of the input. */
  readonly heads: Heads;
  readonly rotation: HeadRotation;
  /** Of the input, and of the output. */
  readonly dims: readonly number[];
  readonly backend: Backend;
}

function dataToRotate(input: TensorArgument): Heads['data'] {
  const data = dataOf(input);
  return isOnDevice(data) ? data : copyData(data, input.type, input.name);
}

/** The heads of an input of three or four axes, which the attribute num_heads counts in the former case. */
export function headsToRotate(input: TensorArgument, count: number | undefined): Heads {
  const { name, type, dims } = input;
  expectRankOf(input, [3, 4]);
  if (dims.length === 4) {
    const [batch, heads, steps, width] = dims;
    return { name, type, data: dataToRotate(input), batch, heads, steps, width, stepsFirst: false };
  }
  if (!count) throw invalid('num_heads', 'given for an input of 3 axes', count);
  const [batch, steps] = dims;
  const width = widthOfHeads(input, count, 'num_heads');
  return { name, type, data: dataToRotate(input), batch, heads: count, steps, width, stepsFirst: true };
}

/** How many leading elements of a head are rotated, 0 being all. */
export function readRotated(given: number, width: number): number {
  const rotated = given === 0 ? width : given;
  if (rotated % 2 !== 0) {
    const name = given === 0 ? 'the head size of input' : 'rotary_embedding_dim';
    throw invalid(name, 'even, since elements rotate in pairs', rotated);
  }
  return rotated;
}

/** The rows of a table at some positions, or all of them, in memory of their own. */
function rowsAt(
  { type }: TensorArgument,
  data: TypedArray,
  { pairs, rows }: Pick<HeadRotation, 'pairs' | 'rows'>,
  positions: Float64Array | undefined,
): Float64Array {
  const taken = new Float64Array((positions?.length ?? rows) * pairs);
  if (positions === undefined) {
    readElements(type, data, 0, taken.length, taken);
    return taken;
  }
  for (const [step, position] of positions.entries()) {
    readElements(type, data, position * pairs, pairs, taken.subarray(step * pairs, (step + 1) * pairs));
  }
  return taken;
}

/**
 * The rotation by tables [rows, pairs] of cosines and sines, of which each [batch, step] has its own row: the
 * one at its position, or the next one. In the memory of the CPU copies of these rows, in float64.
 *
 * @param source the name of the positions
 */
export function readRotation(
  cos: TensorArgument,
  sin: TensorArgument,
  interleaved: boolean,
  positions: Float64Array | undefined,
  source = 'position_ids.data',
): HeadRotation {
  const pairs = cos.dims[cos.dims.length - 1];
  const rows = sizeOf(cos.dims.slice(0, -1));
  for (const [step, position] of positions?.entries() ?? [])
    integerBetween(position, `${source}[${step}]`, 0, rows - 1);
  const tables = { pairs, interleaved, rows };
  const [cosines, sines] = [dataOf(cos), dataOf(sin)];
  if (isOnDevice(cosines) || isOnDevice(sines)) return { ...tables, cos: cosines, sin: sines, positions };
  return {
    ...tables,
    cos: rowsAt(cos, cosines, tables, positions),
    sin: rowsAt(sin, sines, tables, positions),
    rows: positions?.length ?? rows,
    positions: undefined,
  };
}

/**
 * Rotates each pair of each head by its step's angle, in place: nothing else may access the heads meanwhile.
 * Pauses now and then.
 */
export function* rotate(split: HostHeads, rotation: HeadRotation): Generator<void, void> {
  const { type, data, batch, heads, steps, width, stepsFirst } = split;
  const { pairs, interleaved } = rotation;
  const cos = hostElements(rotation.cos) as Float64Array;
  const sin = hostElements(rotation.sin) as Float64Array;
  const head = new Float64Array(2 * pairs);
  const headStride = stepsFirst ? width : steps * width;
  const stepStride = stepsFirst ? heads * width : width;
  let sinceTurn = 0;
  // Axes beside an empty one may be of any length.
  if (data.length === 0) return;

  for (let b = 0; b < batch; b++) {
    for (let s = 0; s < steps; s++) {
      const angles = { cos, sin, start: (b * steps + s) * pairs, pairs };
      for (let h = 0; h < heads; h++) {
        const start = b * heads * steps * width + h * headStride + s * stepStride;
        readElements(type, data, start, head.length, head);
        rotatePairs(head, 0, angles, interleaved);
        writeElements(type, data, start, head.length, head);
      }
      sinceTurn += heads * head.length;
      if (sinceTurn >= elementsPerTurn) {
        sinceTurn = 0;
        yield;
      }
    }
  }
}

/** The output of a rotary operator. Pauses now and then. */
export function* rotated(
  allocations: Allocations,
  { heads, rotation, dims, backend }: RotaryNode,
): Generator<void, Tensor> {
  const { data, stepsFirst } = heads;
  if (isOnDevice(data)) {
    const there = copyOnDevice(allocations, backend, heads, stepsFirst, { rotation });
    return allocations.share(tensorOf(there), dims);
  }
  yield* rotate({ ...heads, data }, rotation);
  return allocations.share(tensorOf(heads), dims);
}
