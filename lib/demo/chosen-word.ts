/** The word of a text to report on. */
import { HeedError } from '../errors.js';
import { layout, spell } from './embedding.js';
import { keyOf, type Word } from './words.js';

/**
 * The position of the last occurrence of a word, because most of the text lies before it. If no word is
 * given, one that is both long and frequent, because that is what the text is about.
 *
 * @throws HeedError HEED_INVALID_ARGUMENT when the word is not in the text
 */
export function choosePosition(words: readonly Word[], asked?: string): number {
  const key = asked === undefined ? mostTelling(words) : keyOf(asked.trim());
  const position = words.findLastIndex((word) => word.key === key);
  if (position < 0) {
    throw new HeedError(
      'HEED_INVALID_ARGUMENT',
      `Expected --word to be in the text, received '${asked}'; spelled most alike: ${nearest(words, key).join(', ')}`,
    );
  }
  return position;
}

function mostTelling(words: readonly Word[]): string {
  const counts = new Map<string, number>();
  for (const { key } of words) counts.set(key, (counts.get(key) ?? 0) + 1);
  // Short words are mostly grammar, however frequent.
  const worth = ([key, count]: [string, number]) => (count - 0.5) * Math.max(1, key.length - 4);
  return [...counts].reduce((best, entry) => (worth(entry) > worth(best) ? entry : best))[0];
}

function nearest(words: readonly Word[], key: string): string[] {
  const lettersOf = (word: string) => spell(word).subarray(0, layout.letters.width);
  const letters = lettersOf(key);
  return [...new Set(words.map((word) => word.key))]
    .map((word) => ({ word, cosine: lettersOf(word).reduce((sum, value, i) => sum + value * letters[i], 0) }))
    .sort((a, b) => b.cosine - a.cosine)
    .slice(0, 3)
    .map(({ word }) => word);
}
