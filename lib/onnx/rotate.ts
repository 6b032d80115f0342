/** Rotation of heads by position, as the rotary operators specify it. */
import { copyData } from '../checks/data.js';
import { hostDataOf, type TensorArgument } from '../checks/tensor.js';
import { integerBetween, invalid } from '../checks/values.js';
import { rotatePairs } from '../rotary/rotate-pairs.js';
import { readElements, writeElements } from '../tensor/elements.js';
import type { Tensor } from '../tensor/tensor.js';
import { expectOnCpu, expectOnePlace, expectRankOf, widthOfHeads } from './arguments.js';
import { elementsPerTurn, type HostHeads } from './heads.js';

/** The cosines and sines of one angle for each pair of each step. */
export interface Angles {
  /** [batch, steps, pairs] */
  readonly cos: Float64Array;
  readonly sin: Float64Array;
  readonly pairs: number;
  /** Pairs are neighbours (x₀, x₁); otherwise x₀ and x₁ lie `pairs` apart. */
  readonly interleaved: boolean;
}

/**
 * A node of a rotary operator: the heads, which are a copy of its input, and its output over the same memory.
 */
export interface RotaryNode {
  readonly heads: HostHeads;
  readonly angles: Angles;
  readonly output: Tensor;
}

/** Refuses what is on a device, where nothing rotates but layers. */
export function expectRotatable(input: TensorArgument, ...tables: readonly TensorArgument[]): void {
  const instead = `copy ${input.name} with to('cpu'), or use MultiHeadAttention of heed with rotary`;
  expectOnCpu(input.location, 'Rotary positions in operators of ONNX are', instead);
  expectOnePlace(input, ...tables);
}

/**
 * A copy of an input of three or four axes, whose heads the attribute num_heads counts in the former case.
 */
export function copyOfInput(input: TensorArgument, count: number | undefined): HostHeads {
  const { name, type, dims } = input;
  expectRankOf(input, [3, 4]);
  if (dims.length === 4) {
    const [batch, heads, steps, width] = dims;
    const data = copyData(hostDataOf(input), type, name);
    return { name, type, data, batch, heads, steps, width, stepsFirst: false };
  }
  if (!count) throw invalid('num_heads', 'given for an input of 3 axes', count);
  const [batch, steps] = dims;
  const width = widthOfHeads(input, count, 'num_heads');
  const data = copyData(hostDataOf(input), type, name);
  return { name, type, data, batch, heads: count, steps, width, stepsFirst: true };
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

/**
 * The rows of a table [positions, pairs] at the position of each step, in memory of their own; without
 * positions, all rows of a table that has one for each step.
 */
export function rowsAt(
  table: Tensor,
  positions: ArrayLike<number> | undefined,
  source = 'position_ids.data',
): Float64Array {
  const [length, pairs] = table.dims;
  const rows = new Float64Array(positions ? positions.length * pairs : table.size);
  if (positions === undefined) {
    readElements(table.type, table.data, 0, rows.length, rows);
    return rows;
  }
  for (let step = 0; step < positions.length; step++) {
    const position = integerBetween(positions[step], `${source}[${step}]`, 0, length - 1);
    const row = rows.subarray(step * pairs, (step + 1) * pairs);
    readElements(table.type, table.data, position * pairs, pairs, row);
  }
  return rows;
}

/**
 * Rotates each pair of each head by its step's angle, in place: nothing else may access the heads meanwhile.
 * Pauses now and then.
 */
export function* rotate(split: HostHeads, { cos, sin, pairs, interleaved }: Angles): Generator<void, void> {
  const { type, data, batch, heads, steps, width, stepsFirst } = split;
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
