/** Tests layers and caches on a device. */
import assert from 'node:assert/strict';
import { attention } from '../../../lib/attention/attention.js';
import { KeyValueCache } from '../../../lib/key-value-cache/key-value-cache.js';
import {
  MultiHeadAttention,
  type MultiHeadAttentionOptions,
} from '../../../lib/multi-head-attention/multi-head-attention.js';
import { Tensor } from '../../../lib/tensor/tensor.js';
import type { FloatType } from '../../../lib/tensor/types.js';
import { expectClose, toleranceOf } from '../../support/compare.js';
import { onDevice, sameElements, toDevice } from '../../support/device.js';
import { toNumbers } from '../../support/numbers.js';
import { Random } from '../../support/random.js';
import { rejectsHeed, throwsHeed } from '../../support/rejects.js';

const embed = 32;

function randomWeights(random: Random, keyValueHeads: number, heads: number, output: boolean) {
  const scaled = (dims: readonly number[]) => {
    const tensor = random.tensor('float32', dims);
    const data = tensor.data as Float32Array;
    for (let i = 0; i < data.length; i++) data[i] /= Math.sqrt(embed);
    return tensor;
  };
  const linear = (columns: number) => ({ weight: scaled([columns, embed]), bias: scaled([columns]) });
  const width = embed / heads;
  return {
    query: linear(embed),
    key: linear(keyValueHeads * width),
    value: linear(keyValueHeads * width),
    ...(output && { output: linear(embed) }),
  };
}

