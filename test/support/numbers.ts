/** Decodes elements to numbers, independently of the library's conversions. */
import type { IntegerList, NumberList, TensorLike } from '../../lib/tensor/types.js';

function power(exponent: number): number {
  return 2 ** exponent;
}

/**
 * Decodes a binary format with a sign bit, an exponent and a fraction by its definition (IEEE 754-2019,
 * section 3.4).
 */
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

/** The number for each pattern of 16 bits, computed on first use. */
function table(exponentBits: number, fractionBits: number): () => Float64Array {
  let numbers: Float64Array | undefined;
  return () => {
    numbers ??= Float64Array.from({ length: 2 ** 16 }, (_, bits) =>
      decodeBinary(bits, exponentBits, fractionBits),
    );
    return numbers;
  };
}

const float16 = table(5, 10);
const bfloat16 = table(8, 7);

export function toNumbers({ type, data }: TensorLike): number[] {
  const elements = data as ArrayLike<number | bigint>;
  const numbers = new Array<number>(elements.length);
  for (let i = 0; i < numbers.length; i++) numbers[i] = Number(elements[i]);
  const decoded =
    (type === 'bfloat16' && bfloat16()) ||
    (type === 'float16' && data[Symbol.toStringTag] !== 'Float16Array' && float16());
  if (decoded) for (let i = 0; i < numbers.length; i++) numbers[i] = decoded[numbers[i]];
  return numbers;
}

/** The numbers of a list or tensor. */
export function listOf(numbers: NumberList | IntegerList): number[] {
  return 'dims' in numbers ? toNumbers(numbers) : Array.from<number | bigint, number>(numbers, Number);
}
