/**
 * Words as vectors: the spelling of a word, and its position. Nothing here is learnt; the heads
 * that `examples/make-heads.ts` makes rely on every dimension being where {@link layout} says.
 */
import { randomSigns, randomUniform } from '../cli/hashing.js';
import type { Word } from './words.js';

interface Slot {
  /** First dimension. */
  readonly start: number;
  readonly width: number;
}

/**
 * The dimensions of a word's vector.
 *
 * - `letters`: the sum of one random vector for each run of two to four letters in the word, scaled to
 *   length 1. The cosine of two words' letters says how alike they are spelled.
 * - `word`: one random vector of length 1 for the word as a whole: the same for the same word, nearly
 *   perpendicular for any other, however alike they are spelled.
 * - `place`: cosine and sine of the position at {@link placeFrequencies}, in pairs.
 * - `previous`: zeros, until a head of the first layer writes the `word` of the word before into it.
 */
export const layout = {
  letters: { start: 0, width: 80 },
  word: { start: 80, width: 40 },
  place: { start: 120, width: 96 },
  previous: { start: 216, width: 40 },
} satisfies Record<string, Slot>;

export const embeddingWidth = 256;

/** Up to this length, {@link placeFrequencies} distinguish any two positions. */
export const longestText = 4096;

/**
 * Frequencies of the sinusoids, in radians per word, slowest first.
 *
 * Vaswani et al. (2017) space them geometrically, which leaves few that turn fast, and a shift by one word
 * hard to tell from none. These are the squares of evenly spread numbers: enough fast ones to make a shift
 * by one word sharp, enough slow ones to tell near from far. They are shaken a little, since
 * evenly spaced waves all come round at once, and a position far away would then look like this one.
 */
export const placeFrequencies: readonly number[] = (() => {
  const count = layout.place.width / 2;
  const random = randomUniform('place');
  return Array.from({ length: count }, (_, k) => Math.PI * ((k + random()) / count) ** 2);
})();

/** [words, embeddingWidth], row after row. */
export function embed(words: readonly Word[]): Float32Array {
  const vectors = embedPlaces(words.length);
  const spellings = new Map<string, Float64Array>();
  words.forEach(({ key }, position) => {
    let spelling = spellings.get(key);
    if (!spelling) {
      spelling = spell(key);
      spellings.set(key, spelling);
    }
    vectors.set(spelling, position * embeddingWidth + layout.letters.start);
  });
  return vectors;
}

/** The same for words of which only the positions are known. */
export function embedPlaces(words: number): Float32Array {
  const vectors = new Float32Array(words * embeddingWidth);
  for (let position = 0; position < words; position++) {
    const start = position * embeddingWidth + layout.place.start;
    placeFrequencies.forEach((frequency, k) => {
      vectors[start + 2 * k] = Math.cos(frequency * position);
      vectors[start + 2 * k + 1] = Math.sin(frequency * position);
    });
  }
  return vectors;
}

/** The `letters` and the `word` of a word, end to end. */
export function spell(key: string): Float64Array {
  const spelling = new Float64Array(layout.letters.width + layout.word.width);
  spelling.set(letters(key));
  spelling.set(unit(randomSigns(`word ${key}`, layout.word.width)), layout.letters.width);
  return spelling;
}

/**
 * Character n-gram hashing (Bojanowski et al. 2017, without the learning): each run of letters stands for a
 * vector drawn at random from its hash, and random vectors are nearly perpendicular, so two sums are as
 * alike as the runs they share. Runs at the front count more, because a stem stands before its ending.
 */
function letters(key: string): Float64Array {
  const characters = ['<', ...key, '>'];
  const sum = new Float64Array(layout.letters.width);
  for (let length = 2; length <= 4; length++) {
    for (let start = 0; start + length <= characters.length; start++) {
      const signs = randomSigns(`letters ${characters.slice(start, start + length).join('')}`, sum.length);
      const weight = 1 / (1 + start / 2);
      for (let i = 0; i < sum.length; i++) sum[i] += weight * signs[i];
    }
  }
  return unit(sum);
}

function unit(vector: Float64Array): Float64Array {
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}