onDevice('a layer', (location) => {
  const random = new Random('layers on a device');
  const cases: readonly [string, MultiHeadAttentionOptions, boolean][] = [
    ['heads', { heads: 4 }, true],
    ['grouped heads and causal masking', { heads: 4, keyValueHeads: 2, causal: true }, true],
    ['rotary embedding', { heads: 2, causal: true, rotary: { theta: 1000 } }, true],
    ['neither output map nor bias of scores', { heads: 4, window: { left: 3 }, softcap: 5 }, false],
  ];

  for (const [title, options, output] of cases) {
    const weights = randomWeights(random, options.keyValueHeads ?? options.heads, options.heads, output);

    it(`with ${title} gives there what the reference gives`, async () => {
      using there = new MultiHeadAttention(weights, { ...options, location: 'cuda' });
      using here = new MultiHeadAttention(weights, { ...options, backend: 'reference' });
      assert.equal(there.location, location);
      const input = random.tensor('float32', [2, 7, embed]);
      const expected = toNumbers(await here.forward(input));
      const [x] = await toDevice([input]);
      const results = [await there.forward(x), there.forwardSync(x)];
      const out = Tensor.zeros('float32', [2, 7, embed], location);
      assert.equal(await there.forward(x, { out }), out);
      for (const result of [...results, out]) {
        assert.equal(result.location, location);
        expectClose(await result.to('cpu'), expected, 2 * toleranceOf('cuda', 'float32'), '', 0.2);
      }
      const staged = await there.forward(input);
      assert.equal(staged.location, 'cpu');
      expectClose(staged, expected, 2 * toleranceOf('cuda', 'float32'), '', 0.2);
    });
  }

  for (const type of ['float16', 'bfloat16'] as const) {
    it(`of ${type} casts its weights before they go there`, async () => {
      const weights = randomWeights(random, 2, 4, true);
      const options = { heads: 4, keyValueHeads: 2, type };
      using there = new MultiHeadAttention(weights, { ...options, location: 'cuda' });
      using here = new MultiHeadAttention(weights, { ...options, backend: 'reference' });
      const input = random.tensor(type, [1, 9, embed]);
      const result = await there.forward(await input.to('cuda'));
      assert.equal(result.type, type);
      expectClose(
        await result.to('cpu'),
        toNumbers(await here.forward(input)),
        2 * toleranceOf('cuda', type),
      );
    });
  }

  it('takes weights that are there already, and is then where they are', async () => {
    const norms = () => ({ weight: random.tensor('float32', [embed / 4]) });
    const weights = { ...randomWeights(random, 2, 4, true), queryNorm: norms(), keyNorm: norms() };
    const moved = async ({ weight, bias }: { weight: Tensor; bias?: Tensor }) => ({
      weight: await weight.cast('bfloat16').to(location),
      ...(bias && { bias: await bias.to(location) }),
    });
    const entries = Object.entries(weights).map(
      async ([name, linear]) => [name, await moved(linear)] as const,
    );
    const given = Object.fromEntries(await Promise.all(entries)) as typeof weights;
    const rounded = Object.fromEntries(
      Object.entries(weights).map(([name, linear]) => [
        name,
        { ...linear, weight: linear.weight.cast('bfloat16') },
      ]),
    ) as typeof weights;
    const options = { heads: 4, keyValueHeads: 2, type: 'float32' } as const;
    using there = new MultiHeadAttention(given, options);
    using mixed = new MultiHeadAttention(
      { ...given, key: rounded.key, queryNorm: rounded.queryNorm },
      options,
    );
    using here = new MultiHeadAttention(rounded, { ...options, location });
    for (const linear of Object.values(given)) {
      linear.weight.dispose();
      if ('bias' in linear) linear.bias.dispose();
    }
    const input = await random.tensor('float32', [1, 5, embed]).to(location);
    const expected = await (await here.forward(input)).getData();
    for (const layer of [there, mixed]) {
      assert.equal(layer.location, location);
      await sameElements(await layer.forward(input), expected);
    }
  });

  it('does not take weights from a device to somewhere else', async () => {
    const weights = randomWeights(random, 4, 4, false);
    const key = { weight: await weights.key.weight.to(location) };
    throwsHeed(
      () => new MultiHeadAttention({ ...weights, key }, { heads: 4, backend: 'reference' }),
      'HEED_LOCATION_MISMATCH',
      "Expected weights.key.weight to be where the layer is ('cpu'), received one at 'cuda:0'",
    );
    throwsHeed(
      () =>
        new MultiHeadAttention(
          { ...weights, query: key },
          { heads: 4, location: 'cpu', backend: 'reference' },
        ),
      'HEED_LOCATION_MISMATCH',
      "Expected weights.query.weight to be where the layer is ('cpu'), received one at 'cuda:0'",
    );
  });

  it('attends a context that is where its input is', async () => {
    const weights = randomWeights(random, 4, 4, true);
    using there = new MultiHeadAttention(weights, { heads: 4, location: 'cuda' });
    using here = new MultiHeadAttention(weights, { heads: 4, backend: 'reference' });
    const [input, context] = [
      random.tensor('float32', [2, 3, embed]),
      random.tensor('float32', [2, 8, embed]),
    ];
    const [x, c] = await toDevice([input, context]);
    const expected = toNumbers(await here.forward(input, { context, kvLengths: [8, 5] }));
    const result = await there.forward(x, { context: c, kvLengths: [8, 5] });
    expectClose(await result.to('cpu'), expected, 2 * toleranceOf('cuda', 'float32'), '', 0.2);
    await rejectsHeed(
      () => there.forward(x, { context }),
      'HEED_LOCATION_MISMATCH',
      "Expected options.context to be where input is ('cuda:0')",
    );
    await rejectsHeed(
      () => here.forward(x),
      'HEED_LOCATION_MISMATCH',
      "Expected input to be where the layer is ('cpu')",
    );
  });

  it('gives details there', async () => {
    const weights = randomWeights(random, 4, 4, true);
    using there = new MultiHeadAttention(weights, { heads: 4, location: 'cuda' });
    using here = new MultiHeadAttention(weights, { heads: 4, backend: 'reference' });
    const input = random.tensor('float32', [1, 6, embed]);
    const include = ['weights', 'logSumExp'] as const;
    const details = await there.forwardDetails(await input.to('cuda'), { include });
    const expected = await here.forwardDetails(input, { include });
    for (const name of ['output', ...include] as const) {
      const [actual, wanted] = [details[name], expected[name]];
      assert.ok(actual && wanted);
      assert.equal(actual.location, location);
      expectClose(await actual.to('cpu'), toNumbers(wanted), 2 * toleranceOf('cuda', 'float32'), name, 0.2);
    }
  });

  it('normalises heads there, before they turn', async () => {
    const factors = (...dims: number[]) => ({ weight: random.tensor('float32', dims) });
    const input = random.tensor('float32', [2, 7, embed]);
    for (const [norm, options] of [
      [factors(embed / 4), {}],
      [factors(embed / 4), { normEpsilon: 0.5 }],
      [{ ...factors(4, embed / 4), type: 'layer' }, { normEpsilon: 0.1 }],
      [{ ...factors(embed), bias: random.tensor('float32', [embed]), together: true }, { rotary: {} }],
    ] as const) {
      const weights = { ...randomWeights(random, 4, 4, true), queryNorm: norm, keyNorm: norm };
      using there = new MultiHeadAttention(weights, { heads: 4, location: 'cuda', ...options });
      using here = new MultiHeadAttention(weights, { heads: 4, backend: 'reference', ...options });
      const expected = toNumbers(await here.forward(input));
      const result = await there.forward(await input.to('cuda'));
      expectClose(await result.to('cpu'), expected, 2 * toleranceOf('cuda', 'float32'), '', 0.2);
    }
  });

  it('adds relative biases, and a mask that is there', async () => {
    const weights = randomWeights(random, 4, 4, true);
    const relativeBias = { weight: random.tensor('float32', [8, 4]) };
    using there = new MultiHeadAttention(weights, { heads: 4, location: 'cuda', relativeBias });
    using here = new MultiHeadAttention(weights, { heads: 4, backend: 'reference', relativeBias });
    const input = random.tensor('float32', [2, 7, embed]);
    const moved = await input.to('cuda');
    for (const mask of [
      undefined,
      random.mask([2, 1, 7, 7], 0.7),
      random.tensor('float16', [7, 7]),
      random.mask([2, 7], 0.7).cast('int64'),
    ]) {
      const expected = toNumbers(await here.forward(input, { ...(mask && { mask }) }));
      const result = await there.forward(moved, { ...(mask && { mask: await mask.to('cuda') }) });
      assert.equal(result.location, location);
      expectClose(await result.to('cpu'), expected, 2 * toleranceOf('cuda', 'float32'), '', 0.2);
    }
  });
});

