import assert from 'node:assert/strict';
import {
  bfloat16ToNumber,
  float16ToNumber,
  numberToBfloat16,
  numberToFloat16,
} from '../../lib/tensor/elements.js';
import { toNumbers } from '../support/numbers.js';
import { Random } from '../support/random.js';

const formats = [
  { type: 'float16', encode: numberToFloat16, decode: float16ToNumber, infinity: 0x7c00, beyond: 65520 },
  {
    type: 'bfloat16',
    encode: numberToBfloat16,
    decode: bfloat16ToNumber,
    infinity: 0x7f80,
    beyond: 2 ** 128 - 2 ** 119,
  },
] as const;

for (const { type, encode, decode, infinity, beyond } of formats) {
  describe(type, () => {
    const bits = Uint16Array.from({ length: 0x10000 }, (_, i) => i);
    const values = toNumbers({ type, data: bits, dims: [bits.length] });
    const random = new Random(type);

    it('decodes every bit pattern', () => {
      for (const pattern of bits) assert.ok(Object.is(decode(pattern), values[pattern]), `${pattern}`);
    });

    it('encodes every value as itself', () => {
      for (const pattern of bits) {
        if (Number.isNaN(values[pattern])) assert.ok(Number.isNaN(decode(encode(values[pattern]))));
        else assert.equal(encode(values[pattern]), pattern);
      }
    });

    it('rounds halfway cases to even, and what is next to them to the nearest', () => {
      for (let low = 0; low < infinity - 1; low++) {
        const middle = (values[low] + values[low + 1]) / 2;
        const nudge = middle * 2 ** -40;
        assert.equal(encode(middle), low % 2 === 0 ? low : low + 1);
        assert.equal(encode(middle - nudge), low);
        assert.equal(encode(middle + nudge), low + 1);
        assert.equal(encode(-middle), 0x8000 + (low % 2 === 0 ? low : low + 1));
      }
    });

    it('rounds random doubles to the nearest value', () => {
      for (let i = 0; i < 20_000; i++) {
        const value = random.uniform(-1, 1) * 2 ** random.integer(-140, 130);
        const pattern = encode(value);
        if ((pattern & 0x7fff) === infinity) {
          assert.ok(Math.abs(value) >= beyond);
          continue;
        }
        const distance = Math.abs(values[pattern] - value);
        for (const neighbour of [pattern - 1, pattern + 1]) {
          if (Number.isFinite(values[neighbour])) assert.ok(distance <= Math.abs(values[neighbour] - value));
        }
      }
    });

    it('overflows to infinity where rounding does', () => {
      assert.equal(encode(beyond), infinity);
      assert.equal(encode(-beyond), 0x8000 + infinity);
      assert.equal(encode(beyond * (1 - 2 ** -50)), infinity - 1);
      assert.equal(encode(Number.MAX_VALUE), infinity);
    });

    it('underflows to zero of the same sign', () => {
      assert.equal(encode(Number.MIN_VALUE), 0);
      assert.equal(encode(-Number.MIN_VALUE), 0x8000);
      assert.equal(encode(values[1] / 2), 0);
      assert.equal(encode(values[1] * 0.75), 1);
    });
  });
}
