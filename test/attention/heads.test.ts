/** Tests heads: their number, widths, sharing of keys, and memory layouts. */
import assert from 'node:assert/strict';
import { attentionSync } from '../../lib/attention/attention.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import type { FloatType, TypedArray } from '../../lib/tensor/types.js';
import { attend, checkAttention, type Inputs, randomInputs, typesOf } from '../support/attention.js';
import { eachBackend } from '../support/backends.js';
import { expectSameBits } from '../support/compare.js';
import { toNumbers } from '../support/numbers.js';
import { Random, tensorOf } from '../support/random.js';

eachBackend('heads', (backend) => {
  const random = new Random('heads');

  for (const [heads, keyHeads] of [
    [4, 4],
    [4, 2],
    [6, 2],
    [8, 1],
    [1, 1],
    [15, 5],
  ]) {
    it(`${heads} share ${keyHeads} key heads in consecutive groups`, () => {
      const inputs = randomInputs(random, { heads, keyHeads });
      checkAttention(backend, inputs, { causal: true });
      const repeated = (tensor: Tensor) => {
        const [batch, , steps, width] = tensor.dims;
        const numbers = toNumbers(tensor);
        const block = steps * width;
        return tensorOf('float32', [batch, heads, steps, width], (i) => {
          const head = Math.floor(i / block);
          return numbers[Math.floor((head * keyHeads) / heads) * block + (i % block)];
        });
      };
      const plain = { query: inputs.query, key: repeated(inputs.key), value: repeated(inputs.value) };
      checkAttention(backend, plain, { causal: true }, 'repeated');
      assert.deepEqual(attend(backend, plain).dims, attend(backend, inputs).dims);
    });
  }

  const widths = Array.from({ length: 70 }, (_, i) => i + 1).concat(
    79,
    80,
    95,
    96,
    97,
    127,
    128,
    129,
    160,
    191,
    192,
    200,
    255,
    256,
    257,
    320,
    383,
    384,
    511,
    512,
    513,
    543,
    544,
    575,
    576,
  );
  const widest = backend === 'cuda' ? 512 : 576;

  it('have any width from 1 to the widest', () => {
    for (const width of widths.filter((each) => each <= widest)) {
      checkAttention(
        backend,
        randomInputs(random, { batch: 1, heads: 2, queries: 5, keys: 9, width }),
        {},
        `width ${width}`,
      );
    }
  });

  it('have values of another width than keys', () => {
    for (const [width, valueWidth] of [
      [16, 1],
      [1, 16],
      [64, 128],
      [128, 64],
      [33, 95],
      [192, 128],
      [512, 3],
      [3, 512],
      // Those of latent attention, where one key head serves all queries.
      [576, 512],
      [3, 576],
      [576, 1],
    ]) {
      const wide = Math.max(width, valueWidth) > widest;
      for (const queries of [1, 5]) {
        const inputs = randomInputs(random, {
          batch: 1,
          heads: 2,
          keyHeads: 1,
          queries,
          keys: 9,
          width,
          valueWidth,
        });
        const title = `widths ${width} and ${valueWidth}, ${queries} queries`;
        if (!wide) checkAttention(backend, inputs, { causal: true }, title);
        else
          assert.throws(() => attend(backend, inputs), {
            code: 'HEED_UNSUPPORTED',
            message: /wider than 512/,
          });
      }
    }
  });

  it('have any width in every type', () => {
    for (const type of typesOf(backend)) {
      for (const width of [1, 7, 40, 65, widest]) {
        checkAttention(
          backend,
          randomInputs(random, {
            type,
            batch: 1,
            heads: 2,
            queries: 5,
            keys: 9,
            width,
            valueWidth: width === widest ? widest - 1 : width + 1,
          }),
          {},
          `${type} of width ${width}`,
        );
      }
    }
  });

  it('meet any number of queries and keys', () => {
    for (const [queries, keys] of [
      [1, 1],
      [1, 2],
      [2, 1],
      [1, 500],
      [3, 257],
      [5, 1025],
      [64, 64],
      [65, 63],
      [130, 129],
      [257, 31],
    ]) {
      checkAttention(
        backend,
        randomInputs(random, { batch: 1, heads: 2, keyHeads: 1, queries, keys, width: 32 }),
        { causal: true },
        `${queries} queries and ${keys} keys`,
      );
    }
  });
});

eachBackend('memory layouts', (backend) => {
  const random = new Random('memory layouts');

  for (const type of typesOf(backend)) {
    it(`bshd is right for ${type}`, () => {
      const inputs = randomInputs(random, { type, layout: 'bshd', heads: 6, keyHeads: 2, valueWidth: 11 });
      checkAttention(backend, inputs, { layout: 'bshd', causal: true });
      assert.deepEqual(attend(backend, inputs, { layout: 'bshd' }).dims, [2, 9, 6, 11]);
    });

    it(`views at any offset are right for ${type}`, () => {
      const inputs = randomInputs(random, { type, keyHeads: 2, valueWidth: 11 });
      const expected = attend(backend, inputs, { causal: true });
      const shifted = (tensor: Tensor): Tensor => {
        const offset = random.integer(1, 9);
        const Class = tensor.data.constructor as new (
          length: number,
        ) => TypedArray & { fill(value: number): unknown };
        const larger = new Class(tensor.size + offset + 5);
        for (let i = 0; i < tensor.size; i++) larger[offset + i] = tensor.data[i];
        return new Tensor(tensor.type, larger.subarray(offset, offset + tensor.size), tensor.dims);
      };
      const views: Inputs = {
        query: shifted(inputs.query),
        key: shifted(inputs.key),
        value: shifted(inputs.value),
      };
      expectSameBits(attend(backend, views, { causal: true }), expected);
    });
  }

  it('both give the same bits', () => {
    const inputs = randomInputs(random, { heads: 6, keyHeads: 3 });
    const swapped = (tensor: Tensor): Tensor => {
      const [batch, heads, steps, width] = tensor.dims;
      const numbers = toNumbers(tensor);
      return tensorOf(tensor.type as FloatType, [batch, steps, heads, width], (i) => {
        const [d, h] = [i % width, Math.floor(i / width) % heads];
        const [s, b] = [Math.floor(i / (width * heads)) % steps, Math.floor(i / (width * heads * steps))];
        return numbers[((b * heads + h) * steps + s) * width + d];
      });
    };
    const other = { query: swapped(inputs.query), key: swapped(inputs.key), value: swapped(inputs.value) };
    expectSameBits(attend(backend, other, { layout: 'bshd' }), swapped(attend(backend, inputs)));
  });

  it('may share one tensor for query, key and value', () => {
    const { query } = randomInputs(random, { queries: 10 });
    checkAttention(backend, { query, key: query, value: query }, { causal: true });
  });

  it('may lie in shared memory', () => {
    const inputs = randomInputs(random);
    const shared = (tensor: Tensor) => {
      const data = new Float32Array(new SharedArrayBuffer(tensor.byteLength));
      data.set(tensor.data as Float32Array);
      return new Tensor(data, tensor.dims);
    };
    const other = { query: shared(inputs.query), key: shared(inputs.key), value: shared(inputs.value) };
    expectSameBits(attend(backend, other), attend(backend, inputs));
    const out = new Tensor(new Float32Array(new SharedArrayBuffer(2 * 4 * 9 * 16 * 4)), [2, 4, 9, 16]);
    attentionSync(inputs.query, inputs.key, inputs.value, { backend, out });
    expectSameBits(out, attend(backend, inputs));
  });
});
