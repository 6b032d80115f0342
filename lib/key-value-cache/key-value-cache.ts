/// <reference lib="esnext.disposable" preserve="true" />
/** A cache of the keys and values of earlier steps. */
import { inspect } from 'node:util';
import { chooseBackendAt } from '../backends/choose.js';
import { runSync } from '../backends/operation.js';
import { expectLength } from '../checks/lists.js';
import { locationOption } from '../checks/location.js';
import { integerElement, readIntegerElements } from '../checks/numbers.js';
import { readOptions } from '../checks/options.js';
import { invalid, isInstance } from '../checks/values.js';
import { rememberOrigin } from '../copies.js';
import { HeedError } from '../errors.js';
import { readPath } from '../safetensors/paths.js';
import type { IntegerList, Location, TensorLike } from '../tensor/types.js';
import {
  type AppendOptions,
  type KeyValueCacheOptions,
  mostEntries,
  type RollingOptions,
  readAppendArguments,
  readCacheOptions,
} from './arguments.js';
import { CacheEntries } from './entries.js';
import { loadCache, saveCache } from './saved.js';
import type { CacheType } from './slabs.js';
import type { CacheState } from './state.js';

export type { AppendOptions, KeyValueCacheOptions, RollingOptions } from './arguments.js';
export type { CacheType } from './slabs.js';

/** The options of {@link KeyValueCache.fork}. */
export interface ForkOptions {
  /** The entries of the fork, in this order; an entry may be repeated. Default: all. */
  entries?: IntegerList;
}

/** The options of {@link KeyValueCache.load}. */
export interface LoadCacheOptions {
  /** Where the memory is, as for a new cache. Default 'cpu'. */
  location?: Location;
}

/** What a new cache, a fork, or a sequence of a pool begins with. */
export class Content {
  constructor(
    readonly state: CacheState,
    readonly pageSize: number | undefined,
  ) {}
}

/** Pages of caches that were collected without having been disposed. */
const forgotten = new FinalizationRegistry<CacheState>((state) => state.release());

/**
 * The keys and values of the steps of several sequences, so that a model that generates step by step computes
 * each only once. Pass it to {@link attention} in place of key and value, or to a layer's `forward` as
 * `cache`. Sequences may differ in length. Forks share their pages until one of them writes to them.
 *
 * Running operations keep what they read: appending, truncating and disposing meanwhile are safe and do not
 * affect them. Release a cache with `dispose()` or `using`; garbage collection does so at the latest.
 *
 * @example
 * const cache = new KeyValueCache({ batch: 1, heads: 8, width: 64, capacity: 4096, pageSize: 64 });
 * cache.append(key, value);
 * const output = await attention(query, cache, { causal: true });
 */
export class KeyValueCache {
  /** Key and value heads. */
  readonly heads: number;
  /** Elements of a key. */
  readonly width: number;
  /** Elements of a value. */
  readonly valueWidth: number;
  /** The most steps that an entry may have. */
  readonly capacity: number;
  /** The type that keys and values are stored in. */
  readonly type: CacheType;
  /** Where its memory is. */
  readonly location: Location;
  /** Steps of a page, as given; undefined for the default. */
  readonly pageSize: number | undefined;
  /** Which steps stay, with `sinks` in whole pages; undefined where all do. */
  readonly rolling: Readonly<Required<RollingOptions>> | undefined;
  #state: CacheState | undefined;

  /** @throws HeedError HEED_INVALID_ARGUMENT, HEED_UNKNOWN_OPTION, HEED_NO_CUDA, HEED_UNSUPPORTED_TYPE */
  constructor(options: KeyValueCacheOptions);
  /** @internal */
  constructor(content: Content);
  constructor(options: KeyValueCacheOptions | Content) {
    const given = isInstance(options, Content) ? options : readCacheOptions(options);
    const { form } = given.state.pool;
    this.heads = form.heads;
    this.width = form.width;
    this.valueWidth = form.valueWidth;
    this.capacity = given.state.limits.capacity;
    this.type = form.type;
    this.location = given.state.pool.location;
    this.pageSize = given.pageSize;
    this.rolling = given.state.limits.rolling && Object.freeze({ ...given.state.limits.rolling });
    this.#state = given.state;
    forgotten.register(this, given.state, this);
    rememberOrigin(this, 'KeyValueCache');
  }

  /** What was made by this class, and nothing that only inherits from it. */
  static [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && #state in value;
  }

  /** Sequences. */
  get batch(): number {
    return KeyValueCache.stateOf(this).batch;
  }

  /** How many steps each entry has, which are those that it keeps: a copy. */
  get lengths(): Int32Array {
    return KeyValueCache.stateOf(this).lengths;
  }

  /**
   * How many steps of each entry were dropped because of `rolling`, whole numbers: a copy. The next step of an
   * entry has the position `lengths[entry] + dropped[entry]` in its sequence.
   */
  get dropped(): Float64Array {
    return KeyValueCache.stateOf(this).dropped;
  }

  /** The bytes of the pages that it refers to. Shared pages count for each of the forks. */
  get byteLength(): number {
    const { pages, pool } = KeyValueCache.stateOf(this);
    return pages * pool.pageBytes;
  }

  /** Whether the cache was disposed of. */
  get disposed(): boolean {
    return this.#state === undefined || this.#state.released;
  }

  /** @internal What a cache holds: whatever a caller may have put over its own properties has no say. */
  static stateOf(cache: KeyValueCache): CacheState {
    if (cache.#state === undefined || cache.#state.released) {
      throw new HeedError(
        'HEED_DISPOSED',
        `Expected a live cache, received a disposed one (${inspect(cache)})`,
      );
    }
    return cache.#state;
  }

