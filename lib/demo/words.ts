/** A text as words: what attention looks from and at. */

export interface Word {
  /** As it stands in the text. */
  readonly text: string;
  /** What two words must share to be the same: case and the way letters are composed do not count. */
  readonly key: string;
  /** What stands between this word and the next: spaces, punctuation, the ends of lines. */
  readonly after: string;
}

// Unicode's rules for word boundaries (UAX #29), which also hold where no spaces stand between words.
const segmenter = new Intl.Segmenter('en', { granularity: 'word' });

export function keyOf(word: string): string {
  return word.normalize('NFKC').replaceAll('’', "'").toLowerCase();
}

/** Splits at most `limit` words off the front of a text, and says whether that was all of it. */
export function readWords(
  text: string,
  limit = Number.POSITIVE_INFINITY,
): { words: Word[]; complete: boolean } {
  const words: { text: string; key: string; after: string }[] = [];
  for (const { segment, isWordLike } of segmenter.segment(text)) {
    if (isWordLike && words.length === limit) return { words, complete: false };
    if (isWordLike) words.push({ text: segment, key: keyOf(segment), after: '' });
    else if (words.length > 0) words[words.length - 1].after += segment;
  }
  return { words, complete: true };
}
