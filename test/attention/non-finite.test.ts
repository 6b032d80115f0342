/** Tests NaN and ±∞: they follow IEEE arithmetic if a key is attended, and have no effect otherwise. */
import assert from 'node:assert/strict';
import { attentionDetailsSync } from '../../lib/attention/attention.js';
import type { AttentionOptions } from '../../lib/attention/options.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import type { FloatType } from '../../lib/tensor/types.js';
import { attend, type Inputs, randomInputs, typesOf } from '../support/attention.js';
import { eachBackend } from '../support/backends.js';
import { expectSameBits } from '../support/compare.js';
import { toNumbers } from '../support/numbers.js';
import { Random, tensorOf } from '../support/random.js';

const queries = 9;
const keys = 13;
const width = 16;
const spoilers = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

/** The tensor with one step of every batch entry and head replaced. */
function spoil(tensor: Tensor, step: number, element: number): Tensor {
  const [, , steps, length] = tensor.dims;
  const numbers = toNumbers(tensor);
  return tensorOf(tensor.type as FloatType, tensor.dims, (i) =>
    Math.floor(i / length) % steps === step ? element : numbers[i],
  );
}

/** Ways to exclude only key 12. */
const exclusions: Readonly<Record<string, AttentionOptions>> = {
  'a bool mask': { mask: tensorOf('float32', [keys], (j) => (j < 12 ? 1 : 0)).cast('bool') },
  'a mask of −∞': { mask: tensorOf('float32', [keys], (j) => (j < 12 ? 0 : Number.NEGATIVE_INFINITY)) },
  'valid lengths': { kvLengths: [12, 12] },
  causality: { causal: true, queryOffset: 3 },
  'a window': { window: { right: 0 }, queryOffset: 3 },
};

