/// <reference lib="esnext.disposable" preserve="true" />
/** What an engine asks of a model. */
import type { TensorLike } from '../tensor/types.js';

/** A model that an {@link Engine} can serve. */
export interface ServedModel {
  /** The number of tokens that there are. */
  readonly vocabulary: number;
  /** The most steps of a sequence. */
  readonly longest: number;
  /** The tokens that end a text. */
  readonly endOfText: readonly number[];
  /** Room for sequences that are continued together, with a budget of pages for all of them. */
  open(pages: number): ServedSession;
}

/** Sequences of a model, and the pages of their keys and values. */
export interface ServedSession extends Disposable {
  /** The most pages that all sequences together may have. */
  readonly pages: number;
  /** Steps of a page. */
  readonly pageSize: number;
  /** How many pages are in use; one that sequences share counts once. */
  readonly used: number;
  /**
   * A new sequence, without steps or with those of another, whose pages the two share.
   *
   * @param prefix a sequence of this session to begin with
   * @param steps how many of its steps to begin with, whole pages; default: all
   */
  sequence(prefix?: ServedSequence, steps?: number): ServedSequence;
  /**
   * Continues sequences by at least one token each, all or none: one that rejects leaves them as they were. What a
   * sequence gets may depend on nothing but its own tokens, and on the pieces that they came in.
   *
   * @returns the logits behind the last token of each: [sequences, vocabulary]
   * @throws HeedError (as a rejection) HEED_POOL_FULL where the tokens need more pages than are left
   */
  step(parts: readonly ServedPart[]): Promise<TensorLike>;
}

/** A sequence of a session. Its pages go back once it is disposed of. */
export interface ServedSequence extends Disposable {
  /** Gives its pages back. */
  dispose(): void;
}

/** A sequence and the tokens that continue it. */
export interface ServedPart {
  /** Each is in a step once. */
  readonly sequence: ServedSequence;
  /** At least one. */
  readonly tokens: readonly number[];
}
