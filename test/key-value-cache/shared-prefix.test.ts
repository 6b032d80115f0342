/** Tests that entries forked from one prefix attend it together, which must affect only the time, and no bit. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { attentionDetailsSync, attentionSync } from '../../lib/attention/attention.js';
import type { AttentionOptions } from '../../lib/attention/options.js';
import { packedAttention } from '../../lib/attention/packed.js';
import { setThreads, threads } from '../../lib/backends/native/native.js';
import type { CacheType, KeyValueCache } from '../../lib/key-value-cache/key-value-cache.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { runs } from '../properties/attention-case.js';
import { eachInstructionSet } from '../support/backends.js';
import { filledCache } from '../support/cached.js';
import { expectSameBits } from '../support/compare.js';
import { poisoned } from '../support/poison.js';
import { Random } from '../support/random.js';
import { randomScore } from '../support/random-score.js';

const cases = fc.record({
  type: fc.constantFrom<CacheType>('float32', 'float32', 'bfloat16', 'float16', 'int8', 'float8'),
  pageSize: fc.constantFrom(undefined, 16, 33, 64, 100),
  keyHeads: fc.integer({ min: 1, max: 2 }),
  group: fc.constantFrom(1, 2, 4),
  width: fc.constantFrom(8, 20, 64),
  valueWidth: fc.constantFrom(8, 33, 64),
  prefix: fc.integer({ min: 500, max: 1300 }),
  /** The number of further steps of each entry; a negative number removes steps of the prefix. */
  own: fc.array(fc.integer({ min: -40, max: 600 }), { minLength: 2, maxLength: 7 }),
  queries: fc.constantFrom(1, 1, 1, 2),
  layout: fc.constantFrom<'bhsd' | 'bshd'>('bhsd', 'bshd'),
  score: fc.constantFrom('scaled-dot', 'scaled-dot', 'cosine', 'general'),
  softcap: fc.constantFrom(0, 0, 5),
  sinks: fc.boolean(),
  causal: fc.boolean(),
  offset: fc.option(fc.integer({ min: 480, max: 1300 }), { nil: undefined }),
  right: fc.option(fc.integer({ min: 0, max: 9 }), { nil: undefined }),
  spoilt: fc.boolean(),
  seed: fc.nat(),
});

type Case = typeof cases extends fc.Arbitrary<infer Each> ? Each : never;

interface Drawn {
  readonly query: Tensor;
  /** Forks of one prefix, with the further steps of each. */
  readonly together: KeyValueCache;
  /** The same keys and values in separate entries. */
  readonly apart: KeyValueCache;
  readonly options: AttentionOptions;
}

/** Appends `steps[entry]` steps of random numbers to both. */
function append(
  random: Random,
  each: Case,
  steps: readonly number[],
  caches: readonly KeyValueCache[],
): void {
  const { keyHeads, width, valueWidth } = each;
  const most = Math.max(...steps);
  const key = random.tensor('float32', [steps.length, keyHeads, most, width]);
  const value = random.tensor('float32', [steps.length, keyHeads, most, valueWidth]);
  for (const cache of caches) cache.append(key, value, { lengths: steps });
}

