/** A text as words: what attention looks from and at. */

export interface Word {
  /** As it stands in the text. */
  readonly text: string;
  /** What two words must share to be the same: case and the way letters are composed do not count. */
  readonly key: string;
  /** What stands between this word and the next: spaces, punctuation, the ends of lines. */
  readonly after: string;
}

/** Text in the order it is read, with what stands before the first word. */
export interface Passage {
  readonly before: string;
  readonly words: readonly Word[];
}

// Unicode's rules for word boundaries (UAX #29), which also hold where no spaces stand between words.
const segmenter = new Intl.Segmenter('en', { granularity: 'word' });

export function keyOf(word: string): string {
  return word.normalize('NFKC').replaceAll('’', "'").toLowerCase();
}

/** Splits at most `limit` words off the front of a text. */
export function readWords(text: string, limit = Number.POSITIVE_INFINITY): Passage {
  const words: { text: string; key: string; after: string }[] = [];
  let before = '';
  for (const { segment, isWordLike } of segmenter.segment(text)) {
    if (isWordLike && words.length === limit) break;
    if (isWordLike) words.push({ text: segment, key: keyOf(segment), after: '' });
    else if (words.length > 0) words[words.length - 1].after += segment;
    else before += segment;
  }
  return { before, words };
}

/** How many words a text has. */
export function countWords(text: string): number {
  let count = 0;
  for (const { isWordLike } of segmenter.segment(text)) if (isWordLike) count++;
  return count;
}
