/** Tests the arguments that a cache, and attention over one, reject; a rejected call changes nothing. */
import assert from 'node:assert/strict';
import { attention, attentionDetailsSync, attentionSync } from '../../lib/attention/attention.js';
import { packedAttention } from '../../lib/attention/packed.js';
import type { HeedErrorCode } from '../../lib/errors.js';
import { KeyValueCache } from '../../lib/key-value-cache/key-value-cache.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { zeros } from '../support/refusals.js';
import { rejectsHeed, throwsHeed } from '../support/rejects.js';

/** Calls that plain JavaScript can make although TypeScript forbids them. */
type Untyped = (...args: readonly unknown[]) => unknown;

const good = { batch: 2, heads: 3, width: 8, valueWidth: 5, capacity: 10 };

function cacheOf(steps: number): KeyValueCache {
  const cache = new KeyValueCache({ ...good, pageSize: 4 });
  cache.append(zeros(2, 3, steps, 8), zeros(2, 3, steps, 5));
  return cache;
}

describe('wrong arguments of a cache', () => {
  const constructions: readonly [title: string, change: object, code: HeedErrorCode, message: string][] = [
    ['no batch', { batch: undefined }, 'HEED_INVALID_ARGUMENT', 'Expected options.batch to be an integer'],
    ['half a head', { heads: 1.5 }, 'HEED_INVALID_ARGUMENT', 'options.heads'],
    ['no heads', { heads: 0 }, 'HEED_INVALID_ARGUMENT', 'options.heads'],
    [
      'keys too wide',
      { width: 577 },
      'HEED_INVALID_ARGUMENT',
      'options.width to be an integer from 1 to 576',
    ],
    ['values of no width', { valueWidth: 0 }, 'HEED_INVALID_ARGUMENT', 'options.valueWidth'],
    ['no capacity', { capacity: Number.NaN }, 'HEED_INVALID_ARGUMENT', 'options.capacity'],
    ['too much capacity', { capacity: 2 ** 53 }, 'HEED_INVALID_ARGUMENT', 'options.capacity'],
    [
      'a type that no cache has',
      { type: 'float64' },
      'HEED_INVALID_ARGUMENT',
      "options.type to be 'float32'",
    ],
    ['pages of nothing', { pageSize: 0 }, 'HEED_INVALID_ARGUMENT', 'options.pageSize'],
    ['a GPU that is not there', { location: 'cuda:99' }, 'HEED_NO_CUDA', 'Expected a '],
    ['a misspelt option', { pagesize: 4 }, 'HEED_UNKNOWN_OPTION', "did you mean 'pageSize'?"],
  ];
  for (const [title, change, code, message] of constructions) {
    it(`the constructor refuses ${title}`, () => {
      throwsHeed(() => new KeyValueCache({ ...good, ...change }), code, message);
    });
  }

  it('the constructor refuses to be told nothing', () => {
    const construct = () => new (KeyValueCache as unknown as new () => KeyValueCache)();
    throwsHeed(construct, 'HEED_INVALID_ARGUMENT', 'Expected options to be an object');
  });

  it('the constructor refuses options that cannot be read', () => {
    const { proxy, revoke } = Proxy.revocable(good, {});
    revoke();
    throwsHeed(() => new KeyValueCache(proxy), 'HEED_INVALID_ARGUMENT', 'Expected options to be readable');
  });

  it('takes memory for the pages that there are, not for those that there may be', () => {
    const { arrayBuffers } = process.memoryUsage();
    const cache = new KeyValueCache({ ...good, batch: 1000, capacity: 2 ** 31 - 1, pageSize: 1 });
    const [one] = [cache.fork({ entries: [999] })];
    one.append(zeros(1, 3, 20, 8), zeros(1, 3, 20, 5));
    assert.deepEqual([...one.lengths], [20]);
    assert.ok(process.memoryUsage().arrayBuffers - arrayBuffers < 2 ** 28);
  });

  it('truncates to what it has when all lengths have been read', () => {
    const cache = cacheOf(6);
    const lengths = {
      length: 2,
      get 0() {
        cache.truncate(1);
        return 6;
      },
      1: 0,
    };
    throwsHeed(() => cache.truncate(lengths), 'HEED_INVALID_ARGUMENT', 'from 0 to 1');
    assert.deepEqual([...cache.lengths], [1, 1]);
  });

  it('has no forks once it is disposed, not even while options are read', () => {
    const cache = cacheOf(6);
    const options = {
      get entries() {
        cache.dispose();
        return [0];
      },
    };
    throwsHeed(() => cache.fork(options), 'HEED_DISPOSED', 'Expected a live cache');
  });

  it('says when there is no memory, and remains usable', () => {
    const huge = new KeyValueCache({ ...good, heads: 60_000, width: 512, capacity: 2 ** 31 - 1 });
    throwsHeed(
      () => huge.append(zeros(2, 60_000, 0, 512), zeros(2, 60_000, 0, 5), { lengths: [1, 1] }),
      'HEED_INVALID_ARGUMENT',
      'options.lengths[0]',
    );
    const key = { type: 'float32' as const, dims: [1, 60_000, 1, 512], data: new Float32Array(60_000 * 512) };
    const value = { type: 'float32' as const, dims: [1, 60_000, 1, 5], data: new Float32Array(60_000 * 5) };
    const one = new KeyValueCache({ ...good, batch: 1, heads: 60_000, width: 512, capacity: 2 ** 31 - 1 });
    throwsHeed(() => one.append(key, value), 'HEED_OUT_OF_MEMORY', 'pages of a cache');
    assert.deepEqual([...one.lengths], [0]);
  });

  const additions: readonly [
    title: string,
    args: readonly unknown[],
    code: HeedErrorCode,
    message: string,
  ][] = [
    ['no value', [zeros(2, 3, 1, 8)], 'HEED_INVALID_ARGUMENT', 'Expected value to be a tensor'],
    [
      'another batch',
      [zeros(1, 3, 1, 8), zeros(2, 3, 1, 5)],
      'HEED_SHAPE_MISMATCH',
      'Expected key.dims[0] to equal cache.batch (2), received 1',
    ],
    ['other heads', [zeros(2, 3, 1, 8), zeros(2, 4, 1, 5)], 'HEED_SHAPE_MISMATCH', 'value.dims[1]'],
    [
      'the width of keys as that of values',
      [zeros(2, 3, 1, 8), zeros(2, 3, 1, 8)],
      'HEED_SHAPE_MISMATCH',
      'Expected value.dims[3] to equal cache.valueWidth (5), received 8',
    ],
    ['other steps', [zeros(2, 3, 1, 8), zeros(2, 3, 2, 5)], 'HEED_SHAPE_MISMATCH', 'value.dims[2]'],
    ['too few axes', [zeros(3, 1, 8), zeros(2, 3, 1, 5)], 'HEED_SHAPE_MISMATCH', 'key.dims to have 4 axes'],
    [
      'two types',
      [zeros(2, 3, 1, 8), Tensor.zeros('float16', [2, 3, 1, 5])],
      'HEED_TYPE_MISMATCH',
      'value.type',
    ],
    [
      'integers',
      [Tensor.zeros('int32', [2, 3, 1, 8]), zeros(2, 3, 1, 5)],
      'HEED_UNSUPPORTED_TYPE',
      'key.type',
    ],
    [
      'more steps of an entry than there are',
      [zeros(2, 3, 1, 8), zeros(2, 3, 1, 5), { lengths: [0, 2] }],
      'HEED_INVALID_ARGUMENT',
      'options.lengths[1]',
    ],
    [
      'lengths of another batch',
      [zeros(2, 3, 1, 8), zeros(2, 3, 1, 5), { lengths: [0] }],
      'HEED_SHAPE_MISMATCH',
      'options.lengths',
    ],
    [
      'a layout that there is not',
      [zeros(2, 3, 1, 8), zeros(2, 3, 1, 5), { layout: 'sbhd' }],
      'HEED_INVALID_ARGUMENT',
      'options.layout',
    ],
    [
      'a misspelt option',
      [zeros(2, 3, 1, 8), zeros(2, 3, 1, 5), { length: [1, 1] }],
      'HEED_UNKNOWN_OPTION',
      "did you mean 'lengths'?",
    ],
    [
      'more than there is room for',
      [zeros(2, 3, 5, 8), zeros(2, 3, 5, 5)],
      'HEED_CACHE_FULL',
      'Expected entry 0 of the cache to have room for 5 more steps, received one with 6 of 10 in use',
    ],
  ];
  for (const [title, args, code, message] of additions) {
    it(`append refuses ${title}`, () => {
      const cache = cacheOf(6);
      throwsHeed(() => (cache.append as Untyped).call(cache, ...args), code, message);
      assert.deepEqual([...cache.lengths], [6, 6]);
    });
  }

  it('append refuses memory that has gone away', () => {
    const cache = cacheOf(6);
    const key = zeros(2, 3, 1, 8);
    structuredClone(key.data.buffer, { transfer: [key.data.buffer as ArrayBuffer] });
    throwsHeed(() => cache.append(key, zeros(2, 3, 1, 5)), 'HEED_DETACHED', 'key.data');
  });

  it('truncate refuses to make longer, and other batches', () => {
    const cache = cacheOf(6);
    throwsHeed(
      () => cache.truncate(7),
      'HEED_INVALID_ARGUMENT',
      'Expected lengths to be an integer from 0 to 6',
    );
    throwsHeed(() => cache.truncate([6, 7]), 'HEED_INVALID_ARGUMENT', 'lengths[1]');
    throwsHeed(() => cache.truncate([1]), 'HEED_SHAPE_MISMATCH', 'the length of lengths');
    throwsHeed(() => (cache.truncate as Untyped).call(cache, 'all'), 'HEED_INVALID_ARGUMENT', 'lengths');
    assert.deepEqual([...cache.lengths], [6, 6]);
    cache.truncate(3);
    assert.deepEqual([...cache.lengths], [3, 3]);
  });

  it('fork refuses entries that there are not', () => {
    const cache = cacheOf(6);
    throwsHeed(() => cache.fork({ entries: [0, 2] }), 'HEED_INVALID_ARGUMENT', 'options.entries[1]');
    throwsHeed(() => cache.fork({ entrys: [0] } as never), 'HEED_UNKNOWN_OPTION', "did you mean 'entries'?");
  });

  it('nothing can be done with a disposed one', async () => {
    const cache = cacheOf(6);
    const fork = cache.fork();
    cache.dispose();
    cache.dispose();
    assert.ok(cache.disposed && !fork.disposed);
    for (const use of [
      () => cache.append(zeros(2, 3, 1, 8), zeros(2, 3, 1, 5)),
      () => cache.truncate(0),
      () => cache.fork(),
      () => cache.lengths,
      () => cache.byteLength,
      () => attentionSync(zeros(2, 3, 1, 8), cache),
    ]) {
      throwsHeed(use, 'HEED_DISPOSED', 'Expected a live cache');
    }
    await rejectsHeed(() => attention(zeros(2, 3, 1, 8), cache), 'HEED_DISPOSED', 'Expected a live cache');
    attentionSync(zeros(2, 3, 1, 8), fork);
  });

  it('has what it holds, whatever is put over its properties', async () => {
    const cache = cacheOf(6);
    const query = zeros(2, 3, 1, 8);
    const expected = await attention(query, cache);
    const others = {
      batch: 1,
      heads: 1,
      width: 16,
      valueWidth: 16,
      lengths: Int32Array.of(60, 60),
      state: {},
    };
    for (const [name, value] of Object.entries(others)) Object.defineProperty(cache, name, { value });
    for (const backend of ['reference', 'auto'] as const) {
      assert.deepEqual((await attention(query, cache, { backend })).data, expected.data);
    }
    throwsHeed(
      () => cache.append(zeros(1, 1, 1, 16), zeros(1, 1, 1, 16)),
      'HEED_SHAPE_MISMATCH',
      'Expected key.dims[0] to equal cache.batch (2), received 1',
    );
    cache.append(zeros(2, 3, 1, 8), zeros(2, 3, 1, 5));
    assert.deepEqual([...cache.fork().lengths], [7, 7]);
  });

  it('lengths are a copy', () => {
    const cache = cacheOf(6);
    cache.lengths.fill(3);
    assert.deepEqual([...cache.lengths], [6, 6]);
  });
});

