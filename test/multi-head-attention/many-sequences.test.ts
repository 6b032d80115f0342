/** Tests layers over sequences that lie end to end, with a cache for each or none. */
import assert from 'node:assert/strict';
import type { HeedErrorCode } from '../../lib/errors.js';
import { KeyValueCache } from '../../lib/key-value-cache/key-value-cache.js';
import { KeyValuePool } from '../../lib/key-value-cache/key-value-pool.js';
import {
  type ForwardDetailsOptions,
  type ForwardOptions,
  MultiHeadAttention,
  type MultiHeadAttentionOptions,
} from '../../lib/multi-head-attention/multi-head-attention.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { eachBackend, locationOf, many, type TestedBackend } from '../support/backends.js';
import { stepsOf } from '../support/cached.js';
import { expectClose, expectSameBits, toleranceOf } from '../support/compare.js';
import { toNumbers } from '../support/numbers.js';
import { poisoned } from '../support/poison.js';
import { Random, tensorOf } from '../support/random.js';
import { zeros } from '../support/refusals.js';
import { rejectsHeed, throwsHeed } from '../support/rejects.js';
import { layerOracle } from './layer-oracle.js';
import { randomOptions, randomSizes, randomWeights } from './random-layer.js';

/** [1, steps, embed] each, end to end. */
function endToEnd(tensors: readonly Tensor[]): Tensor {
  const numbers = tensors.flatMap(toNumbers);
  const embed = tensors[0].dims[2];
  return tensorOf('float32', [numbers.length / embed, embed], (i) => numbers[i]);
}

function startsOf(counts: readonly number[]): number[] {
  const starts = [0];
  for (const count of counts) starts.push((starts.at(-1) ?? 0) + count);
  return starts;
}

/** A layer whose results do not depend on how a text is cut into pieces. */
function drawLayer(random: Random, backend: TestedBackend, cached: boolean) {
  const drawn = { ...randomSizes(random, 'float32'), width: random.integer(2, 12) };
  const sizes = { ...drawn, contextEmbed: drawn.embed };
  const { rotary, ...others } = randomOptions(random, sizes, backend);
  const byLength = rotary?.scaling?.type === 'dynamic' || rotary?.scaling?.type === 'longrope';
  const options: MultiHeadAttentionOptions = {
    ...others,
    ...(rotary && !(cached && byLength) && { rotary }),
    ...(cached && { causal: true, window: { left: random.integer(0, 30), right: 0 } }),
  };
  const weights = randomWeights(random, sizes);
  return { sizes, options, weights, layer: new MultiHeadAttention(weights, { ...options, backend }) };
}

