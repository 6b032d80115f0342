/** Elements of every type as numbers, and back. */
import { bfloat16ToNumber, float16ToNumber, numberToBfloat16, numberToFloat16 } from './half.js';
import type { TensorType, TypedArray } from './types.js';

/** Where numbers are computed. */
export type Numbers = Float32Array | Float64Array;

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
