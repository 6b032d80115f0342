/**
 * Tests that attention over a cache equals attention over the tensors that were appended to it, for all
 * options and cache types.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  attention,
  attentionDetails,
  attentionDetailsSync,
  attentionSync,
} from '../../lib/attention/attention.js';
import type { AttentionOptions } from '../../lib/attention/options.js';
import { packedAttention } from '../../lib/attention/packed.js';
import type { CacheType, KeyValueCache } from '../../lib/key-value-cache/key-value-cache.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import {
  type AttentionCase,
  attentionCases,
  draw,
  possibleOn,
  runs,
  undecided,
} from '../properties/attention-case.js';
import { elementAccuracy, expectDetailsNear, expectNear } from '../properties/near.js';
import { dimsOf, randomInputs } from '../support/attention.js';
import { eachBackend, locationOf, type TestedBackend } from '../support/backends.js';
import { asKept, cacheTypes, filledCache } from '../support/cached.js';
import { expectClose, expectSameBits, toleranceOf } from '../support/compare.js';
import { attentionOracle } from '../support/oracle.js';
import { poisoned } from '../support/poison.js';
import { Random } from '../support/random.js';

/** A cache without entries has no longest entry that an axis of a mask could match. */
const cases = attentionCases.filter(({ batch }) => batch > 0);

const pageSizes = fc.oneof(
  fc.constant(undefined),
  fc.integer({ min: 1, max: 20 }),
  fc.constantFrom(16, 32, 64, 128, 500),
);

const matrices = ['scores', 'cappedScores', 'biasedScores', 'weights'] as const;

/** Writes into an output filled with NaN, and checks the memory around it. */
function attendCache(
  backend: TestedBackend,
  query: Tensor,
  cache: KeyValueCache,
  options: AttentionOptions,
): Tensor {
  const out = poisoned(query.type as 'float32', [...query.dims.slice(0, 3), cache.valueWidth]);
  attentionSync(query, cache, { ...options, backend, out: out.tensor });
  out.expectMarginsIntact();
  return out.tensor;
}

/** The results must match those for keys and values that were first rounded to the cache's type. */
function checkCase(
  backend: TestedBackend,
  each: AttentionCase,
  pageSize: number | undefined,
  type: CacheType,
): void {
  const { query, key, value, options } = draw(each);
  const random = new Random(`cache ${each.seed}`);
  const cache = filledCache(random, key, value, {
    type,
    layout: each.layout,
    location: locationOf(backend),
    ...(pageSize !== undefined && { pageSize }),
  });
  const [keys, values] = [asKept(type, key), asKept(type, value)];
  const share = 2 * elementAccuracy[each.type];
  expectNear(
    attendCache(backend, query, cache, options),
    attentionSync(query, keys, values, { ...options, backend: 'reference' }),
    share,
    0.1,
    'output',
  );
  const include = ['logSumExp', ...matrices] as const;
  const mine = attentionDetailsSync(query, cache, { ...options, include, backend });
  const its = attentionDetailsSync(query, keys, values, { ...options, include, backend: 'reference' });
  // Keys that were rounded twice are not equal to the last bit, and a GPU rounds queries of general scores.
  const rounded = type !== each.type || (backend === 'cuda' && each.score === 'general');
  expectDetailsNear(mine, its, include, rounded && each.type !== 'float32' ? share : 1e-5);
}

