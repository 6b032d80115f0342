/** How well the induction head predicts a text. */
import type { Tensor } from '../tensor/tensor.js';
import { layout, spell } from './embedding.js';
import type { Word } from './words.js';

export interface Foretelling {
  /** Words for which the head predicted the next one. */
  readonly tried: number;
  /** Correct predictions. */
  readonly right: number;
  /** The prediction after the last word. */
  readonly next: string | undefined;
}

/** A shorter vector is not a prediction: a whole word has length 1. */
const leastLength = 0.5;

/** Compares the word that each vector of [1, words, width] is nearest to with the word that follows. */
export function foretell(words: readonly Word[], expectations: Tensor): Foretelling {
  const keys = [...new Set(words.map(({ key }) => key))];
  const vocabulary = Float64Array.from(keys.flatMap((key) => [...spell(key).subarray(layout.letters.width)]));
  const data = expectations.data as Float32Array;
  const { width } = layout.word;
  let tried = 0;
  let right = 0;
  let next: string | undefined;
  for (let position = 0; position < words.length; position++) {
    const vector = data.subarray(position * width, (position + 1) * width);
    if (Math.hypot(...vector) < leastLength) continue;
    const expected = keys[nearest(vocabulary, vector)];
    if (position === words.length - 1) next = expected;
    else {
      tried++;
      if (words[position + 1].key === expected) right++;
    }
  }
  return { tried, right, next };
}

/** The row of [rows, width] whose product with the vector is largest. */
function nearest(rows: Float64Array, vector: Float32Array): number {
  const width = vector.length;
  let best = 0;
  let highest = Number.NEGATIVE_INFINITY;
  for (let row = 0; row * width < rows.length; row++) {
    let product = 0;
    for (let i = 0; i < width; i++) product += rows[row * width + i] * vector[i];
    if (product > highest) {
      highest = product;
      best = row;
    }
  }
  return best;
}