function draw(each: Case): Drawn {
  const { type, pageSize, keyHeads, group, width, valueWidth, prefix, own, queries, layout } = each;
  const random = new Random(`shared ${each.seed}`);
  const batch = own.length;
  const heads = keyHeads * group;
  const kept = { type, ...(pageSize !== undefined && { pageSize }), spare: 700 };
  const key = random.tensor('float32', [1, keyHeads, prefix, width]);
  const value = random.tensor('float32', [1, keyHeads, prefix, valueWidth]);
  if (each.spoilt) value.data[random.integer(0, value.size - 1)] = Number.NaN;
  const repeated = (tensor: Tensor) => {
    const data = new Float32Array(batch * tensor.size);
    for (let i = 0; i < batch; i++) data.set(tensor.data as Float32Array, i * tensor.size);
    return new Tensor(data, [batch, ...tensor.dims.slice(1)]);
  };
  const together = filledCache(random, key, value, kept).fork({ entries: new Array(batch).fill(0) });
  const apart = filledCache(random, repeated(key), repeated(value), kept);
  for (const cache of [together, apart]) cache.truncate(own.map((steps) => prefix + Math.min(0, steps)));
  append(
    random,
    each,
    own.map((steps) => Math.max(0, steps)),
    [together, apart],
  );
  const scored = {
    heads,
    keyHeads,
    width,
    keyWidth: width,
    keys: prefix,
    type: 'float32' as const,
    perHead: true,
  };
  return {
    query: random.tensor(
      'float32',
      layout === 'bhsd' ? [batch, heads, queries, width] : [batch, queries, heads, width],
    ),
    together,
    apart,
    options: {
      layout,
      score: each.score === 'scaled-dot' ? each.score : randomScore(random, each.score as 'cosine', scored),
      softcap: each.softcap,
      causal: each.causal,
      ...(each.sinks && { sinks: Array.from({ length: heads }, () => random.uniform(-2, 4)) }),
      ...(each.offset !== undefined && { queryOffset: each.offset }),
      ...(each.right !== undefined && { window: { right: each.right } }),
      backend: 'cpu',
    },
  };
}

/** Replaces NaN by 0. */
function withoutNaN({ data }: Tensor): number[] {
  const places: number[] = [];
  for (let i = 0; i < data.length; i++) if (Number.isNaN(data[i])) places.push(i);
  for (const place of places) data[place] = 0;
  return places;
}

eachInstructionSet('a prefix that entries share', () => {
  it('gives what each would see by itself, to the bit', function () {
    this.timeout(120_000);
    fc.assert(
      fc.property(cases, (each) => {
        const { query, together, apart, options } = draw(each);
        const out = poisoned('float32', [...query.dims.slice(0, 3), each.valueWidth]);
        attentionSync(query, together, { ...options, out: out.tensor });
        out.expectMarginsIntact();
        const alone = attentionSync(query, apart, options);
        assert.deepEqual(withoutNaN(out.tensor), withoutNaN(alone), 'NaN has gone elsewhere');
        expectSameBits(out.tensor, alone);
        const include = ['logSumExp', 'weights', 'biasedScores'] as const;
        const [mine, its] = [together, apart].map((cache) =>
          attentionDetailsSync(query, cache, { ...options, include }),
        );
        for (const name of include) {
          const [a, b] = [mine[name], its[name]];
          assert.ok(a && b);
          assert.deepEqual(withoutNaN(a), withoutNaN(b));
          expectSameBits(a, b);
        }
      }),
      runs(100),
    );
  });

  it('gives the same bits whatever the number of threads', () => {
    const before = threads() ?? 1;
    try {
      fc.assert(
        fc.property(cases, (each) => {
          const { query, together, options } = draw({ ...each, spoilt: false });
          setThreads(1);
          const alone = attentionSync(query, together, options);
          setThreads(3);
          expectSameBits(attentionSync(query, together, options), alone);
        }),
        runs(15),
      );
    } finally {
      setThreads(before);
    }
  });

  it('is shared by packed queries, too', async () => {
    const random = new Random('packed forks');
    const key = random.tensor('float32', [1, 2, 700, 16]);
    const cache = filledCache(random, key, key, { pageSize: 32, spare: 50 });
    const together = cache.fork({ entries: [0, 0, 0, 0] });
    const own = random.tensor('float32', [4, 2, 2, 16]);
    together.append(own, own);
    const query = random.tensor('float32', [8, 4, 16]);
    const packed = await packedAttention(query, together, { queryStarts: [0, 2, 4, 6, 8], causal: true });
    const dense = attentionSync(query.reshape([4, 2, 4, 16]), together, { layout: 'bshd', causal: true });
    expectSameBits(packed.reshape([4, 2, 4, 16]), dense);
  });
});
