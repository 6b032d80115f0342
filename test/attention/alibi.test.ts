/** Tests ALiBi: distances of either kind, and slopes of all batch entries or of each. */
import { attentionSync } from '../../lib/attention/attention.js';
import type { AttentionOptions } from '../../lib/attention/options.js';
import { MultiHeadAttention } from '../../lib/multi-head-attention/multi-head-attention.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { layerOracle } from '../multi-head-attention/layer-oracle.js';
import { randomWeights } from '../multi-head-attention/random-layer.js';
import { attend, checkAttention, randomInputs, typesOf } from '../support/attention.js';
import { eachBackend, locationOf } from '../support/backends.js';
import { filledCache } from '../support/cached.js';
import { expectClose, expectSameBits, tolerances } from '../support/compare.js';
import { attentionOracle } from '../support/oracle.js';
import { Random, tensorOf } from '../support/random.js';
import { throwsHeed } from '../support/rejects.js';

eachBackend('ALiBi', (backend) => {
  const random = new Random(`ALiBi on ${backend}`);
  const heads = 6;
  const slopes = () => Array.from({ length: heads }, () => random.uniform(0, 1));
  const shape = { batch: 3, heads, keyHeads: 2, queries: 21, keys: 37, width: 9, valueWidth: 5 };
  const entrySlopes = () => Array.from({ length: 3 }, slopes);

  it('adds slope · distance, and by distance on both sides what flash-attn adds', () => {
    const zeros = Tensor.zeros('float32', [1, 1, 4, 2]);
    const value = Tensor.zeros('float32', [1, 1, 4, 1]);
    (value.data as Float32Array).set([1, 10, 100, 1000]);
    const row = (options: AttentionOptions, biases: number[]) => {
      const weights = biases.map(Math.exp);
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      const expected = weights.reduce((sum, weight, i) => sum + (weight * 10 ** i) / total, 0);
      const output = attentionSync(zeros, zeros, value, { backend, alibiSlopes: [0.5], ...options });
      expectClose(new Tensor(output.data.slice(1, 2) as Float32Array, [1]), [expected], 1e-6);
    };
    row({}, [-0.5, 0, 0.5, 1]);
    row({ alibiDistance: 'signed' }, [-0.5, 0, 0.5, 1]);
    row({ alibiDistance: 'absolute' }, [-0.5, 0, -0.5, -1]);
    row({ alibiDistance: 'absolute', queryOffset: 1 }, [-1, -0.5, 0, -0.5]);
  });

  for (const type of typesOf(backend)) {
    it(`takes slopes of each entry, and both distances, of ${type}`, () => {
      const inputs = randomInputs(random, { ...shape, type });
      checkAttention(backend, inputs, { alibiSlopes: entrySlopes() });
      checkAttention(backend, inputs, { alibiSlopes: slopes(), alibiDistance: 'absolute' });
      checkAttention(backend, inputs, {
        alibiSlopes: entrySlopes(),
        alibiDistance: 'absolute',
        softcap: 2,
      });
    });
  }

  it('takes them with few rows and many, masks, windows and offsets', () => {
    for (const queries of [1, 2, 5, 70]) {
      const inputs = randomInputs(random, { ...shape, queries, keys: 140 });
      const mask = random.mask([3, 1, queries, 140], 0.7);
      const queryOffset = [0, 90, -4];
      checkAttention(backend, inputs, {
        alibiSlopes: entrySlopes(),
        alibiDistance: 'absolute',
        mask,
        queryOffset,
      });
      checkAttention(backend, inputs, {
        alibiSlopes: entrySlopes(),
        alibiDistance: 'absolute',
        window: { left: 30, right: 9 },
        kvLengths: [140, 3, 77],
        queryOffset,
      });
    }
  });

  it('is the same with causal attention, where no key comes after the query', () => {
    const inputs = randomInputs(random, { ...shape, queries: 37 });
    const options = { causal: true, alibiSlopes: slopes() };
    expectSameBits(
      attend(backend, inputs, { ...options, alibiDistance: 'absolute' }),
      attend(backend, inputs, options),
    );
  });

  it('reads slopes of each entry from lists and tensors of any floating type', () => {
    const inputs = randomInputs(random, shape);
    const rows = Array.from({ length: 3 }, () =>
      Array.from({ length: heads }, () => random.integer(-8, 8) / 8),
    );
    const wanted = attend(backend, inputs, { alibiSlopes: rows });
    for (const type of ['float32', 'float64', 'float16', 'bfloat16'] as const) {
      const tensor = tensorOf(type, [3, heads], (i) => rows[Math.floor(i / heads)][i % heads]);
      expectSameBits(attend(backend, inputs, { alibiSlopes: tensor }), wanted);
    }
    expectSameBits(
      attend(backend, inputs, { alibiSlopes: rows.map((row) => Float32Array.from(row)) }),
      wanted,
    );
  });

  it('takes them over caches whose entries share their pages', () => {
    const key = random.tensor('float32', [1, 2, 1100, 9]);
    const value = random.tensor('float32', [1, 2, 1100, 5]);
    using cache = filledCache(random, key, value, { pageSize: 64, location: locationOf(backend) });
    using fork = cache.fork({ entries: [0, 0, 0] });
    const query = random.tensor('float32', [3, heads, 1, 9]);
    const options = { alibiSlopes: entrySlopes().map((row) => row.map((slope) => slope / 100)) };
    const repeated = (tensor: Tensor) =>
      tensorOf('float32', [3, ...tensor.dims.slice(1)], (i) => tensor.data[i % tensor.size] as number);
    const expected = attentionOracle(query, repeated(key), repeated(value), options);
    expectClose(attentionSync(query, fork, { ...options, backend }), expected.output, tolerances.float32);
  });

  it('belongs to layers, too', async () => {
    const weights = randomWeights(random);
    const alibiSlopes = Array.from({ length: 2 }, () => [0.5, 0.2, 0, 1]);
    const options = { heads: 4, alibiSlopes, alibiDistance: 'absolute' } as const;
    using layer = new MultiHeadAttention(weights, { ...options, backend });
    const input = random.tensor('float32', [2, 13, 24]);
    const expected = layerOracle('float32', weights, options, input);
    expectClose(await layer.forward(input), expected.output, 2 * tolerances.float32);
    throwsHeed(
      () => layer.forwardSync(random.tensor('float32', [3, 1, 24])),
      'HEED_SHAPE_MISMATCH',
      'Expected options.alibiSlopes to have the slopes of every batch entry (3), received those of 2',
    );
  });

  it('refuses slopes of other entries or heads, and other distances', () => {
    const { query, key, value } = randomInputs(random, shape);
    const refuses = (options: object, code: Parameters<typeof throwsHeed>[1], message: string) =>
      throwsHeed(() => attentionSync(query, key, value, { ...options, backend }), code, message);
    const wrong =
      'Expected options.alibiSlopes to have the slopes of every batch entry (3), received those of 2';
    refuses({ alibiSlopes: [slopes(), slopes()] }, 'HEED_SHAPE_MISMATCH', wrong);
    refuses({ alibiSlopes: random.tensor('float32', [2, heads]) }, 'HEED_SHAPE_MISMATCH', wrong);
    refuses(
      { alibiSlopes: [slopes(), slopes(), [1]] },
      'HEED_SHAPE_MISMATCH',
      'Expected options.alibiSlopes[2] to have one element per query head (6), received 1',
    );
    refuses(
      { alibiSlopes: [slopes(), slopes(), 1] },
      'HEED_INVALID_ARGUMENT',
      'Expected options.alibiSlopes[2] to be',
    );
    refuses({ alibiSlopes: random.tensor('float32', [3, 5]) }, 'HEED_SHAPE_MISMATCH', 'options.alibiSlopes');
    refuses(
      { alibiSlopes: slopes(), alibiDistance: 'both' },
      'HEED_INVALID_ARGUMENT',
      "Expected options.alibiDistance to be 'signed' or 'absolute', received 'both'",
    );
  });
});
