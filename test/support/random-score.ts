/** Score functions with random weights, for given heads and widths. */
import type { Score } from '../../lib/attention/options.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import type { FloatType } from '../../lib/tensor/types.js';
import type { TestedBackend } from './backends.js';
import type { Random } from './random.js';

export const scoreNames = ['scaled-dot', 'dot', 'cosine', 'general', 'additive', 'location'] as const;
export type ScoreName = (typeof scoreNames)[number];

/** Those that the backend has; test/backends/cuda/refusals.test.ts tests what it rejects. */
export function scoreNamesOn(backend: TestedBackend): readonly ScoreName[] {
  return scoreNames.filter((name) => backend !== 'cuda' || (name !== 'additive' && name !== 'location'));
}

export interface ScoreShape {
  readonly heads: number;
  readonly keyHeads: number;
  readonly width: number;
  readonly keyWidth: number;
  readonly keys: number;
  readonly type: FloatType;
  /** Separate weights per head. */
  readonly perHead: boolean;
}

/** Scores have about the same magnitude as without weights, for all widths. */
export function randomScore(
  random: Random,
  name: ScoreName,
  shape: ScoreShape,
  place: (tensor: Tensor) => Tensor = (tensor) => tensor,
): Score {
  const { heads, keyHeads, width, keyWidth, keys, type, perHead } = shape;
  const weight = (count: number, dims: readonly number[], inner: number) =>
    place(random.tensor(type, perHead ? [count, ...dims] : dims, 1 / Math.sqrt(inner)));
  switch (name) {
    case 'general':
      return { type: 'general', weight: weight(heads, [width, keyWidth], width * Math.sqrt(keyWidth)) };
    case 'additive': {
      const hidden = random.integer(1, 40);
      return {
        type: 'additive',
        query: weight(heads, [hidden, width], width),
        key: weight(keyHeads, [hidden, keyWidth], keyWidth),
        vector: weight(heads, [hidden], 1),
      };
    }
    case 'location':
      return { type: 'location', weight: weight(keyHeads, [keys, width], width) };
    default:
      return name;
  }
}
