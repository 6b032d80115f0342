/**
 * Compares caches with a naive model, lists of rows that are copied whenever a cache is forked: after any
 * sequence of appending, truncating, forking, disposing and attending, both have the same contents.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { attention, attentionSync } from '../../lib/attention/attention.js';
import {
  type CacheType,
  KeyValueCache,
  type RollingOptions,
} from '../../lib/key-value-cache/key-value-cache.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { runs } from '../properties/attention-case.js';
import { eachBackend, locationOf, type TestedBackend } from '../support/backends.js';
import { asKept } from '../support/cached.js';
import { expectClose, toleranceOf } from '../support/compare.js';
import { toNumbers } from '../support/numbers.js';
import { Random } from '../support/random.js';
import { throwsHeed } from '../support/rejects.js';

type Row = readonly number[];

/** One step: a key and a value for each head. */
interface Step {
  readonly keys: readonly Row[];
  readonly values: readonly Row[];
}

/** The steps that an entry has, and how many it has had besides. */
interface Entry {
  readonly steps: readonly Step[];
  readonly dropped: number;
}

/** A cache and its expected contents. */
interface Pair {
  readonly cache: KeyValueCache;
  entries: Entry[];
}

interface Form {
  readonly type: CacheType;
  readonly pageSize: number | undefined;
  readonly batch: number;
  readonly heads: number;
  readonly width: number;
  readonly valueWidth: number;
  readonly capacity: number;
  readonly rolling: RollingOptions | undefined;
  readonly seed: number;
}

const common = {
  type: fc.constantFrom<CacheType>('float32', 'float32', 'bfloat16', 'float16', 'int8', 'float8'),
  pageSize: fc.option(fc.integer({ min: 1, max: 7 }), { nil: undefined }),
  batch: fc.integer({ min: 1, max: 3 }),
  heads: fc.integer({ min: 1, max: 2 }),
  width: fc.integer({ min: 1, max: 6 }),
  valueWidth: fc.integer({ min: 1, max: 6 }),
  seed: fc.nat(),
};

const growing: fc.Arbitrary<Form> = fc.record({
  ...common,
  capacity: fc.integer({ min: 1, max: 24 }),
  rolling: fc.constant(undefined),
});

const inPages = (steps: number, pageSize: number) => Math.ceil(steps / pageSize) * pageSize;

const rolling: fc.Arbitrary<Form> = fc
  .record({
    ...common,
    pageSize: fc.integer({ min: 1, max: 4 }),
    rolling: fc.record(
      { window: fc.integer({ min: 1, max: 7 }), sinks: fc.integer({ min: 0, max: 6 }) },
      { requiredKeys: ['window'] },
    ),
    spare: fc.integer({ min: 0, max: 6 }),
  })
  .map(({ spare, ...form }) => {
    const { window, sinks = 0 } = form.rolling;
    return { ...form, capacity: inPages(sinks, form.pageSize) + window + form.pageSize + spare };
  });

/** What is left of an entry when new steps come. */
function rolled({ rolling, pageSize = 1 }: Form, entry: Entry): Entry {
  if (rolling === undefined) return entry;
  const sinks = inPages(rolling.sinks ?? 0, pageSize);
  let { steps, dropped } = entry;
  while (steps.length - (sinks + pageSize) >= rolling.window) {
    steps = [...steps.slice(0, sinks), ...steps.slice(sinks + pageSize)];
    dropped += pageSize;
  }
  return { steps, dropped };
}

type Action = 'append' | 'overflow' | 'truncate' | 'fork' | 'dispose' | 'attend' | 'attend later';

const action = fc.record({
  action: fc.constantFrom<Action>(
    'append',
    'append',
    'append',
    'overflow',
    'truncate',
    'fork',
    'fork',
    'dispose',
    'attend',
    'attend',
    'attend later',
  ),
  seed: fc.nat(),
});
const actions = fc.array(action, { minLength: 3, maxLength: 14 });
/** So many that steps are dropped, and behind those others. */
const longer = fc.array(action, { minLength: 6, maxLength: 40 });

const range = (count: number) => Array.from({ length: count }, (_, i) => i);

