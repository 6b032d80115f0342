/**
 * Tests that calls that the cuda backend does not support are rejected before any work starts, wherever the
 * tensors are.
 */
import assert from 'node:assert/strict';
import { attention, attentionDetails, attentionSync } from '../../../lib/attention/attention.js';
import type { AttentionOptions, Score, Selection } from '../../../lib/attention/options.js';
import { packedAttention } from '../../../lib/attention/packed.js';
import { splitHeads } from '../../../lib/attention/split-heads.js';
import { deviceMemory } from '../../../lib/backends/devices.js';
import { FeedForward } from '../../../lib/feed-forward/feed-forward.js';
import { KeyValueCache } from '../../../lib/key-value-cache/key-value-cache.js';
import { logits } from '../../../lib/logits/logits.js';
import { MultiHeadAttention } from '../../../lib/multi-head-attention/multi-head-attention.js';
import { packWeight } from '../../../lib/projection/packed-weight.js';
import { project } from '../../../lib/projection/project.js';
import { Tensor } from '../../../lib/tensor/tensor.js';
import { randomInputs } from '../../support/attention.js';
import { onDevice, toDevice } from '../../support/device.js';
import { Random } from '../../support/random.js';
import { rejectsHeed, throwsHeed } from '../../support/rejects.js';

const width = 16;
const weight = Tensor.zeros('float32', [width, width]);
const scores: Readonly<Record<string, Score>> = {
  additive: { type: 'additive', query: weight, key: weight, vector: Tensor.zeros('float32', [width]) },
  location: { type: 'location', weight },
};
const selections: Readonly<Record<string, Selection>> = {
  local: { type: 'local', centers: Tensor.zeros('float32', [1]), halfWidth: 2 },
};

