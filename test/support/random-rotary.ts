/** Random rotary options. */
import type { RotaryOptions, RotaryScaling } from '../../lib/multi-head-attention/multi-head-attention.js';
import type { TensorLike } from '../../lib/tensor/types.js';
import { type Random, tensorOf } from './random.js';

/** A number for each pair, as a list or as a tensor. */
function randomForPairs(random: Random, dims: number, low: number, high: number): number[] | TensorLike {
  const numbers = Array.from({ length: dims / 2 }, () => random.uniform(low, high));
  const type = random.pick(['float32', 'float64', 'float16', 'bfloat16', undefined] as const);
  return type === undefined ? numbers : tensorOf(type, [dims / 2], (i) => numbers[i]);
}

/**
 * Original lengths are short, so that short sequences already show a difference.
 *
 * @param dims how many elements of a head turn
 */
export function randomScaling(random: Random, dims: number): RotaryScaling {
  const factor = random.uniform(1, 8);
  const originalMaxPositionEmbeddings = random.integer(4, 64);
  const attentionFactor = random.uniform(0.5, 1.5);
  switch (random.pick(['linear', 'dynamic', 'yarn', 'llama3', 'longrope'] as const)) {
    case 'linear':
      return { type: 'linear', factor };
    case 'dynamic':
      return { type: 'dynamic', factor, originalMaxPositionEmbeddings };
    case 'yarn':
      return {
        type: 'yarn',
        factor,
        originalMaxPositionEmbeddings,
        ...(random.chance(0.3) && { attentionFactor }),
        ...(random.chance(0.5) && { betaFast: random.uniform(2, 8), betaSlow: random.uniform(0.1, 2) }),
        ...(random.chance(0.3) && { mscale: random.uniform(0.5, 2) }),
        ...(random.chance(0.3) && { mscaleAllDim: random.uniform(0.5, 2) }),
        ...(random.chance(0.3) && { truncate: random.chance(0.5) }),
      };
    case 'longrope':
      return {
        type: 'longrope',
        shortFactor: randomForPairs(random, dims, 0.5, 2),
        longFactor: randomForPairs(random, dims, 1, 8),
        originalMaxPositionEmbeddings,
        ...random.pick([{ factor }, { attentionFactor }, { factor, attentionFactor }]),
      };
    case 'llama3': {
      const lowFreqFactor = random.uniform(0.5, 2);
      return {
        type: 'llama3',
        factor,
        lowFreqFactor,
        highFreqFactor: lowFreqFactor + random.uniform(0.1, 4),
        originalMaxPositionEmbeddings,
      };
    }
  }
}

/** For heads of at least two elements; heads of odd width cannot be rotated as a whole. */
export function randomRotary(random: Random, width: number): RotaryOptions {
  const part = width % 2 !== 0 || random.chance(0.4);
  const dims = part ? 2 * random.integer(1, Math.floor(width / 2)) : width;
  const interleaved = random.chance(0.5) && { interleaved: random.chance(0.5) };
  if (random.chance(0.2)) {
    const inverseFrequencies = randomForPairs(random, dims, 0, 1.5);
    return { ...(part && { dims }), ...interleaved, inverseFrequencies };
  }
  return {
    ...(random.chance(0.5) && { theta: random.pick([10, 10_000, 500_000]) }),
    ...(part && { dims }),
    ...interleaved,
    ...(random.chance(0.5) && { scaling: randomScaling(random, dims) }),
  };
}
