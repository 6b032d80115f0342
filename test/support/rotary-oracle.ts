/**
 * An independent implementation of rotary embedding: a pair is a complex number, which is multiplied by e^(i
 * · angle). It follows the papers and the publications of checkpoints' authors, not the library.
 */
import type { RotaryOptions, RotaryScaling } from '../../lib/multi-head-attention/multi-head-attention.js';
import type { NumberList } from '../../lib/tensor/types.js';
import { toNumbers } from './numbers.js';

/** Tests give plain numbers, or tensors of them. */
function numbersOf(list: NumberList): number[] {
  return 'dims' in list ? toNumbers(list) : Array.from(list);
}

/** The magnitude and the angle, in radians, of the complex factor of pair `index` at a position. */
export function rotaryFactor(
  { theta = 10_000, inverseFrequencies, scaling }: RotaryOptions,
  dims: number,
  index: number,
  position: number,
  length: number,
): { magnitude: number; angle: number } {
  if (inverseFrequencies !== undefined) {
    return { magnitude: 1, angle: position * numbersOf(inverseFrequencies)[index] };
  }
  const wavelength = (base: number) => 2 * Math.PI * Math.exp((2 * index * Math.log(base)) / dims);
  const at = (wave: number, magnitude = 1) => ({ magnitude, angle: (2 * Math.PI * position) / wave });
  switch (scaling?.type) {
    case undefined:
      return at(wavelength(theta));
    case 'linear':
      return at(wavelength(theta) * scaling.factor);
    case 'dynamic': {
      const { factor, originalMaxPositionEmbeddings: trained } = scaling;
      // NTK-aware: the last pair is interpolated by the growth of the length, the first is unchanged.
      const growth = 1 + factor * (Math.max(length, trained) / trained - 1);
      return at(dims === 2 ? 2 * Math.PI : wavelength(theta) * growth ** ((2 * index) / (dims - 2)));
    }
    case 'llama3': {
      const { factor, lowFreqFactor: low, highFreqFactor: high } = scaling;
      const wave = wavelength(theta);
      const turns = scaling.originalMaxPositionEmbeddings / wave;
      if (turns > high) return at(wave);
      if (turns < low) return at(wave * factor);
      const smooth = (turns - low) / (high - low);
      return at(1 / ((1 - smooth) / (factor * wave) + smooth / wave));
    }
    case 'longrope': {
      const { shortFactor, longFactor, originalMaxPositionEmbeddings: trained, factor = 1 } = scaling;
      const stretch = numbersOf(length > trained ? longFactor : shortFactor)[index];
      const { attentionFactor = Math.sqrt(Math.log(trained * factor) / Math.log(trained)) } = scaling;
      return at(wavelength(theta) * stretch, attentionFactor);
    }
    case 'yarn':
      return at(yarnWavelength(scaling, theta, dims, index, wavelength(theta)), yarnMagnitude(scaling));
  }
}

type Yarn = Extract<RotaryScaling, { type: 'yarn' }>;

function yarnWavelength(scaling: Yarn, theta: number, dims: number, index: number, wave: number): number {
  const {
    factor,
    originalMaxPositionEmbeddings: trained,
    betaFast = 32,
    betaSlow = 1,
    truncate = true,
  } = scaling;
  // trained / (2π θ^(2d/dims)) = turns, solved for the pair d.
  const pairThatTurns = (turns: number) =>
    (dims / 2) * (Math.log(trained / turns / 2 / Math.PI) / Math.log(theta));
  let low = pairThatTurns(betaFast);
  let high = pairThatTurns(betaSlow);
  if (truncate) [low, high] = [Math.floor(low), Math.ceil(high)];
  low = Math.max(low, 0);
  high = Math.min(high, dims - 1);
  if (low === high) high += 0.001;
  const ramp = Math.max(0, Math.min(1, (index - low) / (high - low)));
  return 1 / ((1 - ramp) / wave + ramp / (factor * wave));
}

function yarnMagnitude({ factor, attentionFactor, mscale, mscaleAllDim }: Yarn): number {
  if (attentionFactor !== undefined) return attentionFactor;
  const weigh = (weight: number) => (factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1);
  return mscale && mscaleAllDim ? weigh(mscale) / weigh(mscaleAllDim) : weigh(1);
}

/** Rotates one head. */
export function rotaryOracle(
  head: readonly number[],
  options: RotaryOptions,
  position: number,
  length: number,
): number[] {
  const { dims = head.length, interleaved = false } = options;
  const turned = [...head];
  for (let index = 0; index < dims / 2; index++) {
    const [real, imaginary] = interleaved ? [2 * index, 2 * index + 1] : [index, index + dims / 2];
    const { magnitude, angle } = rotaryFactor(options, dims, index, position, length);
    const radius = magnitude * Math.hypot(head[real], head[imaginary]);
    const argument = Math.atan2(head[imaginary], head[real]) + angle;
    turned[real] = radius * Math.cos(argument);
    turned[imaginary] = radius * Math.sin(argument);
  }
  return turned;
}
