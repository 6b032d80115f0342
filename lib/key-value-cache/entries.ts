/**
 * The entries of one cache, or of several that share their pages, in the order of the caches: what one operation
 * reads, and what it appends steps to.
 */
import { HeedError } from '../errors.js';
import type { AppendProblem, StoredView, View } from '../problem/problem.js';
import type { PagePool } from './page-pool.js';
import type { SequencePages } from './pages.js';
import type { CacheState, Limits } from './state.js';

/** Keys and values of entries. */
export interface CacheViews {
  readonly key: StoredView;
  readonly value: StoredView;
}

/** What an operation reads, retained while it runs. */
export interface CacheSnapshot extends CacheViews {
  release(): void;
}

/** New steps that are being written. Ends with a commit, or is cancelled. */
export interface CacheWrite {
  readonly problem: AppendProblem;
  /** With the new steps of each entry. */
  readonly views: CacheViews;
  /** The steps are written, and belong to the caches from now on. */
  commit(): void;
  /** The steps are discarded. */
  cancel(): void;
}

/** The new steps of each entry: `counts[entry]` from `starts[entry]` on, of its own tensors or of common ones. */
export interface NewSteps {
  readonly key: View;
  readonly value: View;
  readonly counts: readonly number[];
  /** Default: 0 for each. */
  readonly starts?: readonly number[] | undefined;
}

export class CacheEntries {
  readonly pool: PagePool;
  /** Those of every cache of the pool. */
  readonly #limits: Limits;
  readonly #states: readonly CacheState[];
  readonly #nameOf: (entry: number) => string;

  /**
   * @param states of caches of one pool, at least one, and none twice if steps are to be appended
   * @param nameOf what messages call an entry
   */
  constructor(states: readonly CacheState[], nameOf: (entry: number) => string) {
    this.pool = states[0].pool;
    this.#limits = states[0].limits;
    this.#states = states;
    this.#nameOf = nameOf;
  }

  /** Those of one cache. */
  static of(state: CacheState): CacheEntries {
    return new CacheEntries([state], (entry) => `entry ${entry} of the cache`);
  }

  get #sequences(): SequencePages[] {
    return this.#states.flatMap(({ sequences }) => sequences);
  }

  get lengths(): number[] {
    return this.#sequences.map(({ length }) => length);
  }

  /** How many steps of each entry are left, and how many were dropped, when so many are appended to it. */
  whenAppended(counts: readonly number[]): { readonly lengths: number[]; readonly dropped: number[] } {
    const sequences = this.#sequences;
    const lost = sequences.map(
      (sequence, entry) => this.#outdatedPages(sequence, counts[entry]) * this.pool.form.steps,
    );
    return {
      lengths: sequences.map(({ length }, entry) => length - lost[entry]),
      dropped: sequences.map(({ dropped }, entry) => dropped + lost[entry]),
    };
  }

  /** How many pages behind the sinks have steps before the window only, and are in the way of new steps. */
  #outdatedPages({ length }: SequencePages, count: number): number {
    const { rolling } = this.#limits;
    if (rolling === undefined || count === 0) return 0;
    return Math.max(0, Math.floor((length - rolling.window - rolling.sinks) / this.pool.form.steps));
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

  /** Reserves places for new steps. Until the write ends, nothing else may change the caches. */
  write({ key, value, counts, starts }: NewSteps): CacheWrite {
    for (const state of this.#states) state.expectNoWriting();
    this.#expectRoom(counts);
    const { form } = this.pool;
    const sequences = this.#sequencesFor(counts);
    const parts = sequences.map(({ length }, entry) => ({
      entry,
      start: starts?.[entry] ?? 0,
      steps: counts[entry],
      position: length,
    }));
    const snapshot = this.#snapshotOf(sequences);
    for (const state of this.#states) state.beginWriting();
    const problem: AppendProblem = {
      kind: 'append',
      heads: form.heads,
      width: form.width,
      valueWidth: form.valueWidth,
      key,
      value,
      cachedKey: snapshot.key,
      cachedValue: snapshot.value,
      entries: sequences.length,
      parts: parts.filter(({ steps }) => steps > 0),
    };
    const end = () => {
      for (const state of this.#states) state.endWriting();
    };
    return {
      problem,
      views: snapshot,
      commit: () => {
        snapshot.release();
        for (const [entry, sequence] of sequences.entries()) sequence.extend(counts[entry]);
        let first = 0;
        for (const state of this.#states) {
          for (let entry = 0; entry < state.batch; entry++) state.replace(entry, sequences[first + entry]);
          first += state.batch;
        }
        end();
      },
      cancel: () => {
        snapshot.release();
        this.#giveBack(sequences);
        end();
      },
    };
  }

  /** The sequences with places for new steps. Those that lose steps are others, so that the write can be cancelled. */
  #sequencesFor(counts: readonly number[]): SequencePages[] {
    const { rolling } = this.#limits;
    const first = (rolling?.sinks ?? 0) / this.pool.form.steps;
    const sequences = this.#sequences.map((sequence, entry) => {
      const outdated = this.#outdatedPages(sequence, counts[entry]);
      return outdated > 0 ? sequence.without(first, outdated) : sequence;
    });
    try {
      for (const [entry, sequence] of sequences.entries()) sequence.reserve(counts[entry]);
    } catch (error) {
      this.#giveBack(sequences);
      throw error;
    }
    return sequences;
  }

  /** What was reserved in these sequences. */
  #giveBack(sequences: readonly SequencePages[]): void {
    const own = this.#sequences;
    for (const [entry, sequence] of sequences.entries()) {
      if (sequence === own[entry]) sequence.trim();
      else sequence.release();
    }
  }

  /** Looks at all entries before any of them changes. */
  #expectRoom(counts: readonly number[]): void {
    const { capacity } = this.#limits;
    for (const [entry, length] of this.whenAppended(counts).lengths.entries()) {
      if (length + counts[entry] <= capacity) continue;
      throw new HeedError(
        'HEED_CACHE_FULL',
        `Expected ${this.#nameOf(entry)} to have room for ${counts[entry]} more steps, received one with ${length} of ${capacity} in use`,
      );
    }
    const { left } = this.pool;
    if (left < Number.POSITIVE_INFINITY) this.#expectPages(counts, left);
  }

  #expectPages(counts: readonly number[], left: number): void {
    const written = new Set<number>();
    let pages = 0;
    for (const [entry, sequence] of this.#sequences.entries()) {
      pages += sequence.pagesFor(counts[entry], written);
      if (pages <= left) continue;
      throw new HeedError(
        'HEED_POOL_FULL',
        `Expected the pool to have pages left for new steps up to those of ${this.#nameOf(entry)} (${pages}), received one with ${left}`,
      );
    }
  }
}
