/** The options of rotary position embedding. */

import { readOptions } from '../checks/options.js';
import { booleanOption, integerBetween, invalid } from '../checks/values.js';
import { HeedError } from '../errors.js';
import { widestHead } from '../problem/problem.js';
import { type RotaryScaling, readScaling, type Scaling } from './scaling.js';

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
  readonly dims: number | undefined;
  readonly interleaved: boolean;
  readonly scaling: Scaling | undefined;
}

export function readRotary(value: unknown, name: string): Rotary | undefined {
  if (value === undefined) return undefined;
  const { theta, dims, interleaved, scaling } = readOptions(
    value,
    ['theta', 'dims', 'interleaved', 'scaling'],
    name,
  );
  return {
    theta: theta === undefined ? 10_000 : greaterThanOne(theta, `${name}.theta`),
    dims:
      dims === undefined
        ? undefined
        : evenWidth(integerBetween(dims, `${name}.dims`, 2, widestHead), `${name}.dims`),
    interleaved: booleanOption(interleaved, `${name}.interleaved`, false),
    scaling: readScaling(scaling, `${name}.scaling`),
  };
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

/** How many elements of heads of this width turn. */
export function rotatedWidth(rotary: Rotary, width: number): number {
  if (rotary.dims === undefined) return evenWidth(width, 'the width of a head with options.rotary');
  if (rotary.dims > width) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected options.rotary.dims to be at most the width of a head (${width}), received ${rotary.dims}`,
    );
  }
  return rotary.dims;
}
