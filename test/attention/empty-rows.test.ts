/** Rows without a key to attend, and axes of length 0. */
import assert from 'node:assert/strict';
import { attentionDetailsSync, attentionSync } from '../../lib/attention/attention.js';
import type { AttentionOptions } from '../../lib/attention/options.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { attend, checkAttention, type Inputs, randomInputs, typesOf } from '../support/attention.js';
import { eachBackend } from '../support/backends.js';
import { toNumbers } from '../support/numbers.js';
import type { OracleOptions } from '../support/oracle.js';
import { Random, tensorOf } from '../support/random.js';

const sinks = [3, 0, -2, 50];
const nothing = Number.NEGATIVE_INFINITY;

/** Every way to leave all rows without a key. */
const ways: Readonly<Record<string, OracleOptions>> = {
  'a false mask': { mask: Tensor.zeros('bool', [1]) },
  'a mask of −∞': { mask: tensorOf('float32', [9, 13], () => nothing) },
  'no valid keys': { kvLengths: [0, 0] },
  'causality before the first key': { causal: true, queryOffset: -9 },
  'a window past the last key': { window: { left: 2, right: 2 }, queryOffset: 100 },
  'a window before the first key': { window: { right: 3 }, queryOffset: -50 },
  'causality and a window that exclude each other': { causal: true, window: { left: 4 }, queryOffset: -9 },
};

eachBackend('rows without keys', (backend) => {
  const random = new Random('rows without keys');

  function expectNothing(inputs: Inputs, options: OracleOptions): void {
    assert.ok(toNumbers(attend(backend, inputs, options)).every((element) => element === 0));
    const { logSumExp, weights } = attentionDetailsSync(inputs.query, inputs.key, inputs.value, {
      ...options,
      backend,
      include: ['logSumExp', 'weights'],
    });
    assert.ok(logSumExp && weights);
    const queries = inputs.query.dims[2];
    for (const [row, element] of toNumbers(logSumExp).entries()) {
      assert.equal(element, options.sinks?.[Math.floor(row / queries) % sinks.length] ?? nothing);
    }
    assert.ok(toNumbers(weights).every((element) => element === 0));
  }

  for (const type of typesOf(backend)) {
    const inputs = randomInputs(random, { type });
    const spoilt = { ...inputs, value: tensorOf(type, inputs.value.dims, () => Number.NaN) };
    for (const [way, options] of Object.entries(ways)) {
      it(`give zeros of ${type} for ${way}`, () => {
        expectNothing(inputs, options);
        expectNothing(inputs, { ...options, sinks });
        expectNothing(spoilt, options);
      });
    }
  }

  it('give zeros between rows that have keys', () => {
    const inputs = randomInputs(random, { queries: 70, keys: 150 });
    const mask = random.mask([2, 4, 70, 150], 0.3);
    const empty = new Set([0, 1, 17, 32, 33, 64, 69]);
    for (let i = 0; i < mask.size; i++) if (empty.has(Math.floor(i / 150) % 70)) mask.data[i] = 0;
    checkAttention(backend, inputs, { mask });
    checkAttention(backend, inputs, { mask, sinks }, 'with sinks');
  });

  it('include rows whose scores are all −∞', () => {
    const ones = (dims: readonly number[]) => tensorOf('float32', dims, () => 1);
    expectNothing(
      {
        query: ones([1, 4, 2, 3]),
        key: tensorOf('float32', [1, 4, 3, 3], () => nothing),
        value: ones([1, 4, 3, 5]),
      },
      { sinks },
    );
  });

  it('are only those that a causal query before the first key leaves', () => {
    checkAttention(backend, randomInputs(random, { queries: 20, keys: 6 }), { causal: true });
  });
});

eachBackend('axes of length 0', (backend) => {
  const random = new Random('axes of length 0');
  const run = (shape: Parameters<typeof randomInputs>[1], options: AttentionOptions = {}) => {
    const { query, key, value } = randomInputs(random, shape);
    return attentionSync(query, key, value, { backend, ...options });
  };

  it('may be the batch', () => assert.deepEqual(run({ batch: 0 }).dims, [0, 4, 9, 16]));
  it('may be the queries', () => assert.deepEqual(run({ queries: 0, valueWidth: 5 }).dims, [2, 4, 0, 5]));
  it('may be the queries of the other layout', () => {
    assert.deepEqual(run({ queries: 0, layout: 'bshd' }, { layout: 'bshd' }).dims, [2, 0, 4, 16]);
  });

  it('may be the keys: every row is without', () => {
    const inputs = randomInputs(random, { keys: 0 });
    checkAttention(backend, inputs);
    checkAttention(backend, inputs, { causal: true, sinks: [1, 2, 3, 4] });
    checkAttention(backend, inputs, { mask: Tensor.zeros('bool', [2, 4, 9, 0]), kvLengths: [0, 0] });
    checkAttention(backend, inputs, { mask: random.tensor('float32', [9, 1]) });
  });

  it('may be all of them', () => assert.equal(run({ batch: 0, queries: 0, keys: 0 }).size, 0));

  it('may be claimed beside axes of any length', () => {
    const inputs = [
      Tensor.zeros('float32', [0, 1, 2 ** 30, 8]),
      Tensor.zeros('float32', [0, 1, 2 ** 20, 8]),
      Tensor.zeros('float32', [0, 1, 2 ** 20, 8]),
    ] as const;
    const { output, weights } = attentionDetailsSync(...inputs, {
      backend,
      include: ['weights', 'logSumExp'],
    });
    assert.deepEqual(output.dims, [0, 1, 2 ** 30, 8]);
    assert.equal(weights?.size, 0);
    const many = Tensor.zeros('float32', [2 ** 40, 1, 0, 8]);
    assert.deepEqual(attentionSync(many, many, many, { backend }).dims, many.dims);
  });

  it('leave nothing to show', () => {
    for (const shape of [{ keys: 0 }, { queries: 0 }, { batch: 0 }]) {
      const { query, key, value } = randomInputs(random, shape);
      const { weights, scores, logSumExp } = attentionDetailsSync(query, key, value, {
        backend,
        include: ['weights', 'scores', 'cappedScores', 'biasedScores', 'logSumExp'],
      });
      assert.equal(weights?.size, 0);
      assert.equal(scores?.size, 0);
      assert.ok(logSumExp && toNumbers(logSumExp).every((element) => element === nothing));
    }
  });
});
