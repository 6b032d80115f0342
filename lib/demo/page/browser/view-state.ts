/** The selected word and head; every part of the page follows them. */
import type { PageData } from '../page-data.js';
import { decodeHeads, type HeadWeights, type Weights } from './weights.js';

/** A word as the one that looks (query) or the one that is looked at (key). */
export interface Pointed {
  readonly side: 'query' | 'key';
  readonly index: number;
}

export interface ViewState {
  readonly head: number;
  readonly causal: boolean;
  /** The word kept by a click. */
  readonly kept: number | undefined;
  /** The word under the pointer. */
  readonly pointed: Pointed | undefined;
}

export class Store {
  readonly words: PageData['words'];
  readonly #heads: readonly HeadWeights[];
  readonly #listeners: (() => void)[] = [];
  #state: ViewState;

  constructor(readonly data: PageData) {
    this.words = data.words;
    this.#heads = decodeHeads(data);
    this.#state = { head: 0, causal: data.causal, kept: undefined, pointed: undefined };
  }

  get state(): ViewState {
    return this.#state;
  }

  set(change: Partial<ViewState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener();
  }

  /** Calls back at once, and on every later change. */
  follow(listener: () => void): void {
    this.#listeners.push(listener);
    listener();
  }

  /** The weights of a head as the switch stands. */
  weights(head = this.#state.head): Weights {
    return this.#state.causal ? this.#heads[head].causal : this.#heads[head].open;
  }

  weight(query: number, key: number, head = this.#state.head): number {
    return this.weights(head).weights[query * this.words.length + key];
  }

  /** The selected word: the one under the pointer, else the one kept. */
  get active(): Pointed | undefined {
    const { pointed, kept } = this.#state;
    return pointed ?? (kept === undefined ? undefined : { side: 'query', index: kept });
  }

  /** The word whose influences are shown: there always is one. */
  get subject(): number {
    const active = this.active;
    return active?.side === 'query' ? active.index : (this.#state.kept ?? this.data.chosen);
  }

  keep(index: number): void {
    this.set({ kept: this.#state.kept === index ? undefined : index });
  }
}
