/** Tests that a layer with a cache gives the same results for a text piece by piece as for the whole text. */
import assert from 'node:assert/strict';
import { KeyValueCache, type KeyValueCacheOptions } from '../../lib/key-value-cache/key-value-cache.js';
import {
  MultiHeadAttention,
  type MultiHeadAttentionOptions,
  type RotaryOptions,
} from '../../lib/multi-head-attention/multi-head-attention.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { eachBackend, locationOf, many } from '../support/backends.js';
import { stepsOf } from '../support/cached.js';
import { expectClose, expectSameBits, toleranceOf } from '../support/compare.js';
import { toNumbers } from '../support/numbers.js';
import { Random } from '../support/random.js';
import { rejectsHeed, throwsHeed } from '../support/rejects.js';
import { layerOracle } from './layer-oracle.js';
import { randomOptions, randomSizes, randomWeights } from './random-layer.js';

/** Rows [first, last) of [batch, steps, width]. */
function rowsOf(numbers: readonly number[], [batch, steps]: readonly number[], first: number, last: number) {
  const width = numbers.length / batch / steps;
  return Array.from({ length: batch }, (_, entry) =>
    numbers.slice((entry * steps + first) * width, (entry * steps + last) * width),
  ).flat();
}

/** Whether keys are rotated by the length at the time, so that a text piece by piece gives other results. */
const turnsByLength = ({ scaling }: RotaryOptions) =>
  scaling?.type === 'dynamic' || scaling?.type === 'longrope';

