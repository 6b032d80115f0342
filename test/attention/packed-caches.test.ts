/** Tests packed attention over caches of one pool, one for each sequence. */
import assert from 'node:assert/strict';
import { attentionSync } from '../../lib/attention/attention.js';
import {
  type CachedPackedAttentionOptions,
  packedAttention,
  packedAttentionDetails,
  packedAttentionSync,
} from '../../lib/attention/packed.js';
import type { HeedErrorCode } from '../../lib/errors.js';
import { KeyValueCache } from '../../lib/key-value-cache/key-value-cache.js';
import { KeyValuePool } from '../../lib/key-value-cache/key-value-pool.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { eachBackend, locationOf } from '../support/backends.js';
import { expectClose, expectSameBits, toleranceOf } from '../support/compare.js';
import { toNumbers } from '../support/numbers.js';
import { attentionOracle, type OracleOptions } from '../support/oracle.js';
import { poisoned } from '../support/poison.js';
import { Random, tensorOf } from '../support/random.js';
import { zeros } from '../support/refusals.js';
import { rejectsHeed, throwsHeed } from '../support/rejects.js';

const [heads, keyHeads, width, valueWidth] = [4, 2, 8, 6];

/** New queries of a sequence, and all keys and values that it has, [1, steps, heads, width] each. */
interface Sequence {
  readonly query: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
}

function endToEnd(tensors: readonly Tensor[]): Tensor {
  const numbers = tensors.flatMap(toNumbers);
  const [, , rows, length] = tensors[0].dims;
  return tensorOf('float32', [numbers.length / rows / length, rows, length], (i) => numbers[i]);
}

function startsOf(counts: readonly number[]): number[] {
  const starts = [0];
  for (const count of counts) starts.push((starts.at(-1) ?? 0) + count);
  return starts;
}

eachBackend('packed attention over caches', (backend) => {
  const random = new Random(`packed caches on ${backend}`);
  const location = locationOf(backend);

  function draw(pool: KeyValuePool, counts: readonly (readonly [queries: number, keys: number])[]) {
    const sequences = counts.map(
      ([queries, keys]): Sequence => ({
        query: random.tensor('float32', [1, queries, heads, width]),
        key: random.tensor('float32', [1, keys, keyHeads, width]),
        value: random.tensor('float32', [1, keys, keyHeads, valueWidth]),
      }),
    );
    const caches = sequences.map(({ key, value }) => {
      const cache = pool.sequence();
      cache.append(key, value, { layout: 'bshd' });
      return cache;
    });
    const query = endToEnd(sequences.map((each) => each.query));
    return { sequences, caches, query, queryStarts: startsOf(counts.map(([queries]) => queries)) };
  }

  const counts = [
    [1, 9],
    [5, 5],
    [0, 3],
    [2, 40],
    [1, 0],
    [3, 17],
  ] as const;

  for (const [title, options] of Object.entries<Omit<OracleOptions, 'layout' | 'kvLengths'>>({
    plain: {},
    causal: { causal: true },
    window: { window: { left: 2, right: 1 } },
    offsets: { causal: true, queryOffset: [0, 3, -2, 6, 1, 20] },
    scores: { scale: 0.7, softcap: 2, alibiSlopes: [0.5, 0.1, 0, -0.2], sinks: [1, 2, 0, -1] },
  })) {
    it(`attends in each sequence what its cache has: ${title}`, async () => {
      using pool = new KeyValuePool({ heads: keyHeads, width, valueWidth, pageSize: 4, pages: 30, location });
      const { sequences, caches, query, queryStarts } = draw(pool, counts);
      const out = poisoned('float32', [query.dims[0], heads, valueWidth]);
      const output = await packedAttention(query, caches, {
        ...options,
        queryStarts,
        backend,
        out: out.tensor,
      });
      assert.equal(output, out.tensor);
      out.expectMarginsIntact();
      const wanted = sequences.flatMap((each, entry) => {
        const { queryOffset, ...rest } = options;
        const offset = (queryOffset as readonly number[] | undefined)?.[entry];
        return attentionOracle(each.query, each.key, each.value, {
          ...rest,
          layout: 'bshd',
          ...(offset !== undefined && { queryOffset: offset }),
        }).output;
      });
      expectClose(output, wanted, toleranceOf(backend, 'float32'));
      expectSameBits(packedAttentionSync(query, caches, { ...options, queryStarts, backend }), output);
    });
  }

  it('attends no more than kvLengths, and shows log-sum-exps', async () => {
    using pool = new KeyValuePool({ heads: keyHeads, width, valueWidth, pageSize: 4, pages: 30, location });
    const { caches, query, queryStarts } = draw(pool, counts);
    const kvLengths = [4, 5, 0, 33, 0, 1];
    const options = { queryStarts, kvLengths, backend, include: ['logSumExp'] } as const;
    const { output, logSumExp } = await packedAttentionDetails(query, caches, options);
    for (const [cache, length] of kvLengths.entries()) caches[cache].truncate(length);
    expectSameBits(output, await packedAttention(query, caches, { queryStarts, backend }));
    assert.deepEqual(logSumExp?.dims, [query.dims[0], heads]);
  });

  it('takes forks of one cache, and caches of one page size for all', async () => {
    const key = random.tensor('float32', [1, 20, keyHeads, width]);
    const value = random.tensor('float32', [1, 20, keyHeads, valueWidth]);
    using prompt = new KeyValueCache({
      batch: 1,
      heads: keyHeads,
      width,
      valueWidth,
      capacity: 64,
      location,
    });
    prompt.append(key, value, { layout: 'bshd' });
    using fork = prompt.fork();
    fork.truncate(7);
    const query = random.tensor('float32', [2, heads, width]);
    const both = await packedAttention(query, [prompt, fork], { queryStarts: [0, 1, 2], backend });
    const alone = (i: number, cache: KeyValueCache) =>
      toNumbers(
        attentionSync(
          tensorOf('float32', [1, heads, 1, width], (at) => Number(query.data[i * heads * width + at])),
          cache,
          { backend },
        ),
      );
    expectClose(both, [...alone(0, prompt), ...alone(1, fork)], toleranceOf(backend, 'float32'));
  });

  it('reads what the caches had when it began', async () => {
    using pool = new KeyValuePool({ heads: keyHeads, width, valueWidth, pageSize: 4, pages: 30, location });
    const { caches, query, queryStarts } = draw(pool, counts);
    const expected = packedAttentionSync(query, caches, { queryStarts, backend });
    // With a signal, even a small operation has to wait for a thread.
    const { signal } = new AbortController();
    const running = packedAttention(query, caches, { queryStarts, backend, signal });
    for (const cache of caches) cache.dispose();
    const other = pool.sequence();
    // The pages of what is read are not free yet.
    other.append(zeros(1, keyHeads, 36, width), zeros(1, keyHeads, 36, valueWidth));
    expectSameBits(await running, expected);
    assert.equal(pool.used, 9);
  });
});