eachBackend('a layer over sequences end to end', (backend) => {
  const tolerance = 2 * toleranceOf(backend, 'float32');
  const random = new Random(`many sequences on ${backend}`);
  const location = locationOf(backend);

  it('gives each sequence what the oracle gives it alone', async () => {
    for (let repeat = 0; repeat < 20; repeat++) {
      const { sizes, options, weights, layer } = drawLayer(random, backend, false);
      const counts = Array.from({ length: random.integer(1, 5) }, (): number => random.integer(0, 12));
      if (!counts.some((count) => count > 0)) counts[0] = 1;
      const inputs = counts.map((count) => random.tensor('float32', [1, count, sizes.embed]));
      const queryStarts = startsOf(counts);
      const expected = inputs.flatMap((input) =>
        input.size > 0 ? layerOracle('float32', weights, options, input).output : [],
      );
      const width = sizes.out || sizes.heads * sizes.valueWidth;
      const out = poisoned('float32', [queryStarts.at(-1) ?? 0, width]);
      const output = await layer.forward(endToEnd(inputs), { queryStarts, out: out.tensor });
      assert.equal(output, out.tensor);
      out.expectMarginsIntact();
      expectClose(output, expected, tolerance, `${counts} of ${JSON.stringify(options)}`, 0.2);
      layer.dispose();
    }
  });

  it('continues each sequence where its cache ends', async () => {
    for (let repeat = 0; repeat < 12; repeat++) {
      const { sizes, options, weights, layer } = drawLayer(random, backend, true);
      const { keyValueHeads: heads, width, valueWidth, embed } = sizes;
      const pageSize = random.integer(1, 9);
      using pool = new KeyValuePool({ heads, width, valueWidth, pageSize, pages: 200, location });
      const texts = Array.from({ length: random.integer(1, 5) }, () => {
        const input = random.tensor('float32', [1, random.integer(1, 24), embed]);
        const all = layerOracle('float32', weights, options, input).output;
        return { input, all, cache: pool.sequence() };
      });
      while (texts.some(({ input, cache }) => cache.lengths[0] < input.dims[1])) {
        // Not all sequences are in every call, and some of them without a step.
        const chosen = texts.filter(() => random.chance(0.7));
        if (chosen.length === 0) continue;
        const pieces = chosen.map(({ input, all, cache }) => {
          const [first] = cache.lengths;
          const last = Math.min(input.dims[1], first + random.pick([0, 1, 1, 2, 7, 20]));
          const rowWidth = all.length / input.dims[1];
          return {
            last,
            piece: stepsOf(input, 1, first, last),
            expected: all.slice(first * rowWidth, last * rowWidth),
          };
        });
        const input = endToEnd(pieces.map(({ piece }) => piece));
        const call = {
          queryStarts: startsOf(pieces.map(({ piece }) => piece.dims[1])),
          caches: chosen.map(({ cache }) => cache),
        };
        const output = random.chance(0.5) ? layer.forwardSync(input, call) : await layer.forward(input, call);
        assert.deepEqual(
          chosen.map(({ cache }) => cache.lengths[0]),
          pieces.map(({ last }) => last),
        );
        const expected = pieces.flatMap((each) => each.expected);
        expectClose(output, expected, tolerance, JSON.stringify(options), 0.2);
      }
      layer.dispose();
    }
  });

  const sizes = { heads: 4, keyValueHeads: 2, width: 8, embed: 24 };
  const weights = randomWeights(random, sizes);
  const options = { heads: 4, keyValueHeads: 2, causal: true, rotary: {} };
  const layer = new MultiHeadAttention(weights, { ...options, backend });
  const poolOf = (pages: number) => new KeyValuePool({ heads: 2, width: 8, pageSize: 4, pages, location });
  const extend = (caches: readonly KeyValueCache[], counts: readonly number[], more: object = {}) =>
    layer.forward(random.tensor('float32', [startsOf(counts).at(-1) ?? 0, 24]), {
      caches,
      queryStarts: startsOf(counts),
      ...more,
    });

  it('turns by positions that are given', async () => {
    using pool = poolOf(10);
    const inputs = [4, 3].map((steps) => random.tensor('float32', [1, steps, 24]));
    const positions = [
      [3, 1, 4, 1],
      [50_000, 9, 2],
    ];
    const expected = inputs.flatMap(
      (input, i) => layerOracle('float32', weights, options, input, { positions: positions[i] }).output,
    );
    const call = { queryStarts: [0, 4, 7], positions: positions.flat() };
    expectClose(await layer.forward(endToEnd(inputs), call), expected, 10 * tolerance, 'alone');
    const caches = [pool.sequence(), pool.sequence()];
    expectClose(
      await layer.forward(endToEnd(inputs), { ...call, caches }),
      expected,
      10 * tolerance,
      'cached',
    );
  });

  it('reads masks from the corner of [sequences, heads, longest queries, longest keys]', async () => {
    const inputs = [2, 5].map((steps) => random.tensor('float32', [1, steps, 24]));
    const mask = random.mask([2, 1, 5, 5], 0.6);
    const output = await layer.forward(endToEnd(inputs), { queryStarts: [0, 2, 7], mask });
    const expected = inputs.flatMap((input, entry) => {
      const steps = input.dims[1];
      const own = tensorOf('float32', [1, 1, steps, steps], (i) =>
        Number(mask.data[entry * 25 + Math.floor(i / steps) * 5 + (i % steps)]),
      ).cast('bool');
      return layerOracle('float32', weights, options, input, { mask: own }).output;
    });
    expectClose(output, expected, tolerance, 'output');
  });

  it('takes forks, each on its own way, and counts what they share once', async () => {
    using pool = poolOf(9);
    const prompt = pool.sequence();
    await extend([prompt], [6]);
    const forks = [prompt.fork(), prompt.fork(), prompt.fork()];
    const next = random.tensor('float32', [3, 24]);
    const output = await layer.forward(next, { caches: forks, queryStarts: [0, 1, 2, 3] });
    assert.equal(pool.used, 4);
    const alone = [0, 1, 2].flatMap((i) => {
      using fork = prompt.fork();
      const row = (next.data as Float32Array).subarray(i * 24, (i + 1) * 24);
      return toNumbers(layer.forwardSync(new Tensor('float32', row, [1, 1, 24]), { cache: fork }));
    });
    expectClose(output, alone, tolerance, 'output');
    assert.deepEqual(
      [...forks, prompt].map(({ lengths }) => lengths[0]),
      [7, 7, 7, 6],
    );
  });

  it('has to have room for the copies of a page that forks go on from', async () => {
    using pool = poolOf(3);
    const prompt = pool.sequence();
    await extend([prompt], [6]);
    const forks = [prompt.fork(), prompt.fork(), prompt.fork()];
    await rejectsHeed(
      () => extend(forks, [1, 1, 1]),
      'HEED_POOL_FULL',
      'options.caches[2] (2), received one with 1',
    );
    assert.equal(pool.used, 2);
    await extend(forks, [1, 0, 1]);
    assert.deepEqual([pool.used, ...forks.map(({ lengths }) => lengths[0])], [3, 7, 6, 7]);
  });

  it('takes forks of a cache that rolls, at the positions that steps have had', async () => {
    const rolling = { window: 4, sinks: 4 };
    const form = { batch: 1, heads: 2, width: 8, capacity: 20, pageSize: 4, location, rolling };
    using cache = new KeyValueCache(form);
    await extend([cache], [15]);
    using fork = cache.fork();
    fork.truncate(6);
    const both = [cache, fork];
    for (const counts of [
      [1, 4],
      [2, 3],
      [0, 5],
    ]) {
      const alone = both.map((each) => each.fork());
      const input = random.tensor('float32', [counts[0] + counts[1], 24]);
      const rows = input.data as Float32Array;
      const output = await layer.forward(input, {
        caches: both,
        queryStarts: [0, counts[0], rows.length / 24],
      });
      const parts = [rows.subarray(0, counts[0] * 24), rows.subarray(counts[0] * 24)];
      const expected = alone.flatMap((each, i) =>
        toNumbers(layer.forwardSync(new Tensor('float32', parts[i], [1, counts[i], 24]), { cache: each })),
      );
      expectClose(output, expected, tolerance, `counts ${counts}`);
      for (const [i, each] of alone.entries()) {
        assert.deepEqual([...both[i].lengths, ...both[i].dropped], [...each.lengths, ...each.dropped]);
        each.dispose();
      }
    }
    assert.ok(cache.dropped[0] > 0 && fork.dropped[0] > 0);
  });

  it('may be empty', async () => {
    using pool = poolOf(3);
    assert.deepEqual((await layer.forward(zeros(0, 24), { queryStarts: [0], caches: [] })).dims, [0, 24]);
    assert.deepEqual((await layer.forward(zeros(0, 24), { queryStarts: [0, 0, 0] })).dims, [0, 24]);
    const cache = pool.sequence();
    assert.deepEqual((await extend([cache], [0])).dims, [0, 24]);
    await extend([cache, pool.sequence()], [3, 0]);
    assert.deepEqual([cache.lengths[0], pool.used], [3, 1]);
  });

  it('extends none of the caches when it is aborted, and refuses to change them meanwhile', async () => {
    using pool = poolOf(1000);
    const caches = [pool.sequence(), pool.sequence(), pool.sequence()];
    await extend(caches, [5, 1, 9]);
    const used = pool.used;
    const before = caches.map((cache) => cache.fork());
    const controller = new AbortController();
    const running = extend(caches, [1, many(900), 2], { signal: controller.signal });
    assert.ok(pool.used > used);
    throwsHeed(() => caches[2].truncate(0), 'HEED_CACHE_BUSY', 'one operation at a time');
    await rejectsHeed(() => extend([caches[0]], [1]), 'HEED_CACHE_BUSY', 'one operation at a time');
    await rejectsHeed(() => extend([pool.sequence(), caches[1]], [1, 1]), 'HEED_CACHE_BUSY', 'one operation');
    // A fork has what there was, without pages for what may come.
    using meanwhile = caches[1].fork();
    assert.equal(meanwhile.byteLength, before[1].byteLength);
    controller.abort();
    await assert.rejects(running, { name: 'AbortError' });
    assert.deepEqual(
      caches.map(({ lengths }) => lengths[0]),
      [5, 1, 9],
    );
    const input = random.tensor('float32', [6, 24]);
    const queryStarts = [0, 3, 4, 6];
    expectSameBits(
      await layer.forward(input, { caches, queryStarts }),
      await layer.forward(input, { caches: before, queryStarts }),
    );
    for (const cache of [...caches, ...before]) cache.dispose();
    meanwhile.dispose();
    assert.equal(pool.used, 0);
  });

  it('says which cache is full, and extends none', async () => {
    using pool = poolOf(6);
    const caches = [pool.sequence(), pool.sequence(), pool.sequence()];
    await extend(caches, [4, 5, 3]);
    await rejectsHeed(
      () => extend(caches, [1, 1, 22]),
      'HEED_CACHE_FULL',
      'Expected options.caches[2] to have room for 22 more steps, received one with 3 of 24 in use',
    );
    await rejectsHeed(
      () => extend(caches, [1, 4, 2]),
      'HEED_POOL_FULL',
      'left for new steps up to those of options.caches[2] (3), received one with 2',
    );
    await rejectsHeed(() => extend(caches, [9, 1, 1]), 'HEED_POOL_FULL', 'options.caches[0] (3)');
    // What is refused for another reason gives its pages back.
    const [one] = caches;
    const input = random.tensor('float32', [1, 24]);
    await rejectsHeed(
      () => layer.forward(input, { caches: [one], queryStarts: [0, 1], out: input }),
      'HEED_OVERLAP',
      'options.out',
    );
    assert.deepEqual([pool.used, ...caches.map(({ lengths }) => lengths[0])], [4, 4, 5, 3]);
    await extend(caches, [4, 3, 5]);
    assert.deepEqual([pool.used, ...caches.map(({ lengths }) => lengths[0])], [6, 8, 8, 8]);
  });

  it('finishes over caches that are disposed of meanwhile, alone or with their pool', async () => {
    const input = random.tensor('float32', [300, 24]);
    const queryStarts = [0, 100, 300];
    using other = poolOf(100);
    const others = [other.sequence(), other.sequence()];
    const expected = await layer.forward(input, { queryStarts, caches: others });
    const pool = poolOf(100);
    const caches = [pool.sequence(), pool.sequence()];
    const { signal } = new AbortController();
    const running = layer.forward(input, { queryStarts, caches, signal });
    caches[0].dispose();
    pool.dispose();
    expectSameBits(await running, expected);
    assert.deepEqual([pool.used, pool.byteLength], [0, 0]);
  });
});

