/// <reference lib="esnext.disposable" preserve="true" />
/** A budget of pages for the caches of many sequences. */
import { inspect } from 'node:util';
import { rememberOrigin } from '../copies.js';
import { HeedError } from '../errors.js';
import type { Location } from '../tensor/types.js';
import { type KeyValuePoolOptions, mostSteps, readPoolOptions } from './arguments.js';
import { Content, KeyValueCache } from './key-value-cache.js';
import type { PagePool } from './page-pool.js';
import type { CacheType } from './slabs.js';
import { CacheState } from './state.js';

export type { KeyValuePoolOptions } from './arguments.js';

/** The memory of pools that were collected without having been disposed; their sequences keep it while they live. */
const forgotten = new FinalizationRegistry<PagePool>((pool) => pool.leave());

/**
 * Pages for the keys and values of many sequences, with one budget for all of them. Each sequence is a
 * {@link KeyValueCache} of one entry that takes pages as steps are appended, and returns them as it is truncated or
 * disposed of. Sequences come and go on their own; those of one pool can be attended, and extended by a layer, in one
 * operation: see {@link packedAttention} and `queryStarts` of {@link MultiHeadAttention.forward}. Every layer of a
 * model needs a pool of its own.
 *
 * Release a pool with `dispose()` or `using`, which disposes of its sequences as well.
 *
 * @example
 * const pool = new KeyValuePool({ heads: 8, width: 64, pages: 4096 });
 * const prompt = pool.sequence();
 * prompt.append(key, value);
 * const answer = prompt.fork();
 */
export class KeyValuePool {
  /** Key and value heads. */
  readonly heads: number;
  /** Elements of a key. */
  readonly width: number;
  /** Elements of a value. */
  readonly valueWidth: number;
  /** The most pages that all sequences together may have. */
  readonly pages: number;
  /** Steps of a page. */
  readonly pageSize: number;
  /** The type that keys and values are stored in. */
  readonly type: CacheType;
  /** Where its memory is. */
  readonly location: Location;
  readonly #pool: PagePool;
  #disposed = false;

  /** @throws HeedError HEED_INVALID_ARGUMENT, HEED_UNKNOWN_OPTION, HEED_NO_CUDA, HEED_UNSUPPORTED_TYPE */
  constructor(options: KeyValuePoolOptions) {
    const pool = readPoolOptions(options);
    const { heads, width, valueWidth, steps, type } = pool.form;
    this.heads = heads;
    this.width = width;
    this.valueWidth = valueWidth;
    this.pages = pool.most;
    this.pageSize = steps;
    this.type = type;
    this.location = pool.location;
    this.#pool = pool;
    // So that memory stays while there happens to be no sequence.
    pool.join();
    forgotten.register(this, pool, this);
    rememberOrigin(this, 'KeyValuePool');
  }

  /**
   * How many pages are in use: by sequences, by steps that are being appended, and by running operations that read
   * what is gone since. A page that forks share counts once.
   */
  get used(): number {
    return this.#pool.used;
  }

  /**
   * The bytes of all pages that have taken memory so far, in use or not. 0 after disposal, once no running
   * operation reads any.
   */
  get byteLength(): number {
    return this.#pool.byteLength;
  }

  /** Whether the pool was disposed of. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /**
   * A new sequence: a cache of one entry, without steps. Its capacity is that of all pages, and what it appends fails
   * with HEED_POOL_FULL, before anything changes, where it takes more pages than are left. `fork()` and `truncate()`
   * are those of every cache, and forks take their pages from the pool as well.
   *
   * @throws HeedError HEED_DISPOSED
   */
  sequence(): KeyValueCache {
    if (this.#disposed) {
      throw new HeedError(
        'HEED_DISPOSED',
        `Expected a live pool, received a disposed one (${inspect(this)})`,
      );
    }
    const { most, form } = this.#pool;
    const capacity = Math.min(most * form.steps, mostSteps);
    const state = CacheState.empty(this.#pool, 1, { capacity, rolling: undefined });
    return new KeyValueCache(new Content(state, form.steps));
  }

  /**
   * Disposes of all its sequences, and releases the memory. May be called again; running operations keep the memory
   * that they need.
   */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    forgotten.unregister(this);
    for (const cache of this.#pool.caches) cache.release();
    this.#pool.leave();
  }

  /** {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** @internal */
  [inspect.custom](): string {
    const pages = this.#disposed
      ? 'disposed'
      : `${this.used} of ${this.pages} pages of ${this.pageSize} in use`;
    return `KeyValuePool ${this.type}, ${this.heads} heads of ${this.width}, ${pages}`;
  }
}