eachBackend('attention over a cache', (backend) => {
  const count = backend === 'reference' ? 60 : 150;
  const location = locationOf(backend);

  it('answers as over tensors, with any options', function () {
    this.timeout(120_000);
    fc.assert(
      fc.property(cases, pageSizes, (each, pageSize) =>
        checkCase(backend, possibleOn(backend, undecided(each)), pageSize, each.type as CacheType),
      ),
      runs(count),
    );
  });

  it('answers as over tensors of the type of the cache', function () {
    this.timeout(120_000);
    const types = fc.constantFrom(...cacheTypes, ...cacheTypes.slice(3), ...cacheTypes.slice(3));
    fc.assert(
      fc.property(cases, pageSizes, types, (each, pageSize, type) =>
        checkCase(backend, { ...possibleOn(backend, undecided(each)), type: 'float32' }, pageSize, type),
      ),
      runs(count),
    );
  });

  it('chooses the same keys', () => {
    fc.assert(
      fc.property(cases, pageSizes, fc.boolean(), (any, pageSize, drawn) => {
        const each = { ...any, select: drawn ? ('drawn' as const) : ('hard' as const) };
        const { query, key, value, options } = draw(possibleOn(backend, each));
        const cache = filledCache(new Random(`choice ${each.seed}`), key, value, {
          type: each.type as CacheType,
          location,
          layout: each.layout,
          ...(pageSize !== undefined && { pageSize }),
        });
        expectSameBits(
          attendCache(backend, query, cache, options),
          attentionSync(query, key, value, { ...options, backend }),
        );
      }),
      runs(count / 2),
    );
  });

  it('agrees with the oracle over entries of different lengths', () => {
    const random = new Random('lengths');
    for (const pageSize of [undefined, 3, 64]) {
      for (const queries of [1, 2, 30]) {
        const { query, key, value } = randomInputs(random, { batch: 3, queries, keys: 200, keyHeads: 2 });
        const lengths = [200, 77, 0];
        const cache = filledCache(random, key, value, {
          location,
          ...(pageSize !== undefined && { pageSize }),
        });
        cache.truncate(lengths);
        const expected = attentionOracle(query, key, value, { causal: true, kvLengths: lengths });
        expectClose(
          attendCache(backend, query, cache, { causal: true }),
          expected.output,
          toleranceOf(backend, 'float32'),
          'output',
          0.2,
        );
      }
    }
  });

  if (backend !== 'cuda') {
    it('agrees with the oracle on the widths of latent attention', () => {
      const random = new Random('latent attention');
      const shape = { batch: 1, heads: 2, keyHeads: 1, keys: 100, width: 576, valueWidth: 512 };
      for (const queries of [1, 9]) {
        const { query, key, value } = randomInputs(random, { ...shape, queries });
        const cache = filledCache(random, key, value, { pageSize: 64 });
        expectClose(
          attendCache(backend, query, cache, { causal: true }),
          attentionOracle(query, key, value, { causal: true }).output,
          toleranceOf(backend, 'float32'),
          'output',
          0.2,
        );
      }
    });
  }

  it('takes fewer keys than there are, and queries from an offset', () => {
    const random = new Random('fewer');
    const { query, key, value } = randomInputs(random, { keys: 40 });
    const cache = filledCache(random, key, value, { pageSize: 8, location });
    const options = { kvLengths: [13, 40], queryOffset: [2, 30], causal: true, backend };
    expectClose(
      attentionSync(query, cache, options),
      attentionOracle(query, key, value, { causal: true, kvLengths: [13, 40], queryOffset: [2, 30] }).output,
      toleranceOf(backend, 'float32'),
      'output',
      0.2,
    );
  });

  if (backend !== 'cuda') {
    it('gives the bits of tensors, in pages of the default size', () => {
      const random = new Random('bits of tensors');
      for (const queries of [1, 2, 40]) {
        const keys = random.integer(900, 1300);
        const inputs = randomInputs(random, { heads: 4, keyHeads: 2, queries, keys, width: 32 });
        const cache = filledCache(random, inputs.key, inputs.value, { location });
        for (const options of [{}, { causal: true }, { softcap: 2 }]) {
          expectSameBits(
            attendCache(backend, inputs.query, cache, options),
            attentionSync(inputs.query, inputs.key, inputs.value, { ...options, backend }),
          );
        }
      }
    });
  }

  it('gives promises of the same', async () => {
    const random = new Random('promises');
    const { query, key, value } = randomInputs(random, { keys: 300, heads: 8, width: 64 });
    const cache = filledCache(random, key, value, { pageSize: 32, location });
    const expected = attentionSync(query, cache, { backend });
    expectSameBits(await attention(query, cache, { backend }), expected);
    const details = await attentionDetails(query, cache, { backend, include: ['weights'] });
    expectSameBits(
      details.output,
      attentionDetailsSync(query, cache, { backend, include: ['weights'] }).output,
    );
  });

  it('lets a masked key or value that is not finite have no effect, and an attended one pass', () => {
    const random = new Random('not finite');
    for (const type of cacheTypes) {
      for (const queries of [1, 20]) {
        const inputs = randomInputs(random, { batch: 1, heads: 2, queries, keys: 30 });
        const { query } = inputs;
        for (const poison of [Number.NaN, Number.POSITIVE_INFINITY]) {
          const [key, value] = [inputs.key, inputs.value].map((tensor) => tensor.cast('float32'));
          for (const tensor of [key, value]) {
            for (const head of [0, 1]) tensor.data[(head * 30 + 7) * 16 + 3] = poison;
          }
          const mask = random.mask([1, 1, queries, 30], 1);
          for (let i = 0; i < queries; i++) mask.data[i * 30 + 7] = 0;
          const clean = filledCache(random, inputs.key, inputs.value, { type, pageSize: 9, location });
          const spoilt = filledCache(random, key, value, { type, pageSize: 9, location });
          expectSameBits(
            attentionSync(query, spoilt, { mask, backend }),
            attentionSync(query, clean, { mask, backend }),
          );
          mask.data[7] = 1;
          const output = attentionSync(query, spoilt, { mask, backend }).data as Float32Array;
          assert.ok(Number.isNaN(output[3]), 'an attended key that is not finite has passed unseen');
          assert.ok(queries === 1 || output.subarray(16, queries * 16).every(Number.isFinite));
        }
      }
    }
  });

  it('attends several new steps of each sequence in one call', async () => {
    const random = new Random('continued prefill');
    for (const [pageSize, type] of [
      [undefined, cacheTypes[0]],
      [16, cacheTypes[0]],
      ...cacheTypes.slice(3).map((scaled) => [16, scaled] as const),
    ] as const) {
      const lengths = [50, 0, 7, 120];
      const counts = [3, 0, 7, 41];
      const starts = [0];
      for (const count of counts) starts.push(starts[starts.length - 1] + count);
      const key = random.tensor('float32', dimsOf('bhsd', 4, 2, 120, 24));
      const value = random.tensor('float32', dimsOf('bhsd', 4, 2, 120, 10));
      const cache = filledCache(random, key, value, {
        type,
        location,
        ...(pageSize !== undefined && { pageSize }),
      });
      cache.truncate(lengths);
      const query = random.tensor('float32', [starts[4], 4, 24]);
      const out = poisoned('float32', [starts[4], 4, 10]);
      const options = { queryStarts: starts, causal: true, backend };
      await packedAttention(query, cache, { ...options, out: out.tensor });
      out.expectMarginsIntact();
      for (const [entry, count] of counts.entries()) {
        const one = (tensor: Tensor) => {
          const size = tensor.size / 4;
          return {
            type: 'float32' as const,
            dims: [1, ...tensor.dims.slice(1)],
            data: (tensor.data as Float32Array).subarray(entry * size, (entry + 1) * size),
          };
        };
        const rows = (data: unknown, width: number) =>
          (data as Float32Array).subarray(starts[entry] * 4 * width, (starts[entry] + count) * 4 * width);
        const expected = attentionOracle(
          { type: 'float32', dims: [1, count, 4, 24], data: rows(query.data, 24) },
          transposed(one(asKept(type, key))),
          transposed(one(asKept(type, value))),
          { layout: 'bshd', causal: true, kvLengths: [lengths[entry]] },
        );
        expectClose(
          { type: 'float32', dims: [count, 4, 10], data: rows(out.tensor.data, 10) },
          expected.output,
          toleranceOf(backend, 'float32'),
          `entry ${entry}`,
          0.2,
        );
      }
    }
  });
});

interface Plain {
  readonly type: 'float32';
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

/** [1, heads, steps, width] as [1, steps, heads, width]. */
function transposed({ dims: [, heads, steps, width], data }: Plain): Plain {
  const turned = new Float32Array(data.length);
  for (let h = 0; h < heads; h++) {
    for (let s = 0; s < steps; s++) {
      turned.set(
        data.subarray((h * steps + s) * width, (h * steps + s + 1) * width),
        (s * heads + h) * width,
      );
    }
  }
  return { type: 'float32', dims: [1, steps, heads, width], data: turned };
}