describe('wrong arguments of attention over a cache', () => {
  const cache = cacheOf(6);
  const query = zeros(2, 6, 1, 8);
  const refusals: readonly [title: string, args: readonly unknown[], code: HeedErrorCode, message: string][] =
    [
      [
        'another batch',
        [zeros(3, 6, 1, 8), cache],
        'HEED_SHAPE_MISMATCH',
        'query.dims[0] to equal cache.batch (2)',
      ],
      [
        'another width',
        [zeros(2, 6, 1, 7), cache],
        'HEED_SHAPE_MISMATCH',
        'Expected cache.width to equal query.dims[3] (7)',
      ],
      [
        'heads that do not fit',
        [zeros(2, 4, 1, 8), cache],
        'HEED_SHAPE_MISMATCH',
        'multiple of cache.heads (3)',
      ],
      ['a value beside it', [query, cache, {}, {}], 'HEED_INVALID_ARGUMENT', 'only options after a cache'],
      [
        'more keys than there are',
        [query, cache, { kvLengths: [6, 7] }],
        'HEED_INVALID_ARGUMENT',
        'options.kvLengths[1]',
      ],
      [
        'a mask of other keys',
        [query, cache, { mask: Tensor.zeros('bool', [1, 1, 1, 7]) }],
        'HEED_SHAPE_MISMATCH',
        'options.mask.dims to broadcast',
      ],
      [
        'a misspelt option',
        [query, cache, { casual: true }],
        'HEED_UNKNOWN_OPTION',
        "did you mean 'causal'?",
      ],
      ['something else than a cache', [query, {}], 'HEED_UNSUPPORTED_TYPE', 'key.type'],
    ];
  for (const [title, args, code, message] of refusals) {
    it(`refuses ${title}`, async () => {
      throwsHeed(() => (attentionSync as Untyped)(...args), code, message);
      await rejectsHeed(async () => (attention as Untyped)(...args), code, message);
      const [q, c, options, ...more] = args;
      const details = { ...(options as object), include: [] };
      throwsHeed(() => (attentionDetailsSync as Untyped)(q, c, details, ...more), code, message);
    });
  }

  it('refuses packed queries that do not fit its entries', async () => {
    const tokens = zeros(4, 3, 8);
    await rejectsHeed(
      () => packedAttention(tokens, cache, { queryStarts: [0, 1, 2, 4] }),
      'HEED_SHAPE_MISMATCH',
      'cache.batch + 1',
    );
    await rejectsHeed(
      () => packedAttention(tokens, cache, { queryStarts: [0, 1, 4], keyStarts: [0, 1, 4] } as never),
      'HEED_INVALID_ARGUMENT',
      'options.keyStarts',
    );
  });
});
