/** Tests masks: bool and float, in every form that broadcasts. */
import type { FloatType } from '../../lib/tensor/types.js';
import { attend, checkAttention, randomInputs } from '../support/attention.js';
import { eachBackend } from '../support/backends.js';
import { expectClose, expectSameBits, tolerances } from '../support/compare.js';
import { attentionOracle } from '../support/oracle.js';
import { Random, tensorOf } from '../support/random.js';

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
