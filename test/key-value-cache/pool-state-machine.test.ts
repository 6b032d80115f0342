/**
 * Compares a pool with a naive model of its pages, and its sequences with caches that have memory of their own: after any
 * order of new sequences, calls of a layer that extend some of them, forks, truncation and disposal, as many pages are in use
 * as in the model, each sequence gives the bits that it gives alone, and in the end no page is in use.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { HeedError } from '../../lib/errors.js';
import { type CacheType, KeyValueCache } from '../../lib/key-value-cache/key-value-cache.js';
import { KeyValuePool } from '../../lib/key-value-cache/key-value-pool.js';
import { MultiHeadAttention } from '../../lib/multi-head-attention/multi-head-attention.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { randomWeights } from '../multi-head-attention/random-layer.js';
import { runs } from '../properties/attention-case.js';
import { range, take } from '../properties/rearrange.js';
import { eachBackend, locationOf, type TestedBackend } from '../support/backends.js';
import { expectClose, expectSameBits } from '../support/compare.js';
import { toNumbers } from '../support/numbers.js';
import { Random } from '../support/random.js';

/** A page of the model: how many of its steps were ever written. */
interface Page {
  written: number;
}

interface Sequence {
  readonly cache: KeyValueCache;
  /** The same steps, in memory of their own. */
  readonly alone: KeyValueCache;
  length: number;
  readonly pages: Page[];
}

const forms = fc.record({
  type: fc.constantFrom<CacheType>('float32', 'float32', 'bfloat16', 'int8'),
  pageSize: fc.integer({ min: 1, max: 5 }),
  pages: fc.integer({ min: 1, max: 24 }),
  seed: fc.nat(),
});
type Form = typeof forms extends fc.Arbitrary<infer Each> ? Each : never;

const actionNames = [
  'sequence',
  'extend',
  'extend',
  'extend',
  'fork',
  'truncate',
  'dispose',
  'abort',
] as const;
const actions = fc.array(fc.constantFrom(...actionNames), { minLength: 3, maxLength: 30 });

const embed = 5;

class Machine {
  readonly #random: Random;
  readonly #pool: KeyValuePool;
  readonly #layer: MultiHeadAttention;
  #sequences: Sequence[] = [];

