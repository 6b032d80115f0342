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

  /** How many steps of each entry are left, and how many were dropped, when so many are appended to it. */
  whenAppended(counts: readonly number[]): { readonly lengths: number[]; readonly dropped: number[] } {
    const lost = this.#sequences.map(
      (sequence, entry) => this.#outdatedPages(sequence, counts[entry]) * this.pool.form.steps,
    );
    return {
      lengths: this.#sequences.map(({ length }, entry) => length - lost[entry]),
      dropped: this.#sequences.map(({ dropped }, entry) => dropped + lost[entry]),
    };
  }

  /** How many pages behind the sinks have steps before the window only, and are in the way of new steps. */
  #outdatedPages({ length }: SequencePages, count: number): number {
    const { rolling } = this.limits;
    if (rolling === undefined || count === 0) return 0;
    return Math.max(0, Math.floor((length - rolling.window - rolling.sinks) / this.pool.form.steps));
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
    this.#expectNoWriting();
    for (const [entry, sequence] of this.#sequences.entries()) sequence.truncate(lengths[entry]);
  }

  /** The current steps, protected from being overwritten until they are released. */
  snapshot(): CacheSnapshot {
    return this.#snapshotOf(this.#sequences);
  }

  #snapshotOf(sequences: readonly SequencePages[]): CacheSnapshot {
    const lists = sequences.map(({ list }) => list);
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
    for (const [entry, length] of this.whenAppended(counts).lengths.entries())
      this.#expectRoom(entry, length, counts[entry]);
    const { form } = this.pool;
    const sequences = this.#sequencesFor(counts);
    const parts = sequences.map(({ length }, entry) => ({
      entry,
      start: 0,
      steps: counts[entry],
      position: length,
    }));
    const snapshot = this.#snapshotOf(sequences);
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
        for (const [entry, sequence] of sequences.entries()) {
          sequence.extend(counts[entry]);
          if (sequence !== this.#sequences[entry]) this.#sequences[entry].release();
          this.#sequences[entry] = sequence;
        }
        end();
      },
      cancel: () => {
        this.#releaseOthers(sequences);
        end();
      },
    };
  }

  /** The sequences with places for new steps. Those that lose steps are others, so that the write can be cancelled. */
  #sequencesFor(counts: readonly number[]): SequencePages[] {
    const { rolling } = this.limits;
    const first = (rolling?.sinks ?? 0) / this.pool.form.steps;
    const sequences = this.#sequences.map((sequence, entry) => {
      const outdated = this.#outdatedPages(sequence, counts[entry]);
      return outdated > 0 ? sequence.without(first, outdated) : sequence;
    });
    try {
      for (const [entry, sequence] of sequences.entries()) sequence.reserve(counts[entry]);
    } catch (error) {
      this.#releaseOthers(sequences);
      throw error;
    }
    return sequences;
  }

  #releaseOthers(sequences: readonly SequencePages[]): void {
    for (const [entry, sequence] of sequences.entries())
      if (sequence !== this.#sequences[entry]) sequence.release();
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
    const { capacity } = this.limits;
    if (length + steps <= capacity) return;
    throw new HeedError(
      'HEED_CACHE_FULL',
      `Expected entry ${entry} of the cache to have room for ${steps} more steps, received one with ${length} of ${capacity} in use`,
    );
  }
}
