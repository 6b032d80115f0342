/** What a page shows, out of what the heads found. */
import { numberToFloat16 } from '../../tensor/elements.js';
import { sumOf } from '../influences.js';
import type { Word } from '../words.js';
import type { PageData, PageHead, PageWeights } from './page-data.js';

/** A page with more words would be too large to look at, and slow. */
export const mostWords = 128;

/** A stretch of a text, from one word to before another. */
export interface Stretch {
  readonly start: number;
  readonly end: number;
}

/** The stretch to show of a text: around a word, with more of what comes before it than after. */
export function stretchAround(position: number, words: number): Stretch {
  const start = Math.max(0, Math.min(position - Math.floor(mostWords * 0.7), words - mostWords));
  return { start, end: Math.min(words, start + mostWords) };
}

/** What a head is called, and how much the words in the stretch look at every word through it: [stretch, words]. */
export interface HeadSource extends Pick<PageHead, 'id' | 'title' | 'meaning' | 'causalMeaning'> {
  /** With all words to look at; absent where it never does. */
  readonly open?: Float32Array;
  /** With later words hidden. */
  readonly causal: Float32Array;
}

export interface PageSource {
  readonly title: string;
  readonly words: readonly Word[];
  readonly stretch: Stretch;
  readonly chosen: number;
  readonly causal: boolean;
  readonly heads: readonly HeadSource[];
  readonly facts: PageData['facts'];
}

export function collectPage(source: PageSource): PageData {
  const { words, stretch } = source;
  const shown = (weights: Float32Array) => cut(weights, words.length, stretch);
  return {
    title: source.title,
    words: words.slice(stretch.start, stretch.end).map(({ text, after }) => ({ text, after })),
    first: stretch.start,
    total: words.length,
    chosen: source.chosen - stretch.start,
    causal: source.causal,
    heads: source.heads.map(({ id, title, meaning, causalMeaning, open, causal }) => ({
      id,
      title,
      meaning,
      causalMeaning,
      ...(open && { open: shown(open) }),
      causal: shown(causal),
    })),
    facts: source.facts,
  };
}

/** [rows, words] weights, of which only the columns of the stretch are shown. */
function cut(weights: Float32Array, words: number, { start, end }: Stretch): PageWeights {
  const count = end - start;
  const shown = new Float32Array(count * count);
  const elsewhere = new Float32Array(count);
  const nothing = new Float32Array(count);
  for (let row = 0; row < count; row++) {
    const all = weights.subarray(row * words, (row + 1) * words);
    const seen = all.subarray(start, end);
    shown.set(seen, row * count);
    const sum = sumOf(all);
    elsewhere[row] = Math.max(0, sum - sumOf(seen));
    nothing[row] = Math.max(0, 1 - sum);
  }
  return { weights: encode(shown), elsewhere: encode(elsewhere), nothing: encode(nothing) };
}

/** float16 keeps three digits of a weight, however small, in two bytes. */
function encode(values: Float32Array): string {
  const bytes = Buffer.alloc(2 * values.length);
  values.forEach((value, i) => {
    bytes.writeUInt16LE(numberToFloat16(value), 2 * i);
  });
  return bytes.toString('base64');
}
