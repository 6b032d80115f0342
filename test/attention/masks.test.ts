/** Tests masks: bool, integers and float, in every form that broadcasts. */
import assert from 'node:assert/strict';
import { Tensor } from '../../lib/tensor/tensor.js';
import { type FloatType, integerTypes } from '../../lib/tensor/types.js';
import { attend, checkAttention, randomInputs } from '../support/attention.js';
import { eachBackend } from '../support/backends.js';
import { expectClose, expectSameBits, tolerances } from '../support/compare.js';
import { toNumbers } from '../support/numbers.js';
import { attentionOracle } from '../support/oracle.js';
import { Random, tensorOf } from '../support/random.js';
import { throwsHeed } from '../support/rejects.js';

const maskTypes: readonly FloatType[] = ['float32', 'float16', 'bfloat16', 'float64'];

/** All 16 forms of [2, 4, 9, 13] with axes of length 1, and those with leading axes omitted. */
const fullDims = [2, 4, 9, 13];
const broadcastDims = Array.from({ length: 16 }, (_, bits) =>
  fullDims.map((length, axis) => ((bits >> axis) & 1 ? length : 1)),
);
const shortDims = [[4, 9, 13], [9, 13], [1, 13], [9, 1], [13], [1], []];

eachBackend('masks', (backend) => {
  const random = new Random('masks');
  const inputs = randomInputs(random);

  for (const dims of [...broadcastDims, ...shortDims]) {
    it(`broadcasts [${dims}]`, () => {
      checkAttention(backend, inputs, { mask: random.mask(dims, 0.7) }, 'bool');
      checkAttention(backend, inputs, { mask: random.tensor('float32', dims) }, 'float');
    });
  }

  for (const type of maskTypes) {
    it(`adds a ${type} mask`, () =>
      checkAttention(backend, inputs, { mask: random.tensor(type, [9, 13], 2) }));
  }

  it('adds a mask of another type than the query', () => {
    checkAttention(backend, randomInputs(random, { type: 'float16' }), {
      mask: random.tensor('float32', fullDims),
    });
    checkAttention(backend, randomInputs(random, { type: 'bfloat16' }), { mask: random.mask(fullDims, 0.5) });
  });

  for (const type of maskTypes) {
    it(`excludes with −∞ in a ${type} mask exactly as with false`, () => {
      const bool = random.mask(fullDims, 0.5);
      const float = tensorOf(type, fullDims, (i) => (bool.data[i] ? 0 : Number.NEGATIVE_INFINITY));
      expectSameBits(attend(backend, inputs, { mask: float }), attend(backend, inputs, { mask: bool }));
    });
  }

  it('leaves out what bands of rows leave out, each other keys than its neighbours', () => {
    const shape = { batch: 1, heads: 2, queries: 80, keys: 400, width: 24 };
    const dims = [1, 1, shape.queries, shape.keys];
    for (const band of [4, 8, 16]) {
      // Every third of the keys, in turn; then the same with some of its keys excluded.
      const inTurn = (i: number) =>
        Math.floor((i % shape.keys) / 134) === Math.floor(i / shape.keys / band) % 3;
      const mask = random.mask(dims, 1);
      for (let i = 0; i < mask.size; i++) mask.data[i] = inTurn(i) ? 1 : 0;
      checkAttention(backend, randomInputs(random, shape), { mask }, `bands of ${band}`);
      for (let i = 0; i < mask.size; i += random.integer(1, 5)) mask.data[i] = 0;
      checkAttention(backend, randomInputs(random, shape), { mask, causal: true }, `thin bands of ${band}`);
    }
  });

  it('takes any byte but 0 for true', () => {
    const mask = random.mask(fullDims, 0.5);
    const expected = attend(backend, inputs, { mask });
    for (let i = 0; i < mask.size; i++) if (mask.data[i]) mask.data[i] = random.integer(1, 255);
    expectSameBits(attend(backend, inputs, { mask }), expected);
  });

  it('rounds values of a float64 mask beyond float32 to −∞', () => {
    const bool = random.mask([9, 13], 0.5);
    // Without −∞, this row would still have keys.
    for (let j = 0; j < 13; j++) bool.data[4 * 13 + j] = 0;
    const mask = tensorOf('float64', [9, 13], (i) => (bool.data[i] ? 0 : -1e300));
    expectSameBits(attend(backend, inputs, { mask }), attend(backend, inputs, { mask: bool }));
  });

  for (const low of [-1e30, -3.4028234663852886e38]) {
    it(`keeps keys that ${low} pushes away, when there are no others`, () => {
      checkAttention(backend, inputs, { mask: tensorOf('float32', [13], (i) => (i < 5 ? low : 0)) });
      const mask = tensorOf('float32', [1], () => low);
      const { output } = attentionOracle(inputs.query, inputs.key, inputs.value, { mask });
      expectClose(attend(backend, inputs, { mask }), output, tolerances.float32);
    });
  }

  for (const type of integerTypes) {
    it(`takes ${type} of 0 and 1 as bool`, () => {
      for (const dims of [fullDims, [2, 1, 1, 13], [9, 13], [13], [1], []]) {
        const bool = random.mask(dims, 0.6);
        const mask = bool.cast(type);
        const expected = attend(backend, inputs, { mask: bool });
        expectSameBits(attend(backend, inputs, { mask }), expected);
        // The elements are read when the operation is built, and left as they are.
        assert.deepEqual(toNumbers(mask), toNumbers(bool));
      }
      checkAttention(backend, inputs, { mask: random.mask([2, 1, 1, 13], 0.6).cast(type) });
      checkAttention(backend, randomInputs(random, { keys: 0 }), { mask: Tensor.zeros(type, [9, 0]) });
    });
  }

  it('takes integers from an offset in a larger buffer', () => {
    const bool = random.mask([9, 13], 0.6);
    const data = new BigInt64Array(9 * 13 + 7).fill(7n).subarray(3, 3 + 9 * 13);
    for (let i = 0; i < data.length; i++) data[i] = BigInt(bool.data[i]);
    const mask = { type: 'int64', dims: [9, 13], data } as const;
    expectSameBits(attend(backend, inputs, { mask }), attend(backend, inputs, { mask: bool }));
  });

  describe('of two axes', () => {
    for (const type of ['bool', 'int64', 'float32'] as const) {
      it(`say what is padding where only that fits, ${type}`, () => {
        // [batch, keys] as tokenizers give it: of 3 entries, with 9, 1 and 4 queries.
        for (const queries of [9, 1, 4]) {
          const padded = randomInputs(random, { batch: 3, queries });
          const bool = random.mask([3, 13], 0.6);
          const mask = bool.cast(type);
          checkAttention(backend, padded, { mask });
          expectSameBits(
            attend(backend, padded, { mask }),
            attend(backend, padded, { mask: mask.reshape([3, 1, 1, 13]) }),
          );
        }
      });

      it(`are rows and keys where only that fits, ${type}`, () => {
        for (const [batch, queries] of [
          [2, 9],
          [1, 9],
          [1, 1],
          [3, 1],
        ]) {
          const each = randomInputs(random, { batch, queries });
          const mask = random.mask([queries, 13], 0.6).cast(type);
          const four = mask.reshape([1, 1, queries, 13]);
          expectSameBits(attend(backend, each, { mask }), attend(backend, each, { mask: four }));
        }
      });
    }

    it('are refused where both fit', () => {
      for (const layout of ['bhsd', 'bshd'] as const) {
        const square = randomInputs(random, { batch: 3, queries: 3, layout });
        for (const mask of [random.mask([3, 13], 0.6), random.mask([3, 13], 0.6).cast('int64')]) {
          throwsHeed(
            () => attend(backend, square, { mask, layout }),
            'HEED_SHAPE_MISMATCH',
            'Expected options.mask.dims to have one meaning, received [3, 13], which may be [queries, keys] or ' +
              '[batch, keys]; reshape it to [1, 1, 3, 13] or to [3, 1, 1, 13]',
          );
        }
        for (const dims of [
          [1, 1, 3, 13],
          [3, 1, 1, 13],
          [3, 1],
        ]) {
          checkAttention(backend, square, { layout, mask: random.mask(dims, 0.6) });
        }
      }
      // Of one key, a column may be either as well.
      const one = randomInputs(random, { batch: 3, queries: 3, keys: 1 });
      throwsHeed(
        () => attend(backend, one, { mask: random.mask([3, 1], 0.5) }),
        'HEED_SHAPE_MISMATCH',
        'reshape it to [1, 1, 3, 1] or to [3, 1, 1, 1]',
      );
    });
  });

  it('is the same in both layouts', () => {
    checkAttention(backend, randomInputs(random, { layout: 'bshd' }), {
      layout: 'bshd',
      mask: random.mask(fullDims, 0.6),
    });
  });

  it('summarises whole tiles of true and false rightly', () => {
    const long = randomInputs(random, { batch: 1, heads: 1, queries: 150, keys: 700, width: 8 });
    const block = (i: number) => Math.floor(i / 130);
    const mask = random.mask([150, 700], 0.5);
    for (let i = 0; i < 150; i++) {
      for (let j = 0; j < 700; j++) {
        const kind = (block(i) + block(j)) % 3;
        if (kind !== 2) mask.data[i * 700 + j] = kind;
      }
    }
    checkAttention(backend, long, { mask });
  });
});