  constructor(
    readonly form: Form,
    readonly backend: TestedBackend,
  ) {
    this.#random = new Random(`pool ${form.seed}`);
    const { type, pageSize, pages } = form;
    const location = locationOf(backend);
    this.#pool = new KeyValuePool({ heads: 2, width: 4, type, pageSize, pages, location });
    const weights = randomWeights(this.#random, { heads: 4, keyValueHeads: 2, width: 4, embed });
    const options = { heads: 4, keyValueHeads: 2, causal: true, rotary: {}, backend } as const;
    this.#layer = new MultiHeadAttention(weights, options);
  }

  async run(action: (typeof actionNames)[number]): Promise<void> {
    if (action === 'sequence' || this.#sequences.length === 0) this.#begin();
    else if (action === 'extend') this.#extend();
    else if (action === 'abort') await this.#abort();
    else this.#change(action, this.#random.pick(this.#sequences));
    this.#check();
  }

  end(): void {
    for (const { cache, alone } of this.#sequences) {
      cache.dispose();
      alone.dispose();
    }
    assert.equal(this.#pool.used, 0);
    this.#pool.dispose();
    assert.deepEqual([this.#pool.used, this.#pool.byteLength], [0, 0]);
    this.#layer.dispose();
  }

  #check(): void {
    const pages = new Set(this.#sequences.flatMap((sequence) => sequence.pages));
    assert.equal(this.#pool.used, pages.size);
    assert.deepEqual(
      this.#sequences.map(({ cache }) => cache.lengths[0]),
      this.#sequences.map(({ length }) => length),
    );
  }

  #begin(): void {
    const { type, pageSize } = this.form;
    const { location } = this.#pool;
    const alone = new KeyValueCache({
      batch: 1,
      heads: 2,
      width: 4,
      capacity: 200,
      type,
      pageSize,
      location,
    });
    this.#sequences.push({ cache: this.#pool.sequence(), alone, length: 0, pages: [] });
  }

  #change(action: 'fork' | 'truncate' | 'dispose', sequence: Sequence): void {
    const { cache, alone, length, pages } = sequence;
    if (action === 'fork') {
      this.#sequences.push({ cache: cache.fork(), alone: alone.fork(), length, pages: [...pages] });
    } else if (action === 'dispose') {
      cache.dispose();
      alone.dispose();
      this.#sequences = this.#sequences.filter((each) => each !== sequence);
    } else {
      sequence.length = this.#random.integer(0, length);
      cache.truncate(sequence.length);
      alone.truncate(sequence.length);
      pages.length = Math.ceil(sequence.length / this.form.pageSize);
    }
  }

  #isShared(page: Page): boolean {
    return this.#sequences.filter(({ pages }) => pages.includes(page)).length > 1;
  }

  /** Places for steps, in new pages, in the sequence's own last page, or behind the steps that others have in it. */
  #reserve({ length, pages }: Sequence, steps: number): void {
    const { pageSize } = this.form;
    for (let step = length; step < length + steps; step++) {
      const [index, within] = [Math.floor(step / pageSize), step % pageSize];
      if (index === pages.length) pages.push({ written: 0 });
      else if (step === length && this.#isShared(pages[index]) && within < pages[index].written)
        pages[index] = { written: within };
      pages[index].written = within + 1;
    }
  }

  #draw() {
    const chosen = this.#sequences.filter(() => this.#random.chance(0.5));
    if (chosen.length === 0) chosen.push(this.#random.pick(this.#sequences));
    const counts = chosen.map(() => this.#random.pick([0, 1, 1, 2, 7]));
    const queryStarts = [0];
    for (const count of counts) queryStarts.push((queryStarts.at(-1) ?? 0) + count);
    const input = this.#random.tensor('float32', [queryStarts.at(-1) ?? 0, embed]);
    return { chosen, counts, queryStarts, input, caches: chosen.map(({ cache }) => cache) };
  }

  #extend(): void {
    const { chosen, counts, queryStarts, input, caches } = this.#draw();
    const { pageSize, pages: most } = this.form;
    const before = this.#sequences.map(({ pages }) => pages.map((page) => ({ page, written: page.written })));
    const ends = new Set(chosen.flatMap(({ length, pages }) => (length % pageSize ? pages.slice(-1) : [])));
    const shared = [...ends].filter((page) => this.#isShared(page)).length;
    for (const [i, sequence] of chosen.entries()) this.#reserve(sequence, counts[i]);
    const needed = new Set(this.#sequences.flatMap(({ pages }) => pages)).size;
    try {
      const output = this.#layer.forwardSync(input, { queryStarts, caches });
      assert.ok(needed <= most, `${needed} of ${most} pages`);
      for (const [i, sequence] of chosen.entries()) {
        sequence.length += counts[i];
        const own = take(input, 0, range(queryStarts[i], queryStarts[i + 1]));
        const alone = this.#layer.forwardSync(own.reshape([1, ...own.dims]), { cache: sequence.alone });
        const part = take(output, 0, range(queryStarts[i], queryStarts[i + 1]));
        this.#expectEqual(part, alone.reshape(part.dims));
      }
    } catch (error) {
      if (!(error instanceof HeedError)) throw error;
      const tooLong = chosen.some(({ length }, i) => length + counts[i] > most * pageSize);
      if (!tooLong) {
        assert.equal(error.code, 'HEED_POOL_FULL');
        // The last to leave a page that all of them share would not have to copy it, which no one counts on.
        assert.ok(needed + (chosen.length > 1 ? shared : 0) > most, `${needed} of ${most} pages`);
      } else {
        assert.equal(error.code, 'HEED_CACHE_FULL');
      }
      for (const [i, { pages }] of this.#sequences.entries()) {
        pages.splice(0, pages.length, ...before[i].map(({ page }) => page));
        for (const { page, written } of before[i]) page.written = written;
      }
    }
  }

  /** To the bit, but for GPUs, which may sum in another order. */
  #expectEqual(actual: Tensor, expected: Tensor): void {
    if (this.backend !== 'cuda') expectSameBits(actual, expected);
    else expectClose(actual, toNumbers(expected), this.form.type === 'float32' ? 1e-4 : 5e-2, 'output', 0.2);
  }

  /** Reserves places, and gives them back. */
  async #abort(): Promise<void> {
    const { chosen, queryStarts, input, caches } = this.#draw();
    const [used, lengths] = [this.#pool.used, caches.map((cache) => cache.lengths[0])];
    const call = { queryStarts, caches, signal: AbortSignal.abort() };
    await assert.rejects(this.#layer.forward(input, call));
    // Before steps go to a page that others share it is copied, whatever becomes of them.
    assert.ok(this.#pool.used >= used);
    assert.deepEqual(
      caches.map((cache) => cache.lengths[0]),
      lengths,
    );
    // How far it is reserved is no longer known, so the model does without whoever has such a page.
    const touched = new Set(chosen.flatMap(({ pages }) => pages));
    for (const { cache, alone, pages } of this.#sequences) {
      if (!caches.includes(cache) && !pages.some((page) => touched.has(page))) continue;
      cache.dispose();
      alone.dispose();
    }
    this.#sequences = this.#sequences.filter(({ cache }) => !cache.disposed);
  }
}

eachBackend('a pool and its model', (backend) => {
  it('have as many pages in use, and the same bits', async function () {
    this.timeout(120_000);
    await fc.assert(
      fc.asyncProperty(forms, actions, async (form, sequence) => {
        const machine = new Machine(form, backend);
        for (const action of sequence) await machine.run(action);
        machine.end();
      }),
      runs(backend === 'reference' ? 200 : 500),
    );
  });
});
