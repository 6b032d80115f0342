/** Random rotary options. */
import type { RotaryOptions, RotaryScaling } from '../../lib/multi-head-attention/multi-head-attention.js';
import type { Random } from './random.js';

/** Original lengths are short, so that short sequences already show a difference. */
export function randomScaling(random: Random): RotaryScaling {
  const factor = random.uniform(1, 8);
  const originalMaxPositionEmbeddings = random.integer(4, 64);
  switch (random.pick(['linear', 'dynamic', 'yarn', 'llama3'] as const)) {
    case 'linear':
      return { type: 'linear', factor };
    case 'dynamic':
      return { type: 'dynamic', factor, originalMaxPositionEmbeddings };
    case 'yarn':
      return {
        type: 'yarn',
        factor,
        originalMaxPositionEmbeddings,
        ...(random.chance(0.3) && { attentionFactor: random.uniform(0.5, 1.5) }),
        ...(random.chance(0.5) && { betaFast: random.uniform(2, 8), betaSlow: random.uniform(0.1, 2) }),
        ...(random.chance(0.3) && { mscale: random.uniform(0.5, 2) }),
        ...(random.chance(0.3) && { mscaleAllDim: random.uniform(0.5, 2) }),
        ...(random.chance(0.3) && { truncate: random.chance(0.5) }),
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
  return {
    ...(random.chance(0.5) && { theta: random.pick([10, 10_000, 500_000]) }),
    ...((width % 2 !== 0 || random.chance(0.4)) && { dims: 2 * random.integer(1, Math.floor(width / 2)) }),
    ...(random.chance(0.5) && { interleaved: random.chance(0.5) }),
    ...(random.chance(0.5) && { scaling: randomScaling(random) }),
  };
}
