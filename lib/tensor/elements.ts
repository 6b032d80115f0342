/** Elements of every type as numbers, and back. */
import type { DeviceArray } from '../memory/device.js';
import type { Numbers, ScaledType, TensorType, TypedArray } from './types.js';

interface FloatFormat {
  /** The bit of the sign. */
  readonly sign: number;
  /** Bits stored of the significand; one more is implied. */
  readonly fractionBits: number;
  /** The exponent of the smallest normal number. */
  readonly minExponent: number;
  /** Halfway between the largest finite number and the next: what it and all larger ones become. */
  readonly overflow: number;
  readonly overflown: number;
  readonly nan: number;
}

const float16: FloatFormat = {
  sign: 0x8000,
  fractionBits: 10,
  minExponent: -14,
  overflow: 65520,
  overflown: 0x7c00,
  nan: 0x7e00,
};

const bfloat16: FloatFormat = {
  sign: 0x8000,
  fractionBits: 7,
  minExponent: -126,
  overflow: (2 - 2 ** -8) * 2 ** 127,
  overflown: 0x7f80,
  nan: 0x7fc0,
};

/** E4M3 of the Open Compute Project: no infinities, so that what is larger becomes the largest number, 448. */
const float8: FloatFormat = {
  sign: 0x80,
  fractionBits: 3,
  minExponent: -6,
  overflow: 464,
  overflown: 0x7e,
  nan: 0x7f,
};

const word = new Uint32Array(1);
const wordAsFloat = new Float32Array(word.buffer);

/** ⌊log₂ magnitude⌋ of what is normal in binary32; exact unless rounding to binary32 carries, which rounding to half does too. */
function exponentOf(magnitude: number): number {
  wordAsFloat[0] = magnitude;
  return (word[0] >>> 23) - 127;
}

/** Adding and taking away 1.5 · 2⁵² leaves no room for a fraction, so the addition rounds it, ties to even. */
function roundToEven(value: number): number {
  return value + 1.5 * 2 ** 52 - 1.5 * 2 ** 52;
}

function encode(value: number, format: FloatFormat): number {
  const { fractionBits, minExponent } = format;
  const sign = value < 0 || Object.is(value, -0) ? format.sign : 0;
  const magnitude = Math.abs(value);
  if (Number.isNaN(value)) return format.nan;
  if (magnitude >= format.overflow) return sign | format.overflown;
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

function decodeFloat8(bits: number): number {
  const magnitude = bits & 0x7f;
  const exponent = magnitude >> 3;
  const fraction = magnitude & 7;
  const sign = bits & 0x80 ? -1 : 1;
  if (magnitude === float8.nan) return Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -9;
  return sign * (8 + fraction) * 2 ** (exponent - 10);
}

export function float16ToNumber(bits: number): number {
  return float16Table()[bits & 0xffff];
}

export function bfloat16ToNumber(bits: number): number {
  word[0] = bits << 16;
  return wordAsFloat[0];
}

/** What an element stands for, in multiples of the scale of its row. */
export interface ScaledFormat {
  /** The largest multiple, which the scale of a row makes of its largest magnitude. */
  readonly most: number;
  /** The nearest element, ties to even; the last for what is larger than `most`. */
  toElement(multiple: number): number;
  toNumber(element: number): number;
}

export const scaledFormats: Readonly<Record<ScaledType, ScaledFormat>> = {
  int8: {
    most: 127,
    toElement: (multiple) => roundToEven(Math.min(127, Math.max(-127, multiple))),
    toNumber: (element) => element,
  },
  float8: {
    most: 448,
    toElement: (multiple) => encode(multiple, float8),
    toNumber: decodeFloat8,
  },
};

/** For what computes on the CPU, and was chosen because all elements are there. */
export function hostElements<Host extends ArrayBufferView>(elements: Host | DeviceArray): Host {
  if (ArrayBuffer.isView(elements)) return elements;
  throw new TypeError(
    `Expected elements in the memory of the CPU, received some at ${elements.device.location}`,
  );
}

function clamp(value: number, low: number, high: number): number {
  return Number.isNaN(value) ? 0 : Math.min(Math.max(Math.trunc(value), low), high);
}

const int64Limit = 2 ** 63;

function toInt64(value: number): bigint {
  if (value >= int64Limit) return 2n ** 63n - 1n;
  return BigInt(clamp(value, -int64Limit, int64Limit));
}

/** Copies `count` elements of a type, from `start` on, to numbers. */
export function readElements(
  type: TensorType,
  data: TypedArray,
  start: number,
  count: number,
  target: Numbers,
  targetStart = 0,
): void {
  switch (type) {
    case 'float16':
      for (let i = 0; i < count; i++) target[targetStart + i] = float16ToNumber(data[start + i] as number);
      return;
    case 'bfloat16':
      for (let i = 0; i < count; i++) target[targetStart + i] = bfloat16ToNumber(data[start + i] as number);
      return;
    case 'bool':
      for (let i = 0; i < count; i++) target[targetStart + i] = data[start + i] ? 1 : 0;
      return;
    case 'int64':
      for (let i = 0; i < count; i++) target[targetStart + i] = Number(data[start + i]);
      return;
    default:
      for (let i = 0; i < count; i++) target[targetStart + i] = data[start + i] as number;
  }
}

/**
 * Copies numbers to elements of a type: floating-point types round to nearest even, integer types
 * towards zero and to the ends of their range (NaN becomes 0), and bool is true for all but 0.
 */
export function writeElements(
  type: TensorType,
  data: TypedArray,
  start: number,
  count: number,
  source: Numbers,
  sourceStart = 0,
): void {
  switch (type) {
    case 'float16':
      for (let i = 0; i < count; i++) data[start + i] = numberToFloat16(source[sourceStart + i]);
      return;
    case 'bfloat16':
      for (let i = 0; i < count; i++) data[start + i] = numberToBfloat16(source[sourceStart + i]);
      return;
    case 'bool':
      for (let i = 0; i < count; i++) data[start + i] = source[sourceStart + i] === 0 ? 0 : 1;
      return;
    case 'uint8':
      for (let i = 0; i < count; i++) data[start + i] = clamp(source[sourceStart + i], 0, 255);
      return;
    case 'int32':
      for (let i = 0; i < count; i++)
        data[start + i] = clamp(source[sourceStart + i], -(2 ** 31), 2 ** 31 - 1);
      return;
    case 'int64':
      for (let i = 0; i < count; i++) data[start + i] = toInt64(source[sourceStart + i]);
      return;
    default:
      for (let i = 0; i < count; i++) data[start + i] = source[sourceStart + i];
  }
}

/** All elements in another type. */
export function castElements(
  type: TensorType,
  data: TypedArray,
  targetType: TensorType,
  target: TypedArray,
): void {
  const chunk = new Float64Array(Math.min(data.length, 4096));
  for (let start = 0; start < data.length; start += chunk.length) {
    const count = Math.min(chunk.length, data.length - start);
    readElements(type, data, start, count, chunk);
    writeElements(targetType, target, start, count, chunk);
  }
}