eachBackend('MultiHeadAttention with a cache', (backend) => {
  const tolerance = 2 * toleranceOf(backend, 'float32');
  const random = new Random(`layers with caches on ${backend}`);

  const cacheFor = (layer: MultiHeadAttention, options: Partial<KeyValueCacheOptions>) =>
    new KeyValueCache({
      batch: 2,
      heads: layer.keyValueHeads,
      width: 1,
      capacity: 40,
      location: locationOf(backend),
      ...options,
    });

  it('continues where the cache ends', async () => {
    for (let repeat = 0; repeat < 30; repeat++) {
      const drawn = { ...randomSizes(random, 'float32'), width: random.integer(2, 12) };
      const sizes = { ...drawn, contextEmbed: drawn.embed };
      const { rotary, score, ...others } = randomOptions(random, sizes, backend);
      const options: MultiHeadAttentionOptions = {
        ...others,
        // The positions of a location score belong to one text.
        ...(score !== undefined && { score }),
        ...(rotary && !turnsByLength(rotary) && { rotary }),
        window: { left: random.integer(0, 30), right: 0 },
        causal: true,
      };
      const weights = randomWeights(random, sizes);
      using layer = new MultiHeadAttention(weights, { ...options, backend });
      using cache = cacheFor(layer, {
        width: sizes.width,
        valueWidth: sizes.valueWidth,
        ...(random.chance(0.5) && { pageSize: random.integer(1, 9) }),
      });
      const steps = random.integer(1, 30);
      const input = random.tensor('float32', [2, steps, sizes.embed]);
      const expected = layerOracle('float32', weights, options, input).output;
      for (let first = 0; first < steps; ) {
        const last = Math.min(steps, first + random.pick([1, 1, 2, 7, 20]));
        const piece = stepsOf(input, 1, first, last);
        const output = random.chance(0.5)
          ? layer.forwardSync(piece, { cache })
          : await layer.forward(piece, { cache });
        assert.deepEqual([...cache.lengths], [last, last]);
        expectClose(
          output,
          rowsOf(expected, input.dims, first, last),
          tolerance,
          `steps ${first} to ${last} of ${JSON.stringify(options)}`,
          0.2,
        );
        first = last;
      }
    }
  });

  /** Pieces of a text of [2, steps, embed], and where each ends. */
  function* piecesOf(input: Tensor, most: number) {
    for (let first = 0; first < input.dims[1]; ) {
      const last = Math.min(input.dims[1], first + random.integer(1, most));
      yield { first, last, piece: stepsOf(input, 1, first, last) };
      first = last;
    }
  }

  it('gives the same when it drops the steps before its window', async () => {
    for (let repeat = 0; repeat < 20; repeat++) {
      const drawn = { ...randomSizes(random, 'float32'), width: random.integer(2, 12) };
      const sizes = { ...drawn, contextEmbed: drawn.embed };
      const { rotary, score: _, ...others } = randomOptions(random, sizes, backend);
      const window = random.integer(1, 12);
      const options: MultiHeadAttentionOptions = {
        ...others,
        ...(rotary && !turnsByLength(rotary) && { rotary }),
        window: { left: random.integer(0, window), right: 0 },
        causal: true,
      };
      const weights = randomWeights(random, sizes);
      using layer = new MultiHeadAttention(weights, { ...options, backend });
      const pageSize = random.integer(1, 5);
      using cache = cacheFor(layer, {
        width: sizes.width,
        valueWidth: sizes.valueWidth,
        pageSize,
        capacity: window + pageSize + 6,
        rolling: { window },
      });
      const input = random.tensor('float32', [2, 60, sizes.embed]);
      const expected = layerOracle('float32', weights, options, input).output;
      for (const { first, last, piece } of piecesOf(input, 7)) {
        const output = await layer.forward(piece, { cache });
        assert.equal(cache.lengths[0] + cache.dropped[0], last);
        const what = `steps ${first} to ${last} of ${JSON.stringify(options)}`;
        expectClose(output, rowsOf(expected, input.dims, first, last), tolerance, what, 0.2);
      }
      assert.ok(cache.dropped[0] > 0);
    }
  });

  it('attends exactly the steps that a rolling cache keeps, at the positions that they have had', async () => {
    for (let repeat = 0; repeat < 20; repeat++) {
      const drawn = { ...randomSizes(random, 'float32'), width: random.integer(2, 12) };
      const sizes = { ...drawn, contextEmbed: drawn.embed };
      const drawnOptions = randomOptions(random, sizes, backend);
      // What counts the steps that are left sees sinks nearer than they are.
      const { alibiSlopes: _, window: __, relativeBias: ___, score: ____, ...given } = drawnOptions;
      const { rotary, ...others } = given;
      const options: MultiHeadAttentionOptions = {
        ...others,
        ...(rotary && !turnsByLength(rotary) && { rotary }),
        causal: true,
      };
      const weights = randomWeights(random, sizes);
      using layer = new MultiHeadAttention(weights, { ...options, backend });
      const [window, pageSize, asked] = [random.integer(1, 9), random.integer(1, 5), random.integer(0, 7)];
      const sinks = Math.ceil(asked / pageSize) * pageSize;
      using cache = cacheFor(layer, {
        width: sizes.width,
        valueWidth: sizes.valueWidth,
        pageSize,
        capacity: sinks + window + pageSize + 6,
        rolling: { window, ...(asked > 0 && { sinks: asked }) },
      });
      const steps = 50;
      const input = random.tensor('float32', [2, steps, sizes.embed]);
      // Rows attend what is there when their piece comes, and those before them in it.
      const mask = Tensor.zeros('bool', [1, 1, steps, steps]);
      let kept: number[] = [];
      const pieces = [...piecesOf(input, 7)];
      for (const { first, last } of pieces) {
        while (kept.length - sinks - pageSize >= window) kept.splice(sinks, pageSize);
        kept = [...kept, ...Array.from({ length: last - first }, (_, i) => first + i)];
        for (let row = first; row < last; row++) for (const key of kept) mask.data[row * steps + key] = 1;
      }
      const expected = layerOracle('float32', weights, options, input, { mask }).output;
      for (const { first, last, piece } of pieces) {
        const output = await layer.forward(piece, { cache });
        const what = `steps ${first} to ${last} of ${JSON.stringify({ options, window, pageSize, asked })}`;
        expectClose(output, rowsOf(expected, input.dims, first, last), tolerance, what, 0.2);
      }
      assert.deepEqual([...cache.lengths], [kept.length, kept.length]);
      assert.deepEqual([...cache.dropped], [steps - kept.length, steps - kept.length]);
    }
  });

  const heads = 4;
  const sizes = { heads, keyValueHeads: 2, width: 8, embed: 24 };
  const weights = randomWeights(random, sizes);
  const options = { heads, keyValueHeads: 2, causal: true, rotary: {} };
  const layer = new MultiHeadAttention(weights, { ...options, backend });

  it('adds as many steps of each entry as count', async () => {
    const cache = cacheFor(layer, { width: 8, pageSize: 4 });
    const input = random.tensor('float32', [2, 9, 24]);
    await layer.forward(stepsOf(input, 1, 0, 6), { cache, kvLengths: [6, 2] });
    assert.deepEqual([...cache.lengths], [6, 2]);
    // The second entry continues with its third step, the first with its seventh.
    const next = Tensor.zeros('float32', [2, 3, 24]);
    const rows = input.data as Float32Array;
    (next.data as Float32Array).set(rows.subarray(6 * 24, 9 * 24), 0);
    (next.data as Float32Array).set(rows.subarray((9 + 2) * 24, (9 + 5) * 24), 3 * 24);
    const output = await layer.forward(next, { cache });
    assert.deepEqual([...cache.lengths], [9, 5]);
    const expected = layerOracle('float32', weights, options, input).output;
    expectClose(
      output,
      [...expected.slice(6 * 24, 9 * 24), ...expected.slice((9 + 2) * 24, (9 + 5) * 24)],
      tolerance,
      'output',
    );
  });

  it('leaves the padding of new steps out', async () => {
    const cache = cacheFor(layer, { width: 8, pageSize: 4 });
    const input = random.tensor('float32', [2, 9, 24]);
    const expected = layerOracle('float32', weights, options, input).output;
    const row = (entry: number, first: number, last: number) =>
      expected.slice((entry * 9 + first) * 24, (entry * 9 + last) * 24);
    const padding = (rows: number) =>
      Array.from({ length: rows }, () =>
        toNumbers(weights.output?.bias ?? Tensor.zeros('float32', [24])),
      ).flat();
    let lengths = [0, 0];
    for (const counts of [
      [4, 1],
      [0, 3],
      [1, 0],
      [3, 2],
    ]) {
      const piece = Tensor.zeros('float32', [2, 4, 24]);
      (piece.data as Float32Array).fill(Number.NaN);
      for (const [entry, count] of counts.entries()) {
        const start = (entry * 9 + lengths[entry]) * 24;
        (piece.data as Float32Array).set(
          (input.data as Float32Array).subarray(start, start + count * 24),
          entry * 4 * 24,
        );
      }
      const output = await layer.forward(piece, { cache, lengths: counts });
      const wanted = counts.flatMap((count, entry) => [
        ...row(entry, lengths[entry], lengths[entry] + count),
        ...padding(4 - count),
      ]);
      expectClose(output, wanted, tolerance, `counts ${counts}`);
      lengths = lengths.map((length, entry) => length + counts[entry]);
      assert.deepEqual([...cache.lengths], lengths);
    }
  });

  it('turns by positions that are given', async () => {
    const cache = cacheFor(layer, { width: 8 });
    const input = random.tensor('float32', [2, 7, 24]);
    const positions = [3, 1, 4, 1, 5, 9, 2];
    const expected = layerOracle('float32', weights, options, input, { positions }).output;
    await layer.forward(stepsOf(input, 1, 0, 4), { cache, positions: positions.slice(0, 4) });
    const output = await layer.forward(stepsOf(input, 1, 4, 7), { cache, positions: positions.slice(4) });
    expectClose(output, rowsOf(expected, input.dims, 4, 7), tolerance, 'output');
  });

  it('shows the weights of all keys, old and new', async () => {
    const cache = cacheFor(layer, { width: 8, pageSize: 3 });
    const input = random.tensor('float32', [2, 7, 24]);
    layer.forwardSync(stepsOf(input, 1, 0, 5), { cache });
    const { attention, output: all } = layerOracle('float32', weights, options, input);
    const details = await layer.forwardDetails(stepsOf(input, 1, 5, 7), { cache, include: ['weights'] });
    expectClose(details.output, rowsOf(all, input.dims, 5, 7), tolerance, 'output');
    assert.deepEqual(details.weights?.dims, [2, heads, 2, 7]);
    const rows = Array.from({ length: 2 * heads }, (_, i) =>
      attention.weights.slice((i * 7 + 5) * 7, (i * 7 + 7) * 7),
    ).flat();
    assert.ok(details.weights);
    expectClose(details.weights, rows, tolerance, 'weights');
    assert.deepEqual([...cache.lengths], [7, 7]);
  });

  it('rounds keys and values to the type of the cache', async () => {
    const input = random.tensor('float32', [2, 9, 24]);
    const expected = layerOracle('float32', weights, options, input).output;
    for (const [type, accuracy] of [
      ['bfloat16', 1e-2],
      ['float16', 2e-3],
      ['int8', 2e-2],
      ['float8', 6e-2],
    ] as const) {
      const cache = cacheFor(layer, { width: 8, pageSize: 4, type });
      await layer.forward(stepsOf(input, 1, 0, 8), { cache });
      const output = await layer.forward(stepsOf(input, 1, 8, 9), { cache });
      expectClose(output, rowsOf(expected, input.dims, 8, 9), accuracy, type);
    }
  });

  it('takes forks, each on its own way', async () => {
    const input = random.tensor('float32', [1, 6, 24]);
    const cache = cacheFor(layer, { width: 8, pageSize: 4, batch: 1 });
    await layer.forward(input, { cache });
    const many = cache.fork({ entries: [0, 0, 0] });
    const next = random.tensor('float32', [3, 1, 24]);
    const output = await layer.forward(next, { cache: many });
    for (let i = 0; i < 3; i++) {
      using one = cache.fork();
      const alone = await layer.forward(
        new Tensor('float32', (next.data as Float32Array).subarray(i * 24, (i + 1) * 24), [1, 1, 24]),
        { cache: one },
      );
      expectClose(
        new Tensor('float32', (output.data as Float32Array).subarray(i * 24, (i + 1) * 24), [1, 1, 24]),
        [...(alone.data as Float32Array)],
        tolerance,
        `fork ${i}`,
      );
    }
    assert.deepEqual([...cache.lengths], [6]);
  });

  it('leaves the cache as it was when it is aborted, and refuses to change it meanwhile', async () => {
    const cache = cacheFor(layer, { width: 8, pageSize: 4, capacity: 3000 });
    const input = random.tensor('float32', [2, 5, 24]);
    await layer.forward(input, { cache });
    const controller = new AbortController();
    const running = layer.forward(random.tensor('float32', [2, many(900), 24]), {
      cache,
      signal: controller.signal,
    });
    assert.deepEqual([...cache.lengths], [5, 5]);
    throwsHeed(() => cache.truncate(0), 'HEED_CACHE_BUSY', 'one operation at a time');
    await rejectsHeed(() => layer.forward(input, { cache }), 'HEED_CACHE_BUSY', 'one operation at a time');
    controller.abort();
    await assert.rejects(running, { name: 'AbortError' });
    assert.deepEqual([...cache.lengths], [5, 5]);
    const fork = cache.fork();
    expectSameBits(await layer.forward(input, { cache }), await layer.forward(input, { cache: fork }));
  });

  it('drops nothing when it is aborted, or refused', async () => {
    const rolling = { window: 3, sinks: 4 };
    const cache = cacheFor(layer, { width: 8, pageSize: 4, capacity: 3000, rolling });
    await layer.forward(random.tensor('float32', [2, 30, 24]), { cache });
    const before = cache.fork();
    const next = random.tensor('float32', [2, 2, 24]);
    const controller = new AbortController();
    const long = random.tensor('float32', [2, many(900), 24]);
    const running = layer.forward(long, { cache, signal: controller.signal });
    controller.abort();
    await assert.rejects(running, { name: 'AbortError' });
    const out = new Tensor('float32', next.data, [2, 2, 24]);
    await rejectsHeed(() => layer.forward(next, { cache, out }), 'HEED_OVERLAP', 'options.out');
    const most = random.tensor('float32', [2, 2995, 24]);
    await rejectsHeed(() => layer.forward(most, { cache }), 'HEED_CACHE_FULL', 'room for 2995 more steps');
    assert.deepEqual([...cache.lengths, ...cache.dropped], [30, 30, 0, 0]);
    expectSameBits(await layer.forward(next, { cache }), await layer.forward(next, { cache: before }));
    for (const each of [cache, before]) {
      assert.deepEqual([...each.lengths, ...each.dropped], [12, 12, 20, 20]);
      assert.equal(each.byteLength, 2 * 3 * (4 * 2 * 16 * 4));
    }
  });

  it('finishes over a cache that is disposed of meanwhile', async () => {
    const input = random.tensor('float32', [2, 300, 24]);
    const cache = cacheFor(layer, { width: 8, pageSize: 4, capacity: 300 });
    const running = layer.forward(input, { cache });
    cache.dispose();
    expectSameBits(
      await running,
      await layer.forward(input, { cache: cacheFor(layer, { width: 8, pageSize: 4, capacity: 300 }) }),
    );
  });

  it('refuses caches that do not fit', async () => {
    const input = random.tensor('float32', [2, 5, 24]);
    const refusals = [
      [{ batch: 3, width: 8 }, 'HEED_SHAPE_MISMATCH', 'options.cache.batch'],
      [{ heads: 3, width: 8 }, 'HEED_SHAPE_MISMATCH', 'options.cache.heads'],
      [{ width: 9 }, 'HEED_SHAPE_MISMATCH', 'options.cache.width'],
      [{ width: 8, valueWidth: 9 }, 'HEED_SHAPE_MISMATCH', 'options.cache.valueWidth'],
      [{ width: 8, capacity: 4 }, 'HEED_CACHE_FULL', 'room for 5 more steps'],
    ] as const;
    for (const [change, code, message] of refusals) {
      const cache = cacheFor(layer, change);
      await rejectsHeed(() => layer.forward(input, { cache }), code, message);
      assert.ok(cache.lengths.every((length) => length === 0));
    }
    const cache = cacheFor(layer, { width: 8 });
    await rejectsHeed(
      () => layer.forward(input, { cache: {} as KeyValueCache }),
      'HEED_INVALID_ARGUMENT',
      'options.cache to be a KeyValueCache',
    );
    await rejectsHeed(
      () => layer.forward(input, { cache, context: input }),
      'HEED_INVALID_ARGUMENT',
      'options.context to be left out with options.cache',
    );
    // An invalid output leaves the cache usable.
    const out = new Tensor('float32', input.data, [2, 5, 24]);
    await rejectsHeed(() => layer.forward(input, { cache, out }), 'HEED_OVERLAP', 'options.out');
    await layer.forward(input, { cache });
    assert.deepEqual([...cache.lengths], [5, 5]);
  });
});