eachBackend('NaN and ∞', (backend) => {
  const random = new Random('NaN and infinity');

  for (const type of typesOf(backend)) {
    const inputs = randomInputs(random, { type, queries, keys, width });

    for (const [name, options] of Object.entries(exclusions)) {
      it(`have no effect in ${type} keys and values excluded by ${name}`, () => {
        const expected = attend(backend, inputs, options);
        for (const element of spoilers) {
          const key = spoil(inputs.key, 12, element);
          const value = spoil(inputs.value, 12, element);
          expectSameBits(attend(backend, { ...inputs, key }, options), expected);
          expectSameBits(attend(backend, { ...inputs, value }, options), expected);
          expectSameBits(attend(backend, { ...inputs, key, value }, options), expected);
        }
      });
    }

    it(`propagate from an attended ${type} value`, () => {
      for (const element of spoilers) {
        const output = toNumbers(attend(backend, { ...inputs, value: spoil(inputs.value, 4, element) }));
        assert.ok(output.every((x) => Object.is(x, element)));
      }
    });

    it(`in a ${type} value make NaN even where a sink leaves no weight`, () => {
      // Few and many queries, keys of one chunk and of several.
      for (const [queries, keys] of [
        [3, 13],
        [2, 700],
        [40, 13],
      ]) {
        const inputs = randomInputs(random, { type, queries, keys, width });
        const options = { sinks: Array.from({ length: inputs.query.dims[1] }, () => 3.4e38) };
        assert.ok(toNumbers(attend(backend, inputs, options)).every((x) => x === 0));
        for (const element of spoilers) {
          const output = toNumbers(
            attend(backend, { ...inputs, value: spoil(inputs.value, 4, element) }, options),
          );
          assert.ok(output.every(Number.isNaN), `${queries} queries, ${keys} keys`);
        }
      }
    });

    it(`of opposite signs make NaN of ${type}`, () => {
      const value = spoil(spoil(inputs.value, 4, Number.POSITIVE_INFINITY), 5, Number.NEGATIVE_INFINITY);
      assert.ok(toNumbers(attend(backend, { ...inputs, value })).every(Number.isNaN));
    });

    it(`propagate NaN from an attended ${type} key`, () => {
      const output = toNumbers(attend(backend, { ...inputs, key: spoil(inputs.key, 4, Number.NaN) }));
      assert.ok(output.every(Number.isNaN));
    });

    it(`propagate NaN from a ${type} query to its own row only`, () => {
      const clean = toNumbers(attend(backend, inputs));
      const spoilt = toNumbers(attend(backend, { ...inputs, query: spoil(inputs.query, 4, Number.NaN) }));
      for (const [i, x] of spoilt.entries()) {
        if (Math.floor(i / width) % queries === 4) assert.ok(Number.isNaN(x));
        else assert.equal(x, clean[i]);
      }
    });
  }

  it('propagate only to rows that attend the key', () => {
    const inputs = randomInputs(random, { queries, keys: queries, width });
    const clean = toNumbers(attend(backend, inputs, { causal: true }));
    const value = spoil(inputs.value, 5, Number.NaN);
    const spoilt = toNumbers(attend(backend, { ...inputs, value }, { causal: true }));
    for (const [i, x] of spoilt.entries()) {
      if (Math.floor(i / width) % queries >= 5) assert.ok(Number.isNaN(x));
      else assert.equal(x, clean[i]);
    }
  });

  // Few and many queries use different kernels, which process the last keys in parts.
  for (const queries of [3, 70]) {
    it(`have no effect on those of ${queries} rows that do not attend them, among many keys`, () => {
      for (const type of typesOf(backend)) {
        const inputs = randomInputs(random, { type, keyHeads: 2, queries, keys: 250, width: 20 });
        const options = { causal: true, window: { left: 150 } };
        const clean = toNumbers(attend(backend, inputs, options));
        const untouched = Math.floor(queries / 2);
        const value = spoil(inputs.value, 250 - queries + untouched, Number.NaN);
        const spoilt = toNumbers(attend(backend, { ...inputs, value }, options));
        for (const [i, x] of spoilt.entries()) {
          const row = Math.floor(i / 20) % queries;
          if (row >= untouched) assert.ok(Number.isNaN(x));
          else assert.equal(x, clean[i], `${type}, row ${row}`);
        }
      }
    });
  }

  const one = (query: number, key: readonly number[], value: readonly number[]): Inputs => ({
    query: tensorOf('float32', [1, 1, 1, 1], () => query),
    key: tensorOf('float32', [1, 1, key.length, 1], (i) => key[i]),
    value: tensorOf('float32', [1, 1, key.length, 1], (i) => value[i]),
  });

  it('give a score of −∞ no weight', () => {
    const inputs = one(1, [Number.NEGATIVE_INFINITY, 0, 0], [100, 1, 3]);
    assert.deepEqual(toNumbers(attend(backend, inputs)), [2]);
  });

  it('make NaN of an infinite value whose key is attended with weight 0', () => {
    const inputs = one(1, [Number.NEGATIVE_INFINITY, 0], [Number.POSITIVE_INFINITY, 1]);
    assert.deepEqual(toNumbers(attend(backend, inputs)), [Number.NaN]);
  });

  it('make NaN of a score of +∞', () => {
    const inputs = one(1, [Number.POSITIVE_INFINITY, 0], [1, 2]);
    assert.deepEqual(toNumbers(attend(backend, inputs)), [Number.NaN]);
  });

  it('are capped by the softcap', () => {
    const inputs = one(1, [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY], [1, 0]);
    const [output] = toNumbers(attend(backend, inputs, { softcap: 1 }));
    const expected = 1 / (1 + Math.exp(-2));
    assert.ok(Math.abs(output - expected) < 1e-6);
  });

  it('propagate NaN from the mask', () => {
    const inputs = randomInputs(random, { queries, keys, width });
    const mask = tensorOf('float32', [queries, 1], (i) => (i === 2 ? Number.NaN : 0));
    for (const [i, x] of toNumbers(attend(backend, inputs, { mask })).entries()) {
      assert.equal(Number.isNaN(x), Math.floor(i / width) % queries === 2);
    }
  });

  it('give no weight to a key that is not attended, not even in a row of NaN', () => {
    const { query, key, value } = randomInputs(random, { queries, keys, width });
    const mask = tensorOf('float32', [queries, 1], (i) => (i === 2 ? Number.NaN : 0));
    const options = { mask, causal: true, queryOffset: 0, include: ['weights'] as const, backend };
    const { weights } = attentionDetailsSync(query, key, value, options);
    assert.ok(weights);
    for (const [i, weight] of toNumbers(weights).entries()) {
      const row = Math.floor(i / keys) % queries;
      if (i % keys > row) assert.equal(weight, 0);
      else assert.equal(Number.isNaN(weight), row === 2);
    }
  });
});
