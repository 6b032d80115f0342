/** Tests int8 caches of keys with outlier channels: what they cost, what is stored, and that everything reads it. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { attentionDetailsSync, attentionSync } from '../../lib/attention/attention.js';
import { KeyValueCache } from '../../lib/key-value-cache/key-value-cache.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { attentionCases, draw, possibleOn, runs, undecided } from '../properties/attention-case.js';
import { expectDetailsNear, expectNear } from '../properties/near.js';
import { eachBackend } from '../support/backends.js';
import { dequantised, filledCache, stepsOf, storedIn } from '../support/cached.js';
import { relativeError } from '../support/compare.js';
import { attentionOracle } from '../support/oracle.js';
import { Random } from '../support/random.js';

/** Multiplies channels of keys [batch, heads, steps, width] from a step on. */
function enlarge(key: Tensor, factors: Readonly<Record<number, number>>, from = 0): Tensor {
  const width = key.dims[3];
  const data = key.data as Float32Array;
  for (const [channel, factor] of Object.entries(factors)) {
    for (let i = 0; i < key.size / width; i++)
      if (i % key.dims[2] >= from) data[i * width + Number(channel)] *= factor;
  }
  return key;
}

/** Appends so many steps at a time. */
function append(cache: KeyValueCache, key: Tensor, value: Tensor, first: number, last: number, most: number) {
  for (let step = first; step < last; step += most) {
    const end = Math.min(last, step + most);
    cache.append(stepsOf(key, 2, step, end), stepsOf(value, 2, step, end));
  }
}

