/** Sequences that a decoder continues, with one budget of pages for the keys and values of all. */
import { integerBetween, invalid } from '../checks/values.js';
import { HeedError } from '../errors.js';
import type { KeyValueCache } from '../key-value-cache/key-value-cache.js';
import { KeyValuePool } from '../key-value-cache/key-value-pool.js';
import type { CacheType } from '../key-value-cache/slabs.js';
import type { Tensor } from '../tensor/tensor.js';
import { packTokens, type Stack } from './stack.js';

/** Steps of a page. */
export const pageSize = 16;

/** A sequence of a session. Dispose of it when done: its pages go back. */
export class ModelSequence implements Disposable {
  /** @internal One for each block. */
  readonly caches: readonly KeyValueCache[];

  /** @internal Use `sequence` of a session. */
  constructor(caches: readonly KeyValueCache[]) {
    this.caches = caches;
  }

  /** How many steps it has. */
  get length(): number {
    return this.caches[0].lengths[0];
  }

  /** Drops all but the first steps. */
  truncate(length: number): void {
    for (const cache of this.caches) cache.truncate(length);
  }

  /** Gives its pages back. */
  dispose(): void {
    for (const cache of this.caches) cache.dispose();
  }

  /** {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** A sequence and the tokens that continue it. */
export interface StepPart {
  /** Of the session; no other part has the same. */
  readonly sequence: ModelSequence;
  /** At least one. */
  readonly tokens: readonly number[];
}

/** From rows of hidden states to logits. */
export type Head = (
  rows: Tensor,
  starts: readonly number[],
  signal: AbortSignal | undefined,
) => Promise<Tensor>;

/** Room for sequences that are continued together. Release it with `dispose()` or `using`. */
export class ModelSession implements Disposable {
  /** The most pages of 16 steps that all sequences together may have. */
  readonly pages: number;
  /** Steps of a page. */
  readonly pageSize = pageSize;
  readonly #stack: Stack;
  readonly #head: Head;
  /** One for each block, which take and give back the same pages. */
  readonly #pools: readonly KeyValuePool[];

  /** @internal Use `open` of a model. */
  constructor(stack: Stack, head: Head, pages: number, cache: CacheType | undefined) {
    this.pages = integerBetween(pages, 'pages', 1, 2 ** 24);
    this.#stack = stack;
    this.#head = head;
    const type = cache ?? (stack.type as CacheType);
    this.#pools = stack.blocks.map(
      ({ attention: { keyValueHeads: heads, width, valueWidth } }) =>
        new KeyValuePool({ heads, width, valueWidth, pages, pageSize, type }),
    );
  }

  /** How many pages are in use; a page that sequences share counts once. */
  get used(): number {
    return this.#pools[0].used;
  }

  /**
   * A new sequence.
   *
   * @param prefix a sequence of this session to begin with, whose pages are shared; default: none
   * @param steps how many of its steps to begin with; default: all
   */
  sequence(prefix?: ModelSequence, steps?: number): ModelSequence {
    if (prefix === undefined) return new ModelSequence(this.#pools.map((pool) => pool.sequence()));
    const sequence = new ModelSequence(prefix.caches.map((cache) => cache.fork()));
    if (steps !== undefined) sequence.truncate(steps);
    return sequence;
  }

  /**
   * Continues sequences by tokens, all in one pass through the model: all are extended, or none is.
   *
   * @returns the logits behind the last token of each: [sequences, vocabulary], float32
   * @throws HeedError (as a rejection) HEED_POOL_FULL where the tokens need more pages than are left, HEED_CACHE_FULL
   *   for a sequence that would be longer than the model's longest, and for bad arguments: see `code`
   */
  async step(parts: readonly StepPart[], options?: { signal?: AbortSignal }): Promise<Tensor> {
    const earlier = parts.map(({ sequence }) => sequence.length);
    const { longest } = this.#stack.config;
    for (const [i, { tokens }] of parts.entries()) {
      if (tokens.length === 0) throw invalid(`parts[${i}].tokens`, 'at least one token', tokens);
      const length = earlier[i] + tokens.length;
      if (length > longest) {
        throw new HeedError(
          'HEED_CACHE_FULL',
          `Expected parts[${i}].tokens to end within the ${longest} steps of the model, received step ${length}`,
        );
      }
    }
    const packed = packTokens(
      parts.map(({ tokens }) => tokens),
      earlier,
    );
    const signal = options?.signal;
    const caches = this.#pools.map((_, block) => parts.map(({ sequence }) => sequence.caches[block]));
    try {
      const rows = await this.#stack.forward(packed, { caches, signal });
      return await this.#head(rows, packed.starts, signal);
    } catch (error) {
      // Blocks before the one that failed have the steps.
      for (const [i, { sequence }] of parts.entries()) sequence.truncate(earlier[i]);
      throw error;
    }
  }

  /** Releases the memory of all sequences. */
  dispose(): void {
    for (const pool of this.#pools) pool.dispose();
  }

  /** {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