describe('a layer over sequences end to end refuses', () => {
  const random = new Random('many sequences refused');
  const weights = randomWeights(random, { heads: 4, keyValueHeads: 2, width: 8, embed: 24 });
  // What is refused does not depend on the backend, but a GPU refuses the caches, which are on the CPU, first.
  const layer = new MultiHeadAttention(weights, {
    heads: 4,
    keyValueHeads: 2,
    rotary: {},
    backend: 'reference',
  });
  const form = { heads: 2, width: 8, pages: 10 };
  const pool = new KeyValuePool(form);
  const [a, b] = [pool.sequence(), pool.sequence()];
  const disposed = pool.sequence();
  disposed.dispose();
  const pair = (change: object) => {
    const other = new KeyValuePool({ ...form, ...change });
    return [other.sequence(), other.sequence()];
  };
  const one = new KeyValueCache({ batch: 1, heads: 2, width: 8, capacity: 9 });

  const refusals: readonly [title: string, change: object, code: HeedErrorCode, message: string][] = [
    ['starts that do not begin with 0', { queryStarts: [1, 3, 5] }, 'HEED_SHAPE_MISMATCH', 'begin with 0'],
    [
      'starts that do not reach the end',
      { queryStarts: [0, 3, 4] },
      'HEED_SHAPE_MISMATCH',
      'end with input.dims[0] (5)',
    ],
    ['starts that go back', { queryStarts: [0, 3, 2, 5] }, 'HEED_INVALID_ARGUMENT', 'queryStarts[2]'],
    ['starts of nothing', { queryStarts: [] }, 'HEED_SHAPE_MISMATCH', 'received no elements'],
    ['starts that are no list', { queryStarts: 5 }, 'HEED_INVALID_ARGUMENT', 'options.queryStarts'],
    [
      'caches without starts',
      { queryStarts: undefined },
      'HEED_INVALID_ARGUMENT',
      'options.caches to be given',
    ],
    ['caches that are no list', { caches: a }, 'HEED_INVALID_ARGUMENT', 'options.caches to be a list'],
    [
      'fewer caches than sequences',
      { caches: [a] },
      'HEED_SHAPE_MISMATCH',
      'Expected the length of options.caches to equal the number of sequences in options.queryStarts (2), received 1',
    ],
    ['no caches', { caches: [] }, 'HEED_SHAPE_MISMATCH', 'the length of options.caches'],
    ['what is no cache', { caches: [a, null] }, 'HEED_INVALID_ARGUMENT', 'options.caches[1] to be a KeyV'],
    ['a cache twice', { caches: [b, b] }, 'HEED_INVALID_ARGUMENT', 'options.caches[1] to be another cache'],
    ['a disposed cache', { caches: [a, disposed] }, 'HEED_DISPOSED', 'Expected a live cache'],
    [
      'a cache of several entries',
      { caches: [a, b.fork({ entries: [0, 0] })] },
      'HEED_SHAPE_MISMATCH',
      'options.caches[1] to have one entry',
    ],
    [
      'a cache of no entry',
      { caches: [a, b.fork({ entries: [] })] },
      'HEED_SHAPE_MISMATCH',
      'options.caches[1] to have one entry',
    ],
    ['caches of two pools', { caches: [a, pair({})[0]] }, 'HEED_INVALID_ARGUMENT', 'the same pool'],
    [
      'a cache of no pool',
      { caches: [a, one] },
      'HEED_INVALID_ARGUMENT',
      'options.caches[1] to be of the same',
    ],
    ['other heads', { caches: pair({ heads: 4 }) }, 'HEED_SHAPE_MISMATCH', 'options.caches[0].heads'],
    ['other keys', { caches: pair({ width: 9 }) }, 'HEED_SHAPE_MISMATCH', 'options.caches[0].width'],
    ['other values', { caches: pair({ valueWidth: 9 }) }, 'HEED_SHAPE_MISMATCH', 'caches[0].valueWidth'],
    ['a cache of a batch', { cache: a }, 'HEED_INVALID_ARGUMENT', 'options.cache to be left out'],
    ['a context', { context: zeros(1, 5, 24) }, 'HEED_INVALID_ARGUMENT', 'options.context to be left out'],
    ['lengths', { lengths: [1, 1] }, 'HEED_INVALID_ARGUMENT', 'options.lengths to be left out'],
    ['lengths of keys', { kvLengths: [1, 1] }, 'HEED_INVALID_ARGUMENT', 'options.kvLengths to be left out'],
    ['too few positions', { positions: [1, 2] }, 'HEED_SHAPE_MISMATCH', 'options.positions'],
    ['a mask of tokens', { mask: zeros(5, 5) }, 'HEED_SHAPE_MISMATCH', '[2, 4, 3, 3]'],
    ['an output of a batch', { out: zeros(1, 5, 24) }, 'HEED_SHAPE_MISMATCH', 'options.out.dims'],
    ['a misspelt option', { querystarts: [0] }, 'HEED_UNKNOWN_OPTION', "did you mean 'queryStarts'?"],
  ];
  for (const [title, change, code, message] of refusals) {
    it(title, async () => {
      const options = { queryStarts: [0, 2, 5], caches: [a, b], ...change } as ForwardOptions;
      await rejectsHeed(() => layer.forward(zeros(5, 24), options), code, message);
      throwsHeed(() => layer.forwardSync(zeros(5, 24), options), code, message);
      assert.deepEqual([pool.used, ...a.lengths, ...b.lengths], [0, 0, 0]);
    });
  }

  it('inputs that do not fit', async () => {
    const call = (input: unknown) =>
      layer.forward(input as Tensor, { queryStarts: [0, 2, 5], caches: [a, b] });
    await rejectsHeed(
      () => call(zeros(1, 5, 24)),
      'HEED_SHAPE_MISMATCH',
      '[tokens, embed], received [1, 5, 24]',
    );
    await rejectsHeed(() => call(zeros(5, 23)), 'HEED_SHAPE_MISMATCH', 'Expected input.dims[1] to equal');
    await rejectsHeed(() => call(zeros(5, 24).cast('float16')), 'HEED_TYPE_MISMATCH', 'input.type');
  });

  it('details', async () => {
    const options = { queryStarts: [0, 2, 5], include: [] } as unknown as ForwardDetailsOptions;
    const call = () => layer.forwardDetails(zeros(5, 24), options);
    await rejectsHeed(call, 'HEED_UNKNOWN_OPTION', "'queryStarts'");
  });

  it('keys that come from elsewhere', async () => {
    const cross = new MultiHeadAttention(randomWeights(random, { contextEmbed: 10 }), { heads: 4 });
    await rejectsHeed(
      () => cross.forward(zeros(5, 24), { queryStarts: [0, 5] }),
      'HEED_INVALID_ARGUMENT',
      'Expected options.context to be given',
    );
  });

  it('caches that change while arguments are read', async () => {
    const cache = pool.sequence();
    const call = (change: () => void) =>
      layer.forward(zeros(5, 24), {
        queryStarts: [0, 5],
        caches: [cache],
        mask: {
          type: 'float32',
          get dims() {
            change();
            return [1, 1, 1, 1];
          },
          data: new Float32Array(1),
        },
      });
    const append = () => cache.append(zeros(1, 2, 1, 8), zeros(1, 2, 1, 8));
    await rejectsHeed(
      () => call(append),
      'HEED_INVALID_ARGUMENT',
      'Expected options.caches to stay unchanged',
    );
    assert.deepEqual([...cache.lengths], [1]);
    await rejectsHeed(() => call(() => cache.dispose()), 'HEED_DISPOSED', 'Expected a live cache');
    assert.equal(pool.used, 0);
  });
});