eachBackend(
  'keys with outlier channels in int8',
  (on) => {
    const backend = on as 'reference' | 'cpu';
    const heads = 12;

    /** The relative error of outputs over a cache that was filled with some steps at once, and others one by one. */
    function errorOf(random: Random, width: number, factors: Record<number, number>, atOnce: number): number {
      const steps = 140;
      const key = enlarge(random.tensor('float32', [1, heads, steps, width]), factors);
      const value = random.tensor('float32', [1, heads, steps, width]);
      const query = random.tensor('float32', [1, heads, 10, width]);
      const cache = new KeyValueCache({
        batch: 1,
        heads,
        width,
        capacity: 200,
        type: 'int8',
        pageSize: random.pick([16, 64, 200]),
      });
      if (atOnce > 0) append(cache, key, value, 0, atOnce, atOnce);
      append(cache, key, value, atOnce, steps, 1);
      return relativeError(
        attentionSync(query, cache, { backend }),
        attentionOracle(query, key, value, {}).output,
      );
    }

    for (const [name, atOnce] of [
      ['a prompt and single steps', 120],
      ['single steps', 0],
    ] as const) {
      for (const width of [64, 128]) {
        it(`cost little, from ${name}, ${width} wide`, function () {
          this.timeout(120_000);
          const random = new Random(`outliers ${name} ${width}`);
          const error = (factors: Record<number, number>) => errorOf(random, width, factors, atOnce);
          const channel = random.integer(0, width - 1);
          const plain = error({});
          assert.ok(plain < 0.012, `${plain} without outliers`);
          for (const [factor, bar] of [
            [20, 0.02],
            [50, 0.04],
            [100, 0.04],
          ]) {
            const one = error({ [channel]: factor });
            assert.ok(one < bar, `${one} with one outlier of × ${factor}`);
          }
          const several = error({ 3: 20, 20: 20, 40: 20, 60: 20 });
          assert.ok(several < 0.03, `${several} with several outliers`);
        });
      }
    }

    it('are read by every score, selection and detail as what they are', function () {
      this.timeout(120_000);
      const wide = attentionCases.filter(({ batch, keys, width }) => batch > 0 && keys > 0 && width >= 16);
      const pageSizes = fc.constantFrom(undefined, 1, 16, 50, 128, 200);
      fc.assert(
        fc.property(wide, pageSizes, fc.boolean(), (any, pageSize, decoded) => {
          const each = possibleOn(backend, {
            ...undecided(any),
            type: 'float32',
            layout: 'bhsd',
            queries: decoded ? 1 : any.queries,
          });
          const { query, key, value, options } = draw(each);
          const random = new Random(`outliers ${each.seed}`);
          for (let i = 0; i < 3; i++) {
            const [channel, factor] = [random.integer(0, each.width - 1), random.uniform(20, 200)];
            enlarge(key, { [channel]: factor });
            // Otherwise scores would be large, and their float32 coarse.
            if (query.dims[3] === each.width) enlarge(query, { [channel]: 1 / factor });
          }
          const cache = filledCache(random, key, value, {
            type: 'int8',
            ...(pageSize !== undefined && { pageSize }),
          });
          const stored = dequantised(cache);
          const include = ['logSumExp', 'scores', 'cappedScores', 'biasedScores', 'weights'] as const;
          const its = attentionDetailsSync(query, stored.key, stored.value, {
            ...options,
            include,
            backend: 'reference',
          });
          const largest = (its.scores as Tensor).data as Float32Array;
          const share = 1e-5 * largest.reduce((most, x) => Math.max(most, Math.abs(x)), 1);
          const mine = attentionDetailsSync(query, cache, { ...options, include, backend });
          expectNear(mine.output, its.output, share, 0.1, 'output');
          expectDetailsNear(mine, its, include, share);
        }),
        runs(backend === 'reference' ? 40 : 100),
      );
    });

    it('are read as what they are where others come and go from page to page', () => {
      const random = new Random('outliers that come and go');
      const [width, steps] = [32, 330];
      for (const [pageSize, stretch] of [
        [16, 16],
        [16, 48],
        [48, 16],
        [128, 128],
        [undefined, 40],
      ] as const) {
        const key = random.tensor('float32', [1, 2, steps, width]);
        const sizes = new Map<number, number>();
        for (let step = 0; step < steps; step += stretch) {
          if (random.chance(0.5)) sizes.clear();
          else if (random.chance(0.7)) sizes.set(random.integer(0, width - 1), random.pick([25, 150]));
          const data = key.data as Float32Array;
          for (const [channel, size] of sizes) {
            for (let head = 0; head < 2; head++)
              for (let i = step; i < Math.min(steps, step + stretch); i++)
                data[(head * steps + i) * width + channel] *= size;
          }
        }
        const value = random.tensor('float32', [1, 2, steps, 20]);
        const cache = filledCache(random, key, value, {
          type: 'int8',
          ...(pageSize !== undefined && { pageSize }),
        });
        const stored = dequantised(cache);
        for (const queries of [1, 3, 60]) {
          const query = random.tensor('float32', [1, 4, queries, width]);
          const include = ['logSumExp', 'scores', 'cappedScores', 'biasedScores', 'weights'] as const;
          const options = { scale: 0.01, include };
          const its = attentionDetailsSync(query, stored.key, stored.value, {
            ...options,
            backend: 'reference',
          });
          const mine = attentionDetailsSync(query, cache, { ...options, backend });
          expectNear(mine.output, its.output, 2e-5, 0.1, 'output');
          expectDetailsNear(mine, its, include, 2e-5);
        }
      }
    });

    it('are read together by forks of one prompt', () => {
      const random = new Random('outliers of forks');
      const key = enlarge(random.tensor('float32', [1, 2, 700, 32]), { 5: 40, 9: 150 });
      const value = random.tensor('float32', [1, 2, 700, 32]);
      const prompt = filledCache(random, key, value, { type: 'int8', pageSize: 96, spare: 9 });
      const forks = prompt.fork({ entries: [0, 0, 0] });
      const own = enlarge(random.tensor('float32', [3, 2, 2, 32]), { 5: 40, 9: 150 });
      forks.append(own, own);
      const query = enlarge(random.tensor('float32', [3, 4, 1, 32]), { 5: 1 / 40, 9: 1 / 150 });
      const stored = dequantised(forks);
      expectNear(
        attentionSync(query, forks, { backend }),
        attentionSync(query, stored.key, stored.value, { backend: 'reference' }),
        2e-5,
        0.1,
        'output',
      );
    });
  },
  'cuda',
);

