import assert from 'node:assert/strict';
import { KeyValueCache } from '../../lib/key-value-cache/key-value-cache.js';
import {
  MultiHeadAttention,
  type MultiHeadAttentionOptions,
} from '../../lib/multi-head-attention/multi-head-attention.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { typesOf } from '../support/attention.js';
import { eachQuantisingBackend } from '../support/backends.js';
import { expectClose, expectSameBits, relativeError, tolerances } from '../support/compare.js';
import { poisoned } from '../support/poison.js';
import { Random } from '../support/random.js';
import { throwsHeed } from '../support/rejects.js';
import { layerOracle, type OracleCall } from './layer-oracle.js';
import { makeUntyped, randomCall, randomOptions, randomSizes, randomWeights } from './random-layer.js';

const types = ['int8', 'int4'] as const;

eachQuantisingBackend('layers with quantised weights', (backend) => {
  const random = new Random(`quantised layers on ${backend}`);

  for (const type of typesOf(backend)) {
    it(`project, attend and project with what weights are rounded to, in ${type}`, async () => {
      for (let round = 0; round < 12; round++) {
        const sizes = randomSizes(random, type);
        const weights = randomWeights(random, sizes);
        const dims = [random.integer(1, 3), random.integer(1, 20), sizes.embed];
        const input = random.tensor(type, dims);
        const options: MultiHeadAttentionOptions = {
          ...randomOptions(random, sizes, backend),
          weights: random.pick(types),
          backend,
        };
        const call = randomCall(random, sizes, dims, options.rotary !== undefined);
        using layer = new MultiHeadAttention(weights, options);
        assert.equal(layer.weights, options.weights);
        assert.equal(layer.type, type);
        const expected = layerOracle(type, weights, options, input, call as OracleCall);
        const out = poisoned(type, [dims[0], dims[1], sizes.out || sizes.heads * sizes.valueWidth]);
        const output = await layer.forward(input, { ...call, out: out.tensor });
        out.expectMarginsIntact();
        // What attention gives is rounded anew: where it is off by a digit, the next integer may be nearer.
        const tolerance = 2 * tolerances[type] + (sizes.out > 0 ? 0.1 : 0);
        expectClose(output, expected.output, tolerance, JSON.stringify({ options, sizes }), 0.2);
        expectSameBits(layer.forwardSync(input, call), output);
      }
    });
  }

  it('round nothing but weights of linear maps, and count them all', () => {
    const sizes = { heads: 2, width: 8, embed: 24, norms: true };
    const weights = randomWeights(random, sizes);
    using plain = new MultiHeadAttention(weights, { heads: 2, backend });
    for (const type of types) {
      using layer = new MultiHeadAttention(weights, { heads: 2, weights: type, backend });
      assert.equal(layer.parameters, plain.parameters);
    }
    assert.equal(plain.weights, 'float32');
  });

  it('round weights of any type as they are given, whatever the type of the layer', () => {
    const sizes = { heads: 2, width: 8, embed: 24, type: 'float64' as const };
    const weights = randomWeights(random, sizes);
    const input = random.tensor('bfloat16', [2, 5, 24]);
    const options = { heads: 2, weights: 'int8', type: 'bfloat16', backend } as const;
    using layer = new MultiHeadAttention(weights, options);
    const { output } = layerOracle('bfloat16', weights, options, input);
    expectClose(layer.forwardSync(input), output, 2 * tolerances.bfloat16 + 0.03, '', 0.2);
  });

  it('keep steps in caches, and contexts', async () => {
    const sizes = { heads: 4, keyValueHeads: 2, width: 16, embed: 40 };
    const weights = randomWeights(random, sizes);
    for (const type of types) {
      using layer = new MultiHeadAttention(weights, {
        heads: 4,
        keyValueHeads: 2,
        causal: true,
        weights: type,
        backend,
      });
      const input = random.tensor('float32', [2, 9, 40]);
      const whole = layer.forwardSync(input);
      using cache = new KeyValueCache({ batch: 2, heads: 2, width: 16, capacity: 9 });
      const step = (at: number) => {
        const rows = Tensor.zeros('float32', [2, 1, 40]);
        for (const entry of [0, 1]) {
          const start = (entry * 9 + at) * 40;
          (rows.data as Float32Array).set(
            (input.data as Float32Array).subarray(start, start + 40),
            entry * 40,
          );
        }
        return rows;
      };
      for (let at = 0; at < 9; at++) {
        const output = await layer.forward(step(at), { cache });
        for (const entry of [0, 1]) {
          const expected = Array.from(
            whole.data.subarray((entry * 9 + at) * 40, (entry * 9 + at + 1) * 40) as Float32Array,
          );
          const actual = new Tensor((output.data as Float32Array).slice(entry * 40, (entry + 1) * 40), [40]);
          expectClose(actual, expected, 0.03, `step ${at}`, 0.2);
        }
      }
      using context = layer.projectContextSync(input);
      const [kept, given] = [
        layer.forwardSync(step(8), { context }),
        layer.forwardSync(step(8), { context: input }),
      ];
      expectClose(kept, Array.from(given.data as Float32Array), 1e-5, type, 0.2);
    }
  });

  it('are about as good as they are said to be, through both projections', async () => {
    // Values are projected, and what attention makes of them once more.
    const most = { int8: 0.03, int4: 0.18 };
    for (const type of types) {
      const sizes = { heads: 4, width: 64, embed: 256, biases: false };
      const weights = randomWeights(random, sizes);
      const input = random.tensor('float32', [1, 48, 256]);
      using layer = new MultiHeadAttention(weights, { heads: 4, weights: type, backend });
      using exact = new MultiHeadAttention(weights, { heads: 4, backend: 'reference' });
      const error = relativeError(
        await layer.forward(input),
        Array.from((await exact.forward(input)).data as Float32Array),
      );
      assert.ok(error < most[type] && error > most[type] / 8, `${type}: ${error}`);
    }
  });

  it('refuse other types, and weights that are not finite, by name', () => {
    const weights = randomWeights(random, { heads: 2, width: 4, embed: 8 });
    for (const type of ['int2', 'float32', 4, null, { type: 'int8' }]) {
      throwsHeed(
        () => makeUntyped(weights, { heads: 2, weights: type, backend }),
        'HEED_INVALID_ARGUMENT',
        "Expected options.weights to be 'int8' or 'int4'",
      );
    }
    throwsHeed(
      () => makeUntyped(weights, { heads: 2, weight: 'int8', backend }),
      'HEED_UNKNOWN_OPTION',
      "did you mean 'weights'?",
    );
    const value = { weight: Tensor.zeros('float32', [8, 8]) };
    value.weight.data[19] = Number.NaN;
    throwsHeed(
      () => new MultiHeadAttention({ ...weights, value }, { heads: 2, weights: 'int8', backend }),
      'HEED_INVALID_ARGUMENT',
      'Expected weights.value.weight to have only finite elements in the range of float32, received NaN at [2, 3]',
    );
  });
});
