/** How well the induction head foretells a text. */
import type { Tensor } from '../tensor.js';
import { layout, spell } from './embedding.js';
import type { Word } from './words.js';

export interface Foretelling {
  /** Words that something was expected after. */
  readonly tried: number;
  /** Those that the expected word did follow. */
  readonly right: number;
  /** What is expected after the last word. */
  readonly next: string | undefined;
}

/** Shorter vectors than this are no expectation: a whole word has length 1. */
const leastLength = 0.5;

/** Compares the word that each vector of [1, words, width] is nearest to with the word that follows. */
export function foretell(words: readonly Word[], expectations: Tensor): Foretelling {
  const vocabulary = [...new Set(words.map(({ key }) => key))].map((key) => ({
    key,
    vector: spell(key).subarray(layout.letters.width),
  }));
  const data = expectations.data as Float32Array;
  const { width } = layout.word;
  let tried = 0;
  let right = 0;
  let next: string | undefined;
  for (let position = 0; position < words.length; position++) {
    const vector = data.subarray(position * width, (position + 1) * width);
    if (Math.hypot(...vector) < leastLength) continue;
    const expected = nearest(vocabulary, vector);
    if (position === words.length - 1) next = expected;
    else {
      tried++;
      if (words[position + 1].key === expected) right++;
    }
  }
  return { tried, right, next };
}

function nearest(
  vocabulary: readonly { key: string; vector: Float64Array }[],
  vector: Float32Array,
): string | undefined {
  let best: string | undefined;
  let highest = Number.NEGATIVE_INFINITY;
  for (const candidate of vocabulary) {
    const score = candidate.vector.reduce((sum, value, i) => sum + value * vector[i], 0);
    if (score > highest) {
      highest = score;
      best = candidate.key;
    }
  }
  return best;
}
