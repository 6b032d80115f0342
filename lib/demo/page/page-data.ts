/** The data of a page: the only interface between heed and the script in the page. */

export interface PageWord {
  readonly text: string;
  /** What stands between this word and the next. */
  readonly after: string;
}

/** Weights of the words shown, as float16 in base64, row after row. */
export interface PageWeights {
  /** [words, words]: how much a word (row) looks at a word (column). */
  readonly weights: string;
  /** [words]: how much a word looks at words that are not shown. */
  readonly elsewhere: string;
  /** [words]: how much a word looks at nothing. */
  readonly nothing: string;
}

export interface PageHead {
  readonly id: string;
  readonly title: string;
  readonly meaning: string;
  readonly causalMeaning: string;
  /** With all words to look at; absent where a head never does. */
  readonly open?: PageWeights;
  /** With later words hidden. */
  readonly causal: PageWeights;
}

export interface PageData {
  readonly title: string;
  /** The words shown, a stretch of the text. */
  readonly words: readonly PageWord[];
  /** Where in the text the words shown begin. */
  readonly first: number;
  /** Words in the whole text. */
  readonly total: number;
  /** The word to begin with, counted from the first one shown. */
  readonly chosen: number;
  /** Whether to begin with later words hidden. */
  readonly causal: boolean;
  readonly heads: readonly PageHead[];
  /** What computed the weights, and how fast: names and values. */
  readonly facts: readonly (readonly [string, string])[];
}