  /**
   * Appends steps, rounded to the cache's type; before that, a rolling cache drops old ones. Appends all of them or, if an error is thrown, none. Copies
   * no existing key or value, except those of a page that a fork or an operation shares.
   *
   * @param key [batch, heads, steps, width], any floating-point type
   * @param value [batch, heads, steps, valueWidth], of the same type
   * @throws HeedError HEED_CACHE_FULL if an entry would become longer than the capacity, HEED_POOL_FULL if its pool has too
   *   few pages left, HEED_CACHE_BUSY while a layer's `forward` appends steps, HEED_SHAPE_MISMATCH, HEED_OUT_OF_MEMORY and others: see `code`
   */
  append(key: TensorLike, value: TensorLike, options?: AppendOptions): void {
    const state = KeyValueCache.stateOf(this);
    const steps = readAppendArguments(state, key, value, options);
    const backend = chooseBackendAt(undefined, steps.key.type, state.pool.location);
    const write = CacheEntries.of(state).write(steps);
    runSync(() => ({
      backend,
      problems: [write.problem],
      result: undefined,
      signal: undefined,
      finish: (solved) => (solved ? write.commit() : write.cancel()),
    }));
  }

  /**
   * Removes the last steps. An entry that has dropped steps keeps its sinks and `window` steps, which is at
   * least what it had before the last append, so that no later step misses what was dropped; or it keeps none,
   * and begins anew.
   *
   * @param lengths how many steps to keep, for all entries or for each of them; at most the current length
   * @throws HeedError HEED_INVALID_ARGUMENT, HEED_SHAPE_MISMATCH, HEED_DISPOSED; HEED_CACHE_BUSY while a layer's `forward`
   *   appends steps
   */
  truncate(lengths: number | IntegerList): void {
    const given = typeof lengths === 'number' ? lengths : readIntegerElements(lengths, 'lengths');
    const state = KeyValueCache.stateOf(this);
    const has = state.lengths;
    const list = typeof given === 'number' ? [...has].fill(given) : given;
    expectLength(list.length, 'the length of lengths', has.length, 'cache.batch');
    const kept = list.map((given, entry) => {
      const name = typeof lengths === 'number' ? 'lengths' : `lengths[${entry}]`;
      const length = integerElement(given, name, 0, has[entry]);
      const least = state.leastLength(entry);
      if (length > 0 && length < least)
        throw invalid(name, `0, or at least ${least} of an entry that has dropped steps`, length);
      return length;
    });
    state.truncate(kept);
  }

  /**
   * Returns another, independent cache with the same steps, or with those of chosen entries. Takes no time
   * and no memory: pages are shared until they are written to. Attention over a fork of one entry into many
   * reads their common steps only once.
   *
   * @throws HeedError HEED_INVALID_ARGUMENT for an entry that does not exist, HEED_DISPOSED
   */
  fork(options?: ForkOptions): KeyValueCache {
    const { entries } = readOptions(options, ['entries']);
    const given =
      entries === undefined ? undefined : readIntegerElements(entries, 'options.entries', mostEntries);
    const state = KeyValueCache.stateOf(this);
    const list =
      given?.map((entry, i) => integerElement(entry, `options.entries[${i}]`, 0, state.batch - 1)) ??
      Array.from({ length: state.batch }, (_, entry) => entry);
    return new KeyValueCache(new Content(state.fork(list), this.pageSize));
  }

  /**
   * Writes the cache to a safetensors file, replacing an existing file: the steps that it has now, as they are
   * stored, with what entries share only once. It may be used, changed and disposed of meanwhile.
   *
   * @param path file name or `file:` URL
   * @throws HeedError (as a rejection) HEED_DISPOSED, HEED_INVALID_ARGUMENT for a bad path, HEED_FILE_ERROR if
   *   the file cannot be written; a partly written file is then incomplete, and `load` reports it
   */
  async save(path: string | URL): Promise<void> {
    const file = readPath(path, 'path');
    await saveCache(file, { state: KeyValueCache.stateOf(this), pageSize: this.pageSize });
  }

  /**
   * Reads a cache that {@link save} wrote. It has the same options, steps and shared pages, and attention over
   * it gives the same bits.
   *
   * @param path file name or `file:` URL
   * @throws HeedError (as a rejection) HEED_FILE_ERROR if the file does not exist or cannot be read,
   *   HEED_MALFORMED_FILE, with the reason, if it is malformed or no saved cache, HEED_NO_CUDA,
   *   HEED_UNSUPPORTED_TYPE for a type that the location does not support, HEED_OUT_OF_MEMORY
   */
  static async load(path: string | URL, options?: LoadCacheOptions): Promise<KeyValueCache> {
    const given = readOptions(options, ['location']);
    const file = readPath(path, 'path');
    const location = locationOption(given.location, 'options.location');
    const make = (form: object) => readCacheOptions({ ...form, location }).state;
    const { state, pageSize } = await loadCache(file, make);
    return new KeyValueCache(new Content(state, pageSize));
  }

  /** Releases all steps. May be called again; running operations keep the memory that they need. */
  dispose(): void {
    forgotten.unregister(this);
    this.#state?.release();
    this.#state = undefined;
  }

  /** {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** @internal */
  [inspect.custom](): string {
    const lengths =
      this.#state && !this.disposed ? `, lengths [${this.#state.lengths.join(', ')}]` : ', disposed';
    const pages = this.pageSize === undefined ? '' : `, pages of ${this.pageSize}`;
    return `KeyValueCache ${this.type}, ${this.heads} heads of ${this.width}${pages}${lengths}`;
  }
}
