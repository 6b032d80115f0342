/**
 * The heads in `examples/heads.safetensors`: what each looks for. `examples/make-heads.ts` makes their
 * weights; what an attention layer takes as an option and not as a weight stands here.
 */
import { layout } from './embedding.js';

export interface Head {
  readonly id: string;
  readonly title: string;
  /** What a word looks at through this head, as a sentence that begins with the word. */
  readonly meaning: string;
  /** The meaning if later words are hidden. */
  readonly causalMeaning: string;
  /**
   * The score that "none of these words" has (an attention sink, Xiao et al. 2023). Where every word scores
   * less, it takes the weight, and the head looks at nothing.
   */
  readonly sink: number;
}

export interface HeadLayer {
  /** Of the names in the file. */
  readonly prefix: string;
  readonly heads: readonly Head[];
  /** Whether the layer is always causal, whatever the caller chooses. */
  readonly alwaysCausal: boolean;
  /** Scores fall by so much with every word of distance (ALiBi, Press et al. 2022). */
  readonly alibiSlope: number;
}

/** Numbers that a head has for each word: what it compares in the first and in the second layer, and what it reads. */
export const widths = {
  first: layout.letters.width + layout.word.width,
  /** A word, one number more, and zeros up to a multiple of eight. */
  second: layout.word.width + 8,
  value: layout.word.width,
};

/** How sharply each head distinguishes: the score of what it looks for, above that of everything else. */
export const strengths = { same: 40, alike: 24, previous: 80, next: 80, nearby: 14, induction: 2000 };

const spelling: readonly Head[] = [
  {
    id: 'same',
    title: 'The same word',
    meaning: 'looks at every occurrence of the same word, itself included',
    causalMeaning: 'looks at itself and at every earlier occurrence of the same word',
    // Every word is the same as itself, so there is always something to look at.
    sink: 0,
  },
  {
    id: 'alike',
    title: 'Words spelled alike',
    meaning: 'looks at words that begin alike: other forms of it, and itself',
    causalMeaning: 'looks at earlier words that begin alike: other forms of it, and itself',
    // An unrelated word's letters have a cosine near 0, another form's one near 0.9.
    sink: 0.5 * strengths.alike,
  },
];

const places: readonly Head[] = [
  {
    id: 'previous',
    title: 'The previous word',
    meaning: 'looks at the word before it; the first word looks at nothing',
    causalMeaning: 'looks at the word before it; the first word looks at nothing',
    sink: 0.7 * strengths.previous,
  },
  {
    id: 'next',
    title: 'The next word',
    meaning: 'looks at the word after it; the last word looks at nothing',
    causalMeaning: 'looks at nothing, because the word after it is hidden',
    sink: 0.7 * strengths.next,
  },
  {
    id: 'nearby',
    title: 'The words nearby',
    meaning: 'looks around: most at itself, less at words further away',
    causalMeaning: 'looks back: most at itself, less at each earlier word',
    sink: 0,
  },
];

const induction: Head = {
  id: 'induction',
  title: 'What followed last time',
  meaning: 'looks at the word that followed the last occurrence of this word; a new word looks at nothing',
  causalMeaning:
    'looks at the word that followed the last occurrence of this word; a new word looks at nothing',
  // Scores are 0 for a match, less 0.2 for every word of distance: what stood 2000 words ago is forgotten.
  // Unlike words, even at their most alike, are a quarter of the strength below a match.
  sink: -0.2 * strengths.induction,
};

/** In the order in which the text passes through them. */
export const layers: readonly [HeadLayer, HeadLayer] = [
  { prefix: 'first.', heads: [...spelling, ...places], alwaysCausal: false, alibiSlope: 0 },
  { prefix: 'second.', heads: [induction], alwaysCausal: true, alibiSlope: 0.2 },
];
