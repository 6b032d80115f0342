/** Tests that cross attention over a kept context gives what it gives over the context itself. */
import assert from 'node:assert/strict';
import type { Selection } from '../../lib/attention/options.js';
import { KeyValueCache } from '../../lib/key-value-cache/key-value-cache.js';
import { MultiHeadAttention } from '../../lib/multi-head-attention/multi-head-attention.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import type { TensorLike } from '../../lib/tensor/types.js';
import { typesOf } from '../support/attention.js';
import { eachBackend, locationOf, many } from '../support/backends.js';
import { expectClose, expectSameBits, toleranceOf } from '../support/compare.js';
import { toNumbers } from '../support/numbers.js';
import { poisoned } from '../support/poison.js';
import { Random, tensorOf } from '../support/random.js';
import { rejectsHeed, throwsHeed } from '../support/rejects.js';
import { layerOracle, type OracleCall } from './layer-oracle.js';
import { randomOptions, randomSizes, randomWeights } from './random-layer.js';

eachBackend('MultiHeadAttention over a kept context', (backend) => {
  const random = new Random(`kept contexts on ${backend}`);

  /** A GPU takes tensors and pages through kernels that sum in different orders. */
  const expectSame = (actual: Tensor, expected: Tensor) =>
    backend === 'cuda'
      ? expectClose(actual, toNumbers(expected), toleranceOf(backend, expected.type as 'float32'), '', 0.2)
      : expectSameBits(actual, expected);

  for (const type of typesOf(backend)) {
    it(`gives what it gives over the context, whatever the shapes and options, in ${type}`, async () => {
      for (let round = 0; round < 8; round++) {
        const sizes = randomSizes(random, type);
        const { score, ...plain } = randomOptions(random, sizes, backend);
        // A location score has weights for a number of keys, which kvLengths would change.
        const located = typeof score === 'object' && score.type === 'location';
        const options = { ...plain, ...(score !== undefined && !located && { score }) };
        const weights = randomWeights(random, sizes);
        using layer = new MultiHeadAttention(weights, { ...options, backend });
        const batch = random.integer(1, 3);
        const keys = round === 0 ? random.integer(390, 800) : random.integer(1, 30);
        const context = random.tensor(type, [batch, keys, sizes.contextEmbed]);
        const kvLengths = random.chance(0.5)
          ? Array.from({ length: batch }, () => random.integer(0, keys))
          : undefined;
        // Keys that are kept are all that there is: the longest entry decides how wide a mask is.
        const longest = kvLengths ? Math.max(...kvLengths) : keys;
        const lengths = kvLengths && { kvLengths };
        const own = type === 'float64' ? 'float32' : type;
        using kept = random.chance(0.5)
          ? await layer.projectContext(context, lengths)
          : layer.projectContextSync(context, lengths);
        assert.deepEqual(
          [kept.type, kept.batch, kept.heads, kept.width, kept.valueWidth, kept.capacity, [...kept.lengths]],
          [
            ...[own, batch, layer.keyValueHeads, sizes.width, sizes.valueWidth, keys],
            kvLengths ?? new Array(batch).fill(keys),
          ],
        );
        for (const steps of [1, random.integer(2, 20)]) {
          const input = random.tensor(type, [batch, steps, sizes.embed]);
          const mask =
            longest > 0 && random.chance(0.4)
              ? tensorOf('float32', [1, sizes.heads, steps, keys], () => random.normal())
              : undefined;
          const call = {
            ...(options.rotary &&
              random.chance(0.4) && {
                positions: Array.from({ length: steps }, () => random.integer(0, 200)),
              }),
          };
          const over = { ...call, context, ...lengths, ...(mask && { mask }) };
          const overKept = {
            ...call,
            context: kept,
            ...(mask && { mask: cut(mask, longest) }),
          };
          const what = JSON.stringify({ options, type, kvLengths, keys, steps });
          const out = poisoned(type, [batch, steps, sizes.out || sizes.heads * sizes.valueWidth]);
          const output = await layer.forward(input, { ...overKept, out: out.tensor });
          out.expectMarginsIntact();
          const expected = layerOracle(type, weights, options, input, over as OracleCall);
          // A float64 layer keeps float32.
          const tolerance = 2 * toleranceOf(backend, own);
          expectClose(output, expected.output, tolerance, what, 0.2);
          if (own === type) expectSame(output, await layer.forward(input, over));
          expectSameBits(layer.forwardSync(input, overKept), output);
          const details = await layer.forwardDetails(input, { ...overKept, include: ['weights'] });
          expectSameBits(details.output, output);
          assert.deepEqual(details.weights?.dims, [batch, sizes.heads, steps, longest]);
          if (own === type && details.weights) {
            const { weights: all } = layer.forwardDetailsSync(input, { ...over, include: ['weights'] });
            assert.ok(all);
            expectSame(details.weights, cut(all, longest));
          }
        }
      }
    });
  }

  const sizes = { heads: 4, keyValueHeads: 2, width: 8, embed: 24, contextEmbed: 20 };
  const weights = randomWeights(random, sizes);
  const form = { heads: 4, keyValueHeads: 2, backend };
  const layer = new MultiHeadAttention(weights, form);
  const context = random.tensor('float32', [2, 30, 20]);
  const input = random.tensor('float32', [2, 3, 24]);

  it('repeats one context for several entries of a batch', async () => {
    using one = await layer.projectContext(context.reshape([1, 60, 20]));
    using several = one.fork({ entries: [0, 0] });
    const output = await layer.forward(input, { context: several });
    const apart = await Promise.all(
      [0, 1].map(async (entry) => {
        const row = tensorOf('float32', [1, 3, 24], (i) => input.data[entry * 72 + i] as number);
        return toNumbers(await layer.forward(row, { context: one }));
      }),
    );
    expectClose(output, apart.flat(), toleranceOf(backend, 'float32'), 'forks', 0.2);
  });

  it('takes fewer keys of it', async () => {
    using kept = await layer.projectContext(context);
    expectSame(
      await layer.forward(input, { context: kept, kvLengths: [7, 30] }),
      await layer.forward(input, { context, kvLengths: [7, 30] }),
    );
  });

  it('has keys and values of nothing, where there is nothing', async () => {
    for (const [batch, keys, queries] of [
      [0, 5, 2],
      [2, 0, 2],
      [2, 5, 0],
    ]) {
      const nothing = random.tensor('float32', [batch, keys, 20]);
      const asks = random.tensor('float32', [batch, queries, 24]);
      using kept = await layer.projectContext(nothing);
      expectSame(
        await layer.forward(asks, { context: kept }),
        await layer.forward(asks, { context: nothing }),
      );
    }
  });

  it('rounds keys and values to the type that is asked for', async () => {
    const expected = toNumbers(await layer.forward(input, { context }));
    for (const [type, accuracy] of [
      ['float16', 2e-3],
      ['bfloat16', 1e-2],
      ['int8', 2e-2],
      ['float8', 6e-2],
    ] as const) {
      using kept = await layer.projectContext(context, { type });
      assert.equal(kept.type, type);
      expectClose(await layer.forward(input, { context: kept }), expected, accuracy, type, 0.2);
    }
  });

  if (backend !== 'cuda') {
    it('selects as it does over the context', async () => {
      using kept = await layer.projectContext(context);
      for (const select of ['hard', { type: 'hard', seed: 5 }] satisfies Selection[]) {
        expectSameBits(
          await layer.forward(input, { context: kept, select }),
          await layer.forward(input, { context, select }),
        );
      }
    });
  }

  it('finishes over a cache that is disposed of, and read by others, meanwhile', async () => {
    const kept = await layer.projectContext(context);
    const expected = await layer.forward(input, { context: kept });
    const running = Array.from({ length: 4 }, () => layer.forward(input, { context: kept }));
    kept.dispose();
    for (const output of await Promise.all(running)) expectSameBits(output, expected);
    await rejectsHeed(() => layer.forward(input, { context: kept }), 'HEED_DISPOSED', 'a live cache');
  });

  it('keeps nothing when it is aborted', async () => {
    const long = random.tensor('float32', [2, many(3000), 20]);
    await assert.rejects(layer.projectContext(long, { signal: AbortSignal.abort() }), { name: 'AbortError' });
    const controller = new AbortController();
    const running = layer.projectContext(long, { signal: controller.signal });
    controller.abort();
    await assert.rejects(running, { name: 'AbortError' });
  });

  it('refuses what does not fit', async () => {
    const location = locationOf(backend);
    const cacheOf = (change: object) =>
      new KeyValueCache({ batch: 2, heads: 2, width: 8, capacity: 9, location, ...change });
    for (const [change, message] of [
      [{ batch: 3 }, 'options.context.batch to equal input.dims[0] (2), received 3'],
      [{ heads: 4 }, 'options.context.heads to equal options.keyValueHeads (2), received 4'],
      [{ width: 9 }, 'options.context.width'],
      [{ valueWidth: 9 }, 'options.context.valueWidth'],
    ] as const) {
      await rejectsHeed(
        () => layer.forward(input, { context: cacheOf(change) }),
        'HEED_SHAPE_MISMATCH',
        message,
      );
    }
    const endless = (...dims: number[]) => ({
      type: 'float32',
      dims: [...dims, 20],
      data: new Float32Array(0),
    });
    using kept = await layer.projectContext(context, { kvLengths: [4, 9] });
    const call = (options: object) => layer.forward(input, { context: kept, ...options });
    await rejectsHeed(() => call({ kvLengths: [5, 9] }), 'HEED_INVALID_ARGUMENT', 'options.kvLengths[0]');
    await rejectsHeed(() => call({ cache: kept }), 'HEED_INVALID_ARGUMENT', 'options.context to be left out');
    const wide = random.mask([1, 1, 3, 30], 0.5);
    await rejectsHeed(() => call({ mask: wide }), 'HEED_SHAPE_MISMATCH', 'options.mask');
    for (const [given, options, code, message] of [
      [input, undefined, 'HEED_SHAPE_MISMATCH', 'context.dims[2] to equal weights.key.weight.dims[1] (20)'],
      [context.reshape([60, 20]), undefined, 'HEED_SHAPE_MISMATCH', 'context.dims to have 3 axes'],
      // A cache has no dims, and on a device no elements that could be read.
      [kept, undefined, backend === 'cuda' ? 'HEED_NOT_ON_CPU' : 'HEED_INVALID_DIMS', 'context'],
      [endless(2 ** 40, 0), undefined, 'HEED_INVALID_DIMS', 'context.dims[0] to be at most 4194304'],
      [endless(0, 2 ** 40), undefined, 'HEED_INVALID_DIMS', 'context.dims[1] to be at most 2147483647'],
      [context, { kvLengths: [1, 31] }, 'HEED_INVALID_ARGUMENT', 'options.kvLengths[1]'],
      [context, { type: 'float64' }, 'HEED_INVALID_ARGUMENT', 'options.type'],
      [context, { kvlengths: [1, 2] }, 'HEED_UNKNOWN_OPTION', 'kvlengths'],
    ] as const) {
      const [tensor, others] = [given as TensorLike, options as object];
      throwsHeed(() => layer.projectContextSync(tensor, others), code, message);
      await rejectsHeed(() => layer.projectContext(tensor, others), code, message);
    }
    using gone = new MultiHeadAttention(weights, form);
    gone.dispose();
    throwsHeed(() => gone.projectContextSync(context), 'HEED_DISPOSED', 'a live layer');
  });

  it('refuses other lengths where keys have turned by theirs', async () => {
    const scaling = { type: 'dynamic', factor: 2, originalMaxPositionEmbeddings: 8 } as const;
    using turning = new MultiHeadAttention(weights, { ...form, rotary: { scaling } });
    using kept = await turning.projectContext(context, { kvLengths: [20, 30] });
    expectSame(
      await turning.forward(input, { context: kept }),
      await turning.forward(input, { context, kvLengths: [20, 30] }),
    );
    await rejectsHeed(
      () => turning.forward(input, { context: kept, kvLengths: [10, 10] }),
      'HEED_INVALID_ARGUMENT',
      'options.kvLengths to be left out',
    );
  });
});

/** The first keys of [batch, heads, queries, keys]. */
function cut(tensor: Tensor, keys: number): Tensor {
  const { type, dims } = tensor;
  const [had, numbers] = [dims[3], toNumbers(tensor)];
  const shorter = [...dims.slice(0, 3), keys];
  return tensorOf(type as 'float32', shorter, (i) => numbers[Math.floor(i / keys) * had + (i % keys)]);
}