onDevice('the cuda backend', () => {
  const random = new Random('refusals of the cuda backend');
  const inputs = randomInputs(random, { width });
  const { query, key, value } = inputs;
  const linear = { weight: Tensor.zeros('float32', [width, width]) };
  const weights = { query: linear, key: linear, value: linear };

  async function refuses(options: AttentionOptions, message: string): Promise<void> {
    const call = { ...options, backend: 'cuda' } as const;
    const { used } = deviceMemory();
    await rejectsHeed(() => attention(query, key, value, call), 'HEED_UNSUPPORTED', message);
    throwsHeed(() => attentionSync(query, key, value, call), 'HEED_UNSUPPORTED', message);
    await rejectsHeed(
      () => attentionDetails(query, key, value, { ...call, include: ['weights'] }),
      'HEED_UNSUPPORTED',
      message,
    );
    const tokens = new Tensor(new Float32Array(9 * width), [9, 1, width]);
    await rejectsHeed(
      () => packedAttention(tokens, tokens, tokens, { ...call, queryStarts: [0, 9] }),
      'HEED_UNSUPPORTED',
      message,
    );
    const { score, select } = options;
    const layer = { heads: 1, backend: 'cuda', ...(score && { score }), ...(select && { select }) } as const;
    throwsHeed(() => new MultiHeadAttention(weights, layer), 'HEED_UNSUPPORTED', message);
    assert.equal(deviceMemory().used, used);
  }

  for (const [name, score] of Object.entries(scores)) {
    it(`has no scores of type ${name} yet, and says which backend has`, () =>
      refuses({ score }, `scores of type '${name}' yet; use backend 'cpu'`));
  }
  for (const [name, select] of Object.entries(selections)) {
    it(`has no ${name} selection yet, and says which backend has`, () =>
      refuses({ select }, `the selection '${name}' yet; use backend 'cpu'`));
  }

  it('has no hard selections over caches of another type, and no cosines over quantised ones', async () => {
    const shape = { batch: 1, heads: 2, width, capacity: 8, location: 'cuda' } as const;
    const rows = random.tensor('float32', [1, 2, 5, width]);
    const selects = ['hard', { type: 'hard', seed: 1 }] as const;
    for (const type of ['int8', 'float8', 'float16'] as const) {
      using cache = new KeyValueCache({ ...shape, type });
      cache.append(rows, rows);
      const { used } = deviceMemory();
      const message = 'hard selections over caches of another type than the queries yet';
      for (const select of selects) {
        await rejectsHeed(() => attention(rows, cache, { select }), 'HEED_UNSUPPORTED', message);
        throwsHeed(() => attentionSync(rows, cache, { select }), 'HEED_UNSUPPORTED', message);
      }
      const call = { score: 'cosine' } as const;
      if (type !== 'float16')
        await rejectsHeed(
          () => attention(rows, cache, call),
          'HEED_UNSUPPORTED',
          `cosines over caches of ${type} yet`,
        );
      assert.equal(deviceMemory().used, used);
    }
  });

  it('has no weights of int8 and int4 yet, and says what to use instead', () => {
    const { used } = deviceMemory();
    for (const type of ['int8', 'int4'] as const) {
      const message = `weights of type '${type}' yet; use weights of 'float16' or 'bfloat16', or backend 'cpu'`;
      for (const place of [{ location: 'cuda' }, { backend: 'cuda' }] as const) {
        throwsHeed(() => packWeight(weight, { type, ...place }), 'HEED_UNSUPPORTED', message);
        throwsHeed(
          () => new MultiHeadAttention(weights, { heads: 1, weights: type, ...place }),
          'HEED_UNSUPPORTED',
          message,
        );
      }
    }
    assert.equal(deviceMemory().used, used);
  });

  it('splits no product on a device, and says what to do instead', async () => {
    const [product] = await toDevice([random.tensor('float32', [2, 5, 48])]);
    throwsHeed(() => splitHeads(product, { heads: 1 }), 'HEED_NOT_ON_CPU', "received one at 'cuda:0'");
  });

  it('does not compute with float64', async () => {
    const doubles = query.cast('float64');
    await rejectsHeed(
      () => attention(doubles, doubles, doubles, { backend: 'cuda' }),
      'HEED_UNSUPPORTED_TYPE',
      "received 'float64'; use the reference backend",
    );
    const [q, k, v, d] = await toDevice([query, key, value, doubles]);
    await rejectsHeed(() => attention(d, d, d), 'HEED_UNSUPPORTED_TYPE', "received 'float64'");
    const mask = await Tensor.zeros('float64', [9, 13]).to('cuda');
    await rejectsHeed(
      () => attention(q, k, v, { mask }),
      'HEED_UNSUPPORTED_TYPE',
      'Expected options.mask.type',
    );
  });

  it('does not select or score otherwise in one call of a layer', async () => {
    using layer = new MultiHeadAttention(weights, { heads: 1, backend: 'cuda' });
    const input = Tensor.zeros('float32', [1, 3, width]);
    await rejectsHeed(
      () => layer.forward(input, { select: selections.local }),
      'HEED_UNSUPPORTED',
      "the selection 'local'",
    );
  });

  it('has no products with epilogues yet', async () => {
    const onIt = await weight.to('cuda');
    const { used } = deviceMemory();
    const given = { backend: 'cuda' } as const;
    const maps = { up: { weight }, down: { weight } };
    for (const [call, message] of [
      [() => logits(weight, weight, given), 'logits yet'],
      [() => logits(onIt, onIt), 'logits yet'],
      [async () => new FeedForward(maps, { activation: 'silu', ...given }), 'feed-forward networks yet'],
    ] as const) {
      await rejectsHeed(call, 'HEED_UNSUPPORTED', message);
    }
    assert.equal(deviceMemory().used, used);
  });

  it('adds no bias that is on a device to a projection', async () => {
    const [input, matrix, bias] = await toDevice([
      random.tensor('float32', [3, width]),
      weight,
      Tensor.zeros('float32', [width]),
    ]);
    await rejectsHeed(
      () => project(input, matrix, bias),
      'HEED_NOT_ON_CPU',
      "Expected the elements of bias to be in the memory of the CPU, received location 'cuda:0'",
    );
  });
});