describe('packed attention over a list refuses', () => {
  const form = { heads: keyHeads, width, valueWidth, pageSize: 4, pages: 30 };
  const pool = new KeyValuePool(form);
  const filled = (of = pool) => {
    const cache = of.sequence();
    cache.append(zeros(1, keyHeads, 5, width), zeros(1, keyHeads, 5, valueWidth));
    return cache;
  };
  const [a, b] = [filled(), filled()];
  const query = zeros(3, heads, width);
  const disposed = filled();
  disposed.dispose();
  const wide = new KeyValuePool({ ...form, width: 9 });

  const refusals: readonly [
    title: string,
    caches: unknown,
    options: object,
    code: HeedErrorCode,
    message: string,
  ][] = [
    ['no caches', [], {}, 'HEED_INVALID_ARGUMENT', 'Expected caches to be a list of at least one cache'],
    ['what is no cache', [a, {}], {}, 'HEED_INVALID_ARGUMENT', 'caches[1] to be a KeyValueCache'],
    ['a cache twice', [a, a], {}, 'HEED_INVALID_ARGUMENT', 'caches[1] to be another cache than caches[0]'],
    [
      'a cache of several entries',
      [a, b.fork({ entries: [0, 0] })],
      {},
      'HEED_SHAPE_MISMATCH',
      'Expected caches[1] to have one entry, as each sequence has a cache of its own, received one with 2',
    ],
    [
      'caches of two pools',
      [a, filled(new KeyValuePool(form))],
      {},
      'HEED_INVALID_ARGUMENT',
      'Expected caches[1] to be of the same pool as caches[0]',
    ],
    [
      'caches of other widths',
      [wide.sequence(), wide.sequence()],
      {},
      'HEED_SHAPE_MISMATCH',
      'query.dims[2]',
    ],
    ['a disposed cache', [a, disposed], {}, 'HEED_DISPOSED', 'Expected a live cache'],
    [
      'fewer caches than sequences',
      [a],
      {},
      'HEED_SHAPE_MISMATCH',
      'Expected the length of options.queryStarts to equal the number of caches + 1 (2), received 3',
    ],
    ['starts that go back', [a, b], { queryStarts: [0, 4, 3] }, 'HEED_INVALID_ARGUMENT', 'queryStarts[1]'],
    ['no starts', [a, b], { queryStarts: undefined }, 'HEED_INVALID_ARGUMENT', 'options.queryStarts'],
    [
      'starts of keys',
      [a, b],
      { keyStarts: [0, 5, 10] },
      'HEED_INVALID_ARGUMENT',
      'keyStarts to be left out',
    ],
    ['lengths', [a, b], { lengths: [1, 1] }, 'HEED_INVALID_ARGUMENT', 'options.lengths to be left out'],
    ['more keys than there are', [a, b], { kvLengths: [5, 6] }, 'HEED_INVALID_ARGUMENT', 'kvLengths[1]'],
  ];
  for (const [title, caches, change, code, message] of refusals) {
    it(title, async () => {
      const options = { queryStarts: [0, 1, 3], ...change } as CachedPackedAttentionOptions;
      const list = caches as KeyValueCache[];
      await rejectsHeed(() => packedAttention(query, list, options), code, message);
      throwsHeed(() => packedAttentionSync(query, list, options), code, message);
    });
  }

  it('what cannot be read', async () => {
    const { proxy, revoke } = Proxy.revocable([a, b], {});
    revoke();
    const list = [a, b];
    Object.defineProperty(list, 1, {
      get() {
        throw new Error('not today');
      },
    });
    for (const [caches, message] of [
      [proxy, 'Expected key'],
      [list, 'Expected caches to be readable'],
    ] as const) {
      const call = () => packedAttention(query, caches, { queryStarts: [0, 1, 3] });
      await rejectsHeed(call, 'HEED_INVALID_ARGUMENT', message);
    }
  });

  it('caches of which one is disposed of while they are read', async () => {
    const [first, second] = [filled(), filled()];
    const list = [first, second];
    Object.defineProperty(list, 1, {
      get() {
        first.dispose();
        return second;
      },
    });
    await rejectsHeed(
      () => packedAttention(query, list, { queryStarts: [0, 1, 3] }),
      'HEED_DISPOSED',
      'Expected a live cache',
    );
  });
});