describe('what an int8 cache stores', () => {
  const heads = 2;
  const batch = 2;
  const steps = 300;

  /**
   * Channel 3 is an outlier for 128 steps, and channel 7 from step 40 on. Both have magnitudes of 0.75 to 1 before they are
   * enlarged: of normally distributed ones, some of channel 3 would need a factor of 64, and all of channel 7 might need 16 only.
   */
  function changingKeys(random: Random, width: number): Tensor {
    const key = random.tensor('float32', [batch, heads, steps, width]);
    const data = key.data as Float32Array;
    for (let i = 0; i < key.size; i++) {
      if (i % width === 3 || i % width === 7)
        data[i] = Math.sign(data[i]) * (0.75 + 0.25 * Math.min(1, Math.abs(data[i])));
    }
    return enlarge(enlarge(enlarge(key, { 3: 30 }), { 3: 1 / 30 }, 128), { 7: 300 }, 40);
  }

  it('does not depend on how steps were appended, nor on the backend', function () {
    this.timeout(60_000);
    const random = new Random('stored');
    for (const [pageSize, width] of [
      [undefined, 64],
      [1, 20],
      [7, 33],
      [16, 64],
      [64, 130],
      [200, 16],
    ] as const) {
      const key = changingKeys(random, width);
      const value = random.tensor('float32', [batch, heads, steps, 12]);
      const make = () =>
        new KeyValueCache({
          batch,
          heads,
          width,
          valueWidth: 12,
          capacity: steps + 40,
          type: 'int8',
          ...(pageSize !== undefined && { pageSize }),
        });
      const atOnce = make();
      atOnce.append(key, value);
      const expected = storedIn(atOnce);

      const singly = make();
      append(singly, key, value, 0, steps, 1);
      assert.deepEqual(storedIn(singly), expected, `one by one, pages of ${pageSize}`);

      const onReference = make();
      append(onReference, key.cast('float64'), value.cast('float64'), 0, steps, 77);
      assert.deepEqual(storedIn(onReference), expected, `on the reference, pages of ${pageSize}`);

      // Steps that are removed again, and those of forks, leave nothing behind.
      let cache = make();
      for (let step = 0; step < steps; ) {
        const other = enlarge(random.tensor('float32', [batch, heads, 30, width]), { 11: 500, 12: 50 });
        const wrong = random.tensor('float32', [batch, heads, 30, 12]);
        const fork = cache.fork();
        if (random.chance(0.5)) fork.append(other, wrong);
        cache.append(other, wrong, { lengths: [random.integer(0, 30), random.integer(0, 30)] });
        cache.truncate(step);
        if (random.chance(0.3)) {
          fork.truncate(step);
          cache.dispose();
          cache = fork;
        }
        const next = Math.min(steps, step + random.integer(1, 60));
        append(cache, key, value, step, next, random.integer(1, 60));
        step = next;
      }
      assert.deepEqual(storedIn(cache), expected, `after others, pages of ${pageSize}`);
    }
  });

  it('has outliers while they are needed, and keeps every number near', () => {
    const random = new Random('needed');
    for (const pageSize of [undefined, 16, 64, 200]) {
      const key = changingKeys(random, 64);
      const cache = new KeyValueCache({
        batch,
        heads,
        width: 64,
        capacity: steps,
        type: 'int8',
        ...(pageSize !== undefined && { pageSize }),
      });
      cache.append(key, key);
      for (const [entry, { keys }] of storedIn(cache).entries()) {
        for (const [i, { multiples, scale, factors }] of keys.entries()) {
          const step = i % steps;
          assert.ok(step < 20 || step >= 128 || factors[3] === 16, `step ${step}: ${factors[3]}`);
          assert.ok(step < 100 || factors[7] === 64, `step ${step}: ${factors[7]}`);
          assert.ok(step < 299 || factors[3] === 1, `step ${step}: ${factors[3]}`);
          for (const [channel, factor] of factors.entries()) {
            assert.ok(factor === 1 || channel === 3 || channel === 7, `channel ${channel}`);
            const exact = (key.data as Float32Array)[(entry * heads * steps + i) * 64 + channel];
            const error = Math.abs(multiples[channel] * scale * factor - exact);
            assert.ok(error <= scale * factor * 0.50001, `${exact} is wrong by ${error}`);
          }
        }
      }
    }
  });

  it('takes two bytes for each channel and 128 steps more', () => {
    const form = { batch: 1, heads: 3, width: 64, valueWidth: 40, capacity: 1000, pageSize: 200 };
    const cache = new KeyValueCache({ ...form, type: 'int8' });
    cache.append(Tensor.zeros('float32', [1, 3, 1, 64]), Tensor.zeros('float32', [1, 3, 1, 40]));
    assert.equal(cache.byteLength, 3 * (200 * (64 + 40 + 8) + 2 * 2 * 64));
  });
});
