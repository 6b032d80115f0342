/** The kinds of attention that `heed attend` shows. */
import type { Selection } from '../attention/options.js';
import { Tensor } from '../tensor/tensor.js';

export const scoreNames = ['scaled-dot', 'dot', 'cosine', 'general', 'additive', 'location'] as const;
export const selectionNames = ['soft', 'hard', 'drawn', 'local'] as const;

export interface Kinds {
  readonly score: (typeof scoreNames)[number];
  readonly select: (typeof selectionNames)[number];
}

export const usualKinds: Kinds = { score: 'scaled-dot', select: 'soft' };

/** How far a word sees if the window is centered on it. */
const halfWidth = 8;

/** The selection for this number of words. */
export function selectionFor({ select }: Kinds, words: number): Selection {
  if (select === 'drawn') return { type: 'hard', seed: 0 };
  if (select !== 'local') return select;
  const centers = new Tensor(
    Float32Array.from({ length: words }, (_, position) => position),
    [words],
  );
  return { type: 'local', centers, halfWidth };
}