onDevice('a cache', (location) => {
  const random = new Random('caches on a device');
  const shape = { batch: 2, heads: 2, width: 16, capacity: 40 };

  /** Compares with a cache of the CPU, which has its own tests against a model. */
  async function compare(there: KeyValueCache, here: KeyValueCache, type: FloatType): Promise<void> {
    assert.deepEqual(there.lengths, here.lengths);
    const query = random.tensor(type, [here.batch, 4, 3, 16]);
    const expected = toNumbers(await attention(query, here, { causal: true, backend: 'reference' }));
    const output = await attention(await query.to('cuda'), there, { causal: true });
    assert.equal(output.location, location);
    expectClose(await output.to('cpu'), expected, toleranceOf('cuda', type), '', 0.2);
    const staged = await attention(query, there, { causal: true });
    assert.equal(staged.location, 'cpu');
    await sameElements(output, staged.data);
  }

  for (const pageSize of [undefined, 4] as const) {
    for (const type of ['float32', 'bfloat16'] as const) {
      it(`of ${type} ${pageSize ? `in pages of ${pageSize}` : 'in one piece'} keeps what one of the CPU keeps`, async () => {
        const options = { ...shape, type, ...(pageSize && { pageSize }) };
        using there = new KeyValueCache({ ...options, location: 'cuda' });
        using here = new KeyValueCache(options);
        assert.equal(there.location, location);
        const append = async (
          caches: readonly (readonly [KeyValueCache, KeyValueCache])[],
          steps: number,
        ) => {
          for (const [device, host] of caches) {
            const [key, value] = [0, 1].map(() => random.tensor(type, [host.batch, 2, steps, 16]));
            host.append(key, value);
            const [k, v] = await toDevice([key, value]);
            device.append(k, v);
          }
        };
        await append([[there, here]], 9);
        await compare(there, here, type);
        using thereFork = there.fork({ entries: [1, 0, 1] });
        using hereFork = here.fork({ entries: [1, 0, 1] });
        await append(
          [
            [there, here],
            [thereFork, hereFork],
          ],
          2,
        );
        await compare(thereFork, hereFork, type);
        for (const cache of [there, here]) cache.truncate([3, 8]);
        await append([[there, here]], 1);
        await compare(there, here, type);
        await compare(thereFork, hereFork, type);
        // Also from tensors on the CPU.
        const [key, value] = [0, 1].map(() => random.tensor(type, [2, 2, 1, 16]));
        for (const cache of [there, here]) cache.append(key, value);
        await compare(there, here, type);
      });
    }
  }

  it('serves the layer that it is with', async () => {
    const weights = randomWeights(random, 2, 4, true);
    const options = { heads: 4, keyValueHeads: 2, causal: true, rotary: {} };
    using layer = new MultiHeadAttention(weights, { ...options, location: 'cuda' });
    using reference = new MultiHeadAttention(weights, { ...options, backend: 'reference' });
    using cache = new KeyValueCache({
      batch: 2,
      heads: 2,
      width: 8,
      capacity: 16,
      location: 'cuda',
      pageSize: 4,
    });
    const input = random.tensor('float32', [2, 6, embed]);
    const whole = await reference.forward(input);
    const part = (tensor: Tensor, from: number, to: number) => {
      const rows = [0, 1].map((entry) =>
        (tensor.data as Float32Array).subarray((entry * 6 + from) * embed, (entry * 6 + to) * embed),
      );
      return new Tensor(Float32Array.from(rows.flatMap((row) => [...row])), [2, to - from, embed]);
    };
    for (const [from, to] of [
      [0, 3],
      [3, 4],
      [4, 6],
    ] as const) {
      const x = await part(input, from, to).to('cuda');
      const result = await layer.forward(x, { cache });
      assert.equal(result.location, location);
      expectClose(
        await result.to('cpu'),
        toNumbers(part(whole, from, to)),
        2 * toleranceOf('cuda', 'float32'),
        '',
        0.2,
      );
    }
    assert.deepEqual([...cache.lengths], [6, 6]);
    using elsewhere = new KeyValueCache({ batch: 2, heads: 2, width: 8, capacity: 16 });
    const x = await input.to('cuda');
    await rejectsHeed(
      () => layer.forward(x, { cache: elsewhere }),
      'HEED_LOCATION_MISMATCH',
      "Expected options.cache to be where the layer is ('cuda:0'), received one at 'cpu'",
    );
  });

  it('is used with what is where it is', async () => {
    using here = new KeyValueCache(shape);
    using there = new KeyValueCache({ ...shape, location: 'cuda' });
    const key = random.tensor('float32', [2, 2, 1, 16]);
    const [k] = await toDevice([key]);
    throwsHeed(
      () => here.append(k, k),
      'HEED_LOCATION_MISMATCH',
      "Expected key to be where cache is ('cpu')",
    );
    throwsHeed(() => there.append(k, key), 'HEED_LOCATION_MISMATCH', 'Expected value to be where key is');
    await rejectsHeed(
      () => attention(k, here),
      'HEED_LOCATION_MISMATCH',
      "Expected query to be where cache is ('cpu')",
    );
    await rejectsHeed(
      () => attention(key, here, { backend: 'cuda' }),
      'HEED_LOCATION_MISMATCH',
      "a backend that computes where the cache is ('cpu'), received 'cuda'",
    );
    await rejectsHeed(
      () => attention(key, there, { backend: 'cpu' }),
      'HEED_LOCATION_MISMATCH',
      "received 'cpu'",
    );
  });

  it('in the memory of the CPU is appended to and attended there, whatever HEED_BACKEND says', async () => {
    const [query, key, value] = [4, 2, 2].map((heads) => random.tensor('float32', [2, heads, 5, 16]));
    using cache = new KeyValueCache(shape);
    cache.append(key, value);
    const output = await attention(query, cache, { causal: true });
    assert.equal(output.location, 'cpu');
    const expected = await attention(query, key, value, { causal: true, backend: 'reference' });
    expectClose(output, toNumbers(expected), toleranceOf('cpu', 'float32'));
  });
});
