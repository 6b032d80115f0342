/**
 * The content of a cache: the pages of its sequences. Separate from the cache, so that they can be released
 * once it is collected.
 */
import { HeedError } from '../errors.js';
import type { PagePool } from './page-pool.js';
import { SequencePages } from './pages.js';

/** Which steps stay when others are appended: the first `sinks`, which fill whole pages, and at least the last `window`. */
export interface Rolling {
  readonly window: number;
  readonly sinks: number;
}

/** How many steps the entries of a cache may have. */
export interface Limits {
  readonly capacity: number;
  readonly rolling: Rolling | undefined;
}

export class CacheState {
  readonly pool: PagePool;
  readonly limits: Limits;
  readonly #sequences: SequencePages[];
  #writing = false;
  #released = false;

  constructor(pool: PagePool, limits: Limits, sequences: SequencePages[]) {
    this.pool = pool;
    this.limits = limits;
    this.#sequences = sequences;
    pool.join();
    pool.caches.add(this);
  }

  static empty(pool: PagePool, batch: number, limits: Limits): CacheState {
    return new CacheState(
      pool,
      limits,
      Array.from({ length: batch }, () => SequencePages.empty(pool)),
    );
  }

  get lengths(): Int32Array {
    return Int32Array.from(this.#sequences, ({ length }) => length);
  }

  /** How many steps each entry has had but has no more. */
  get dropped(): Float64Array {
    return Float64Array.from(this.#sequences, ({ dropped }) => dropped);
  }

  /** The fewest steps that an entry may be truncated to, unless to none: so many that none is missed that was dropped. */
  leastLength(entry: number): number {
    const { rolling } = this.limits;
    return rolling && this.#sequences[entry].dropped > 0 ? rolling.sinks + rolling.window : 0;
  }

  get batch(): number {
    return this.#sequences.length;
  }

  /** Each entry, as it is now. */
  get sequences(): readonly SequencePages[] {
    return this.#sequences;
  }

  get pages(): number {
    return this.#sequences.reduce((sum, { list }) => sum + list.count, 0);
  }

  fork(entries: readonly number[]): CacheState {
    return new CacheState(
      this.pool,
      this.limits,
      entries.map((entry) => this.#sequences[entry].fork()),
    );
  }

  truncate(lengths: readonly number[]): void {
    this.expectNoWriting();
    for (const [entry, sequence] of this.#sequences.entries()) sequence.truncate(lengths[entry]);
  }

  /** Until it ends, nothing else may change the entries. */
  beginWriting(): void {
    this.#writing = true;
  }

  /** An entry with new steps. */
  replace(entry: number, sequence: SequencePages): void {
    if (sequence !== this.#sequences[entry]) this.#sequences[entry].release();
    this.#sequences[entry] = sequence;
  }

  endWriting(): void {
    this.#writing = false;
    if (this.#released) this.#releaseSequences();
  }

  /** Whether the cache, or its pool, was disposed of. */
  get released(): boolean {
    return this.#released;
  }

  /** Releases everything, at once or when the steps that are being written are done. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    if (!this.#writing) this.#releaseSequences();
  }

  #releaseSequences(): void {
    for (const sequence of this.#sequences) sequence.release();
    this.pool.caches.delete(this);
    this.pool.leave();
  }

  expectNoWriting(): void {
    if (this.#released)
      throw new HeedError('HEED_DISPOSED', 'Expected a live cache, received a disposed one');
    if (!this.#writing) return;
    throw new HeedError(
      'HEED_CACHE_BUSY',
      'Expected one operation at a time to append to the cache, received a second one',
    );
  }
}
