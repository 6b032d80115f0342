/**
 * The two 16-bit floating-point formats, as bits: IEEE 754 binary16 (float16) and the upper half of
 * a binary32 (bfloat16). Conversions from number round correctly, to nearest, ties to even.
 */

interface HalfFormat {
  /** Bits stored of the significand; one more is implied. */
  readonly fractionBits: number;
  /** The exponent of the smallest normal number. */
  readonly minExponent: number;
  /** Halfway between the largest finite number and the next: from here on it is infinity. */
  readonly overflow: number;
  readonly infinity: number;
  readonly nan: number;
}

const float16: HalfFormat = {
  fractionBits: 10,
  minExponent: -14,
  overflow: 65520,
  infinity: 0x7c00,
  nan: 0x7e00,
};

const bfloat16: HalfFormat = {
  fractionBits: 7,
  minExponent: -126,
  overflow: (2 - 2 ** -8) * 2 ** 127,
  infinity: 0x7f80,
  nan: 0x7fc0,
};

const word = new Uint32Array(1);
const wordAsFloat = new Float32Array(word.buffer);

/** ⌊log₂ magnitude⌋ of what is normal in binary32; exact unless rounding to binary32 carries, which rounding to half does too. */
function exponentOf(magnitude: number): number {
  wordAsFloat[0] = magnitude;
  return (word[0] >>> 23) - 127;
}

/** Adding and taking away 2⁵² leaves no room for a fraction, so the addition rounds it, ties to even. */
function roundToEven(value: number): number {
  return value + 2 ** 52 - 2 ** 52;
}

function encode(value: number, format: HalfFormat): number {
  const { fractionBits, minExponent } = format;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (Number.isNaN(value)) return format.nan;
  if (magnitude >= format.overflow) return sign | format.infinity;
  // Subnormal numbers share the exponent of the smallest normal ones, without its implied bit.
  const exponent = magnitude < 2 ** minExponent ? minExponent : exponentOf(magnitude);
  const significand = roundToEven(magnitude * 2 ** (fractionBits - exponent));
  // The implied bit, or a carry out of rounding, adds itself to the exponent field.
  return sign | (((exponent - minExponent) << fractionBits) + significand);
}

function decodeFloat16(bits: number): number {
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

let float16Values: Float32Array | undefined;

/** The value of every float16, by its bits. Built at first use: looking up beats computing in long loops. */
function float16Table(): Float32Array {
  float16Values ??= Float32Array.from({ length: 0x10000 }, (_, bits) => decodeFloat16(bits));
  return float16Values;
}

/** The nearest float16, as bits. */
export function numberToFloat16(value: number): number {
  return encode(value, float16);
}

/** The nearest bfloat16, as bits. */
export function numberToBfloat16(value: number): number {
  return encode(value, bfloat16);
}

export function float16ToNumber(bits: number): number {
  return float16Table()[bits & 0xffff];
}

export function bfloat16ToNumber(bits: number): number {
  word[0] = bits << 16;
  return wordAsFloat[0];
}