/** The rows as a cache of the type stores them. */
function kept(type: CacheType, rows: readonly Row[]): Row[] {
  if (rows.length === 0) return [];
  const width = rows[0].length;
  const numbers = toNumbers(asKept(type, new Tensor(new Float32Array(rows.flat()), [rows.length, width])));
  return rows.map((_, i) => numbers.slice(i * width, (i + 1) * width));
}

class Machine {
  readonly #pairs: Pair[] = [];
  readonly #later: (() => Promise<void>)[] = [];

  constructor(
    readonly form: Form,
    readonly backend: TestedBackend,
  ) {
    const { batch, heads, width, valueWidth, capacity, type, pageSize, rolling } = form;
    const cache = new KeyValueCache({
      batch,
      heads,
      width,
      valueWidth,
      capacity,
      type,
      location: locationOf(backend),
      ...(pageSize !== undefined && { pageSize }),
      ...(rolling && { rolling }),
    });
    this.#pairs.push({ cache, entries: range(batch).map(() => ({ steps: [], dropped: 0 })) });
  }

  run(action: Action, random: Random): void {
    if (this.#pairs.length === 0) return;
    const pair = random.pick(this.#pairs);
    switch (action) {
      case 'append':
        this.#append(pair, random);
        break;
      case 'overflow':
        this.#overflow(pair, random);
        break;
      case 'truncate':
        this.#truncate(pair, random);
        break;
      case 'fork':
        this.#fork(pair, random);
        break;
      case 'dispose':
        pair.cache.dispose();
        this.#pairs.splice(this.#pairs.indexOf(pair), 1);
        break;
      case 'attend':
        this.#attend(pair, random);
        break;
      case 'attend later':
        this.#attendLater(pair, random);
        break;
    }
    for (const { cache, entries } of this.#pairs) {
      assert.deepEqual(
        [...cache.lengths],
        entries.map(({ steps }) => steps.length),
      );
      assert.deepEqual(
        [...cache.dropped],
        entries.map(({ dropped }) => dropped),
      );
    }
  }

  async end(): Promise<void> {
    for (const pair of this.#pairs) this.#attend(pair, new Random(`end ${this.form.seed}`));
    for (const settle of this.#later) await settle();
    for (const { cache } of this.#pairs) cache.dispose();
  }

  #draw(random: Random, steps: number, entries: number): { key: Tensor; value: Tensor; added: Step[][] } {
    const { heads, width, valueWidth, type } = this.form;
    const key = random.tensor('float32', [entries, heads, steps, width]);
    const value = random.tensor('float32', [entries, heads, steps, valueWidth]);
    const row = ({ data, dims }: Tensor, entry: number, head: number, step: number) => {
      const start = ((entry * heads + head) * steps + step) * dims[3];
      return Array.from((data as Float32Array).subarray(start, start + dims[3]));
    };
    const added = range(entries).map((entry) =>
      range(steps).map((step) => ({
        keys: kept(
          type,
          range(heads).map((head) => row(key, entry, head, step)),
        ),
        values: kept(
          type,
          range(heads).map((head) => row(value, entry, head, step)),
        ),
      })),
    );
    return { key, value, added };
  }

  #append(pair: Pair, random: Random): void {
    const left = pair.entries.map((entry) => rolled(this.form, entry));
    const room = Math.min(...left.map(({ steps }) => this.form.capacity - steps.length));
    const steps = random.integer(0, Math.min(this.form.rolling ? 9 : 5, Math.max(0, room)));
    const { key, value, added } = this.#draw(random, steps, pair.entries.length);
    const lengths = random.chance(0.5) ? pair.entries.map(() => random.integer(0, steps)) : undefined;
    pair.cache.append(key, value, lengths && { lengths });
    // The cache must have copied the appended rows.
    key.data.fill(Number.NaN as never);
    pair.entries = pair.entries.map((entry, i) => {
      const count = lengths?.[i] ?? steps;
      if (count === 0) return entry;
      return { ...left[i], steps: [...left[i].steps, ...added[i].slice(0, count)] };
    });
  }

  #overflow(pair: Pair, random: Random): void {
    const longest = Math.max(...pair.entries.map((entry) => rolled(this.form, entry).steps.length));
    const { key, value } = this.#draw(random, this.form.capacity - longest + 1, pair.entries.length);
    throwsHeed(() => pair.cache.append(key, value), 'HEED_CACHE_FULL', 'more steps');
  }

  #truncate(pair: Pair, random: Random): void {
    const { rolling, pageSize = 1 } = this.form;
    const kept = rolling ? inPages(rolling.sinks ?? 0, pageSize) + rolling.window : 0;
    const least = pair.entries.map(({ dropped }) => (dropped > 0 ? kept : 0));
    const lengths = pair.entries.map(({ steps }, i) =>
      random.chance(0.1) ? 0 : random.integer(least[i], steps.length),
    );
    for (const [i, length] of least.entries()) {
      if (length < 2) continue;
      const fewer = lengths.with(i, random.integer(1, length - 1));
      throwsHeed(() => pair.cache.truncate(fewer), 'HEED_INVALID_ARGUMENT', `at least ${length}`);
    }
    pair.cache.truncate(lengths);
    pair.entries = pair.entries.map(({ steps, dropped }, i) => ({
      steps: steps.slice(0, lengths[i]),
      dropped: lengths[i] === 0 ? 0 : dropped,
    }));
  }

  #fork({ cache, entries }: Pair, random: Random): void {
    const all = random.chance(0.4);
    const chosen = all
      ? range(entries.length)
      : Array.from({ length: random.integer(1, 3) }, () => random.integer(0, entries.length - 1));
    this.#pairs.push({
      cache: all ? cache.fork() : cache.fork({ entries: chosen }),
      entries: chosen.map((entry) => entries[entry]),
    });
  }

  /** A query for each entry and head, and the attention result of the model. */
  #question({ entries }: Pair, random: Random): { query: Tensor; expected: number[] } {
    const { heads, width, valueWidth } = this.form;
    const query = random.tensor('float32', [entries.length, 2 * heads, 1, width]);
    const expected = entries.flatMap(({ steps }, entry) =>
      range(2 * heads).flatMap((head) => {
        const start = (entry * 2 * heads + head) * width;
        const q = Array.from((query.data as Float32Array).subarray(start, start + width));
        const scores = steps.map(({ keys }) => {
          const dot = keys[Math.floor(head / 2)].reduce((sum, x, i) => sum + x * q[i], 0);
          return Math.exp(dot / Math.sqrt(width));
        });
        const total = scores.reduce((sum, x) => sum + x, 0);
        return range(valueWidth).map((i) =>
          steps.reduce(
            (sum, { values }, j) => sum + (scores[j] / total) * values[Math.floor(head / 2)][i],
            0,
          ),
        );
      }),
    );
    return { query, expected };
  }

  #check(output: Tensor, expected: number[]): void {
    expectClose(output, expected, toleranceOf(this.backend, 'float32'), 'output', 0.2);
  }

  #attend(pair: Pair, random: Random): void {
    const { query, expected } = this.#question(pair, random);
    this.#check(attentionSync(query, pair.cache, { backend: this.backend }), expected);
  }

  /**
   * Starts with the cache's current contents; the result is checked at the end, after further changes to the
   * cache.
   */
  #attendLater(pair: Pair, random: Random): void {
    const { query, expected } = this.#question(pair, random);
    // With a signal, even a small operation has to wait for a thread.
    const { signal } = new AbortController();
    const running = attention(query, pair.cache, { backend: this.backend, signal });
    this.#later.push(async () => this.#check(await running, expected));
  }
}

eachBackend('a cache and its model', (backend) => {
  const check = async (forms: fc.Arbitrary<Form>, sequences: typeof actions, count: number) => {
    await fc.assert(
      fc.asyncProperty(forms, sequences, async (form, sequence) => {
        const machine = new Machine(form, backend);
        for (const { action, seed } of sequence) {
          machine.run(action, new Random(`${form.seed} ${seed}`));
        }
        await machine.end();
      }),
      runs(count),
    );
  };

  it('hold the same', async function () {
    this.timeout(120_000);
    await check(growing, actions, 2000);
  });

  it('hold the same, while old steps are dropped', async function () {
    this.timeout(120_000);
    await check(rolling, longer, 1000);
  });
});
