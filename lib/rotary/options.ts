/** The options of rotary position embedding. */

import { readOptions } from '../checks/options.js';
import { booleanOption, integerBetween, invalid } from '../checks/values.js';
import { widestHead } from '../problem/problem.js';
import type { NumberList } from '../tensor/types.js';
import { type RotaryScaling, readPairNumbers, readScaling, type Scaling } from './scaling.js';

/**
 * Rotary position embedding (Su et al. 2021, "RoFormer: Enhanced Transformer with Rotary Position
 * Embedding"): pairs of elements of queries and keys are rotated by angles that grow with the position, pair
 * i of `dims` / 2 at position p by p · θ^(−2i / dims) radians, so that their products depend on the distance
 * between positions.
 */
export interface RotaryOptions {
  /** The base θ of the frequencies; `rope_theta` of checkpoints. Default 10000. */
  theta?: number;
  /**
   * The frequencies themselves in place of θ^(−2i / dims), in radians per position: one for each of the
   * `dims` / 2 pairs, in a list or a tensor [dims / 2] of a floating-point type; `inv_freq` of checkpoints.
   * They are copied. 0 leaves a pair as it is. Excludes `theta` and `scaling`.
   */
  inverseFrequencies?: NumberList;
  /**
   * How many leading elements of a head are rotated; the others stay as they are. Even. Default: the width of
   * a head.
   */
  dims?: number;
  /**
   * Which elements form a pair: neighbours, (x₀, x₁), (x₂, x₃), … (RoFormer, GPT-J, Cohere), or, by default,
   * elements half of `dims` apart, (x₀, x_d/2), (x₁, x_d/2+1), … (GPT-NeoX, Llama, Mistral, Qwen).
   */
  interleaved?: boolean;
  /** How frequencies change for sequences longer than in training. Default: not at all. */
  scaling?: RotaryScaling;
}

/** What was read of the options; undefined dims stand for the width of a head. */
export interface Rotary {
  readonly theta: number;
  /** Undefined for those that θ and the scaling give. */
  readonly inverseFrequencies: readonly number[] | undefined;
  readonly dims: number | undefined;
  readonly interleaved: boolean;
  readonly scaling: Scaling | undefined;
}

export function readRotary(value: unknown, name: string): Rotary | undefined {
  if (value === undefined) return undefined;
  const { theta, inverseFrequencies, dims, interleaved, scaling } = readOptions(
    value,
    ['theta', 'inverseFrequencies', 'dims', 'interleaved', 'scaling'],
    name,
  );
  if (inverseFrequencies !== undefined) {
    expectLeftOut(theta, `${name}.theta`);
    expectLeftOut(scaling, `${name}.scaling`);
  }
  return {
    theta: theta === undefined ? 10_000 : greaterThanOne(theta, `${name}.theta`),
    inverseFrequencies:
      inverseFrequencies === undefined
        ? undefined
        : readPairNumbers(inverseFrequencies, `${name}.inverseFrequencies`),
    dims:
      dims === undefined
        ? undefined
        : evenWidth(integerBetween(dims, `${name}.dims`, 2, widestHead), `${name}.dims`),
    interleaved: booleanOption(interleaved, `${name}.interleaved`, false),
    scaling: readScaling(scaling, `${name}.scaling`),
  };
}

function expectLeftOut(value: unknown, name: string): void {
  if (value !== undefined) throw invalid(name, 'left out where inverseFrequencies is given', value);
}

function greaterThanOne(value: unknown, name: string): number {
  if (typeof value !== 'number' || !(value > 1 && value < Number.POSITIVE_INFINITY)) {
    throw invalid(name, 'a finite number greater than 1', value);
  }
  return value;
}

function evenWidth(width: number, name: string): number {
  if (width % 2 !== 0) throw invalid(name, 'even, since elements turn in pairs', width);
  return width;
}
