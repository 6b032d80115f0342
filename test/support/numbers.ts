/** Elements as numbers, decoded apart from the library's own conversions. */
import type { TensorLike } from '../../lib/tensor-type.js';

function power(exponent: number): number {
  return 2 ** exponent;
}

/** Any binary format with a sign bit, an exponent and a fraction, by the book (IEEE 754-2019, section 3.4). */
function decodeBinary(bits: number, exponentBits: number, fractionBits: number): number {
  const bias = power(exponentBits - 1) - 1;
  const fraction = (bits % power(fractionBits)) / power(fractionBits);
  const exponent = Math.floor(bits / power(fractionBits)) % power(exponentBits);
  const sign = bits >= power(exponentBits + fractionBits) ? -1 : 1;
  if (exponent === power(exponentBits) - 1) {
    return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  }
  return exponent === 0 ? sign * fraction * power(1 - bias) : sign * (1 + fraction) * power(exponent - bias);
}

export function toNumbers({ type, data }: TensorLike): number[] {
  const elements = Array.from(data as ArrayLike<number | bigint>, Number);
  switch (type) {
    case 'float16':
      return data[Symbol.toStringTag] === 'Float16Array'
        ? elements
        : elements.map((bits) => decodeBinary(bits, 5, 10));
    case 'bfloat16':
      return elements.map((bits) => decodeBinary(bits, 8, 7));
    default:
      return elements;
  }
}
