/** Tests which keys are in range: causal attention, windows, valid lengths, and query positions. */
import { Tensor } from '../../lib/tensor/tensor.js';
import { attend, checkAttention, randomInputs } from '../support/attention.js';
import { eachBackend } from '../support/backends.js';
import { expectSameBits } from '../support/compare.js';
import { Random } from '../support/random.js';

const windows = [
  { left: 0, right: 0 },
  { left: 3, right: 2 },
  { left: 4 },
  { right: 1 },
  { left: 0 },
  { right: 0 },
  { left: 1000, right: 1000 },
  { left: Number.POSITIVE_INFINITY, right: 3 },
];

eachBackend('bounds', (backend) => {
  const random = new Random('bounds');
  const square = randomInputs(random, { queries: 12, keys: 12 });
  const wide = randomInputs(random, { queries: 7, keys: 18 });
  const tall = randomInputs(random, { queries: 18, keys: 7 });
  const long = randomInputs(random, { batch: 1, heads: 2, queries: 170, keys: 210, width: 8 });

  for (const [name, inputs] of Object.entries({ square, wide, tall, long })) {
    it(`is causal, ${name}`, () => checkAttention(backend, inputs, { causal: true }));

    for (const window of windows) {
      it(`keeps within ${JSON.stringify(window)}, ${name}`, () => {
        checkAttention(backend, inputs, { window });
        checkAttention(backend, inputs, { window, causal: true }, 'causal');
      });
    }

    for (const queryOffset of [0, 3, -4, 1000, -1000]) {
      it(`places queries from ${queryOffset} on, ${name}`, () => {
        checkAttention(backend, inputs, { causal: true, queryOffset });
        checkAttention(backend, inputs, { window: { left: 5, right: 5 }, queryOffset }, 'window');
      });
    }
  }

  it('does not mind an unbounded window', () => {
    expectSameBits(attend(backend, wide, { window: {} }), attend(backend, wide));
  });

  it('lets the last query see the last key by default', () => {
    const options = { causal: true, window: { left: 3 } };
    expectSameBits(attend(backend, wide, options), attend(backend, wide, { ...options, queryOffset: 11 }));
    expectSameBits(attend(backend, tall, options), attend(backend, tall, { ...options, queryOffset: -11 }));
  });

  it('counts the default offset from the valid keys of each entry', () => {
    const options = { causal: true, kvLengths: [18, 9] };
    checkAttention(backend, wide, options);
    expectSameBits(
      attend(backend, wide, options),
      attend(backend, wide, { ...options, queryOffset: [11, 2] }),
    );
  });

  it('takes an offset per batch entry', () => {
    checkAttention(backend, wide, { causal: true, queryOffset: [0, 9] });
    checkAttention(backend, wide, { causal: true, queryOffset: Int32Array.of(-2, 4), kvLengths: [5, 16] });
  });

  for (const kvLengths of [
    [18, 0],
    [1, 17],
    [0, 0],
    [18, 18],
  ]) {
    it(`takes ${kvLengths} keys for valid`, () => {
      checkAttention(backend, wide, { kvLengths });
      checkAttention(backend, wide, { kvLengths: Int32Array.from(kvLengths), causal: true }, 'causal');
    });
  }

  it('ignores what lies past the valid keys', () => {
    const kvLengths = [11, 4];
    const expected = attend(backend, wide, { kvLengths });
    const spoil = (tensor: Tensor, width: number) => {
      const copy = new Tensor(Float32Array.from(tensor.data as Float32Array), tensor.dims);
      for (let i = 0; i < copy.size; i++) {
        const entry = Math.floor(i / (4 * 18 * width));
        if (Math.floor(i / width) % 18 >= kvLengths[entry]) copy.data[i] = Number.NaN;
      }
      return copy;
    };
    const spoilt = { query: wide.query, key: spoil(wide.key, 16), value: spoil(wide.value, 16) };
    expectSameBits(attend(backend, spoilt, { kvLengths }), expected);
  });

  it('does not change rows when later keys do', () => {
    const options = { causal: true };
    const expected = attend(backend, square, options);
    const key = new Tensor(Float32Array.from(square.key.data as Float32Array), square.key.dims);
    const value = new Tensor(Float32Array.from(square.value.data as Float32Array), square.value.dims);
    const firstChanged = 8;
    for (let i = 0; i < key.size; i++) {
      if (Math.floor(i / 16) % 12 >= firstChanged) {
        key.data[i] = random.normal();
        value.data[i] = random.normal();
      }
    }
    const actual = attend(backend, { query: square.query, key, value }, options);
    const rows = ({ data }: Tensor) =>
      new Tensor(
        (data as Float32Array).filter((_, i) => Math.floor(i / 16) % 12 < firstChanged),
        [8, firstChanged, 16],
      );
    expectSameBits(rows(actual), rows(expected));
  });
});
