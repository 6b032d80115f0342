/**
 * The content of a cache: the pages of its sequences. Separate from the cache, so that they can be released
 * once it is collected.
 */
import { HeedError } from '../errors.js';
import type { AppendProblem, StoredView, View } from '../problem/problem.js';
import type { PagePool } from './page-pool.js';
import { SequencePages } from './pages.js';

/** Keys and values of a cache. */
export interface CacheViews {
  readonly key: StoredView;
  readonly value: StoredView;
}

/** What an operation reads of a cache, retained while it runs. */
export interface CacheSnapshot extends CacheViews {
  release(): void;
}

/** New steps that are being written. Ends with a commit, or is cancelled. */
export interface CacheWrite {
  readonly problem: AppendProblem;
  /** With the new steps of each entry. */
  readonly views: CacheViews;
  /** The steps are written, and belong to the cache from now on. */
  commit(): void;
  /** The steps are discarded. */
  cancel(): void;
}

export class CacheState {
  readonly pool: PagePool;
  readonly capacity: number;
  readonly #sequences: readonly SequencePages[];
  #writing = false;
  #released = false;

  constructor(pool: PagePool, capacity: number, sequences: readonly SequencePages[]) {
    this.pool = pool;
    this.capacity = capacity;
    this.#sequences = sequences;
    pool.join();
  }

  static empty(pool: PagePool, batch: number, capacity: number): CacheState {
    return new CacheState(
      pool,
      capacity,
      Array.from({ length: batch }, () => SequencePages.empty(pool)),
    );
  }

  get lengths(): Int32Array {
    return Int32Array.from(this.#sequences, ({ length }) => length);
  }

  get batch(): number {
    return this.#sequences.length;
  }

  get pages(): number {
    return this.#sequences.reduce((sum, { list }) => sum + list.count, 0);
  }

  fork(entries: readonly number[]): CacheState {
    return new CacheState(
      this.pool,
      this.capacity,
      entries.map((entry) => this.#sequences[entry].fork()),
    );
  }

  truncate(lengths: readonly number[]): void {
    this.#expectNoWriting();
    for (const [entry, sequence] of this.#sequences.entries()) sequence.truncate(lengths[entry]);
  }

  /** The current steps, protected from being overwritten until they are released. */
  snapshot(): CacheSnapshot {
    const lists = this.#sequences.map(({ list }) => list);
    for (const list of lists) list.retain();
    this.pool.join();
    const release = () => {
      for (const list of lists) list.release();
      this.pool.leave();
    };
    return { ...this.pool.views(lists), release };
  }

  /** Reserves places for new steps, the first `counts[entry]` of each entry of `key` and `value`. */
  write(key: View, value: View, counts: readonly number[]): CacheWrite {
    this.#expectNoWriting();
    for (const [entry, { length }] of this.#sequences.entries())
      this.#expectRoom(entry, length, counts[entry]);
    const { form } = this.pool;
    const parts = this.#sequences.map(({ length }, entry) => {
      this.#sequences[entry].reserve(counts[entry]);
      return { entry, start: 0, steps: counts[entry], position: length };
    });
    const snapshot = this.snapshot();
    this.#writing = true;
    const problem: AppendProblem = {
      kind: 'append',
      heads: form.heads,
      width: form.width,
      valueWidth: form.valueWidth,
      key,
      value,
      cachedKey: snapshot.key,
      cachedValue: snapshot.value,
      entries: this.batch,
      parts: parts.filter(({ steps }) => steps > 0),
    };
    const end = () => {
      snapshot.release();
      this.#endWriting();
    };
    return {
      problem,
      views: snapshot,
      commit: () => {
        for (const [entry, sequence] of this.#sequences.entries()) sequence.extend(counts[entry]);
        end();
      },
      cancel: end,
    };
  }

  /** Releases everything, at once or when the steps that are being written are done. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    if (!this.#writing) this.#releaseSequences();
  }

  #endWriting(): void {
    this.#writing = false;
    if (this.#released) this.#releaseSequences();
  }

  #releaseSequences(): void {
    for (const sequence of this.#sequences) sequence.release();
    this.pool.leave();
  }

  #expectNoWriting(): void {
    if (this.#released)
      throw new HeedError('HEED_DISPOSED', 'Expected a live cache, received a disposed one');
    if (!this.#writing) return;
    throw new HeedError(
      'HEED_CACHE_BUSY',
      'Expected one operation at a time to append to the cache, received a second one',
    );
  }

  #expectRoom(entry: number, length: number, steps: number): void {
    if (length + steps <= this.capacity) return;
    throw new HeedError(
      'HEED_CACHE_FULL',
      `Expected entry ${entry} of the cache to have room for ${steps} more steps, received one with ${length} of ${this.capacity} in use`,
    );
  }
}
