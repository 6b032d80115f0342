/** Tests few queries with many keys, as in decoding: work that a backend may split along the keys. */
import assert from 'node:assert/strict';
import { attend, checkAttention, type Inputs, randomInputs, typesOf } from '../support/attention.js';
import { eachBackend } from '../support/backends.js';
import { expectSameBits } from '../support/compare.js';
import { toNumbers } from '../support/numbers.js';
import type { OracleOptions } from '../support/oracle.js';
import { Random, tensorOf } from '../support/random.js';

const keys = 1700;
const shape = { batch: 2, heads: 4, keyHeads: 2, keys, width: 12, valueWidth: 9 };

const options: Readonly<Record<string, OracleOptions>> = {
  'plain attention': {},
  'a scale and a softcap': { scale: 0.9, softcap: 2 },
  'valid lengths': { kvLengths: [1, 1025] },
  'no valid keys': { kvLengths: [0, 512] },
  causality: { causal: true },
  'causality among early keys': { causal: true, queryOffset: [3, 600] },
  'a window that ends within': { causal: true, window: { left: 700 } },
  'a window at both sides': { window: { left: 10, right: 20 }, queryOffset: [500, 1020] },
  'ALiBi and sinks': { alibiSlopes: [0.1, 0.02, 0, -0.001], sinks: [1, 5, -2, 8] },
};

eachBackend('long caches', (backend) => {
  for (const queries of [1, 2, 3]) {
    const random = new Random(`long caches ${queries}`);
    const inputs = randomInputs(random, { ...shape, queries });

    for (const [title, given] of Object.entries(options)) {
      it(`serve ${queries} queries with ${title}`, () => checkAttention(backend, inputs, given));
    }

    it(`serve ${queries} queries with masks`, () => {
      checkAttention(backend, inputs, { mask: random.mask([2, 1, queries, keys], 0.1) }, 'bool');
      checkAttention(backend, inputs, { mask: random.tensor('float32', [4, 1, keys], 3) }, 'float');
      const second = tensorOf('float32', [keys], (j) => (j >= 600 && j < 610 ? 1 : 0)).cast('bool');
      checkAttention(backend, inputs, { mask: second, sinks: [0, 1, 2, 3] }, 'a few keys in the middle');
    });
  }

  const random = new Random('long caches');
  for (const type of typesOf(backend)) {
    it(`hold ${type} in both layouts`, () => {
      checkAttention(backend, randomInputs(random, { ...shape, type, queries: 1 }), { causal: true });
      const other = randomInputs(random, { ...shape, type, queries: 2, layout: 'bshd' });
      checkAttention(backend, other, { layout: 'bshd', kvLengths: [900, 1700] });
    });
  }

  const inputs: Inputs = randomInputs(random, { ...shape, queries: 1 });
  const spoil = (like: Inputs['key'], from: number, to: number, element: number) => {
    const [, , steps, width] = like.dims;
    const numbers = toNumbers(like);
    return tensorOf('float32', like.dims, (i) => {
      const step = Math.floor(i / width) % steps;
      return step >= from && step < to ? element : numbers[i];
    });
  };

  it('may hold NaN where no query looks', () => {
    const given = { kvLengths: [1000, 1000] };
    const key = spoil(inputs.key, 1000, keys, Number.NaN);
    const value = spoil(inputs.value, 1000, keys, Number.NaN);
    expectSameBits(attend(backend, { ...inputs, key, value }, given), attend(backend, inputs, given));
  });

  it('propagate NaN from keys and values, from a few or from hundreds side by side', () => {
    for (const [from, to] of [
      [700, 701],
      [512, 1024],
      [0, keys],
    ]) {
      const key = spoil(inputs.key, from, to, Number.NaN);
      const value = spoil(inputs.value, from, to, Number.NaN);
      assert.ok(toNumbers(attend(backend, { ...inputs, key })).every(Number.isNaN));
      assert.ok(toNumbers(attend(backend, { ...inputs, value })).every(Number.isNaN));
    }
  });

  it('propagate NaN from the query', () => {
    const query = spoil(inputs.query, 0, 1, Number.NaN);
    const output = attend(backend, { ...inputs, query }, { sinks: [1, 2, 3, 4] });
    assert.ok(toNumbers(output).every(Number.isNaN));
  });

  it('take scores of −∞ for none', () => {
    const one = tensorOf('float32', [1, 1, 1, 1], () => 1);
    const key = tensorOf('float32', [1, 1, keys, 1], (j) => (j === 900 ? 0 : Number.NEGATIVE_INFINITY));
    const value = tensorOf('float32', [1, 1, keys, 1], (j) => j);
    assert.deepEqual(toNumbers(attend(backend, { query: one, key, value })), [900]);
  });
});
