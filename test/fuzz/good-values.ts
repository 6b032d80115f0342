/** The building blocks of good arguments. */
import { numberToBfloat16, numberToFloat16 } from '../../lib/tensor/elements.js';
import { withOneReading } from '../support/attention.js';
import { type Draw, pick } from './hostile-values.js';

/** Values that tests pass with wrong types: everything here is checked at run time on purpose. */
type Loosely = (...args: readonly unknown[]) => unknown;
export const loosely = (call: unknown): Loosely => call as Loosely;

export function floatArray(draw: Draw, length: number): Float32Array {
  return Float32Array.from({ length }, () => draw.below(2001) / 1000 - 1);
}

export function floatTensorOf(draw: Draw, dims: readonly number[]) {
  const size = dims.reduce((product, length) => product * length, 1);
  return { type: 'float32', dims: [...dims], data: floatArray(draw, size) };
}

/** Query, key or value, perhaps within larger rows. */
export function operandOf(draw: Draw, dims: readonly number[]) {
  if (draw.below(3) > 0) return floatTensorOf(draw, dims);
  const strides = dims.map(() => 1);
  for (let axis = dims.length - 2; axis >= 0; axis--)
    strides[axis] = strides[axis + 1] * dims[axis + 1] + draw.below(3);
  const reach = dims.reduce((sum, length, axis) => sum + (length - 1) * strides[axis], 1);
  return {
    type: 'float32',
    dims: [...dims],
    data: floatArray(draw, Math.max(0, reach) + draw.below(3)),
    strides,
  };
}

export const maybe = (draw: Draw, key: string, make: () => unknown) =>
  draw.below(4) === 0 ? { [key]: make() } : {};

/** One length per bound, from 1 to the bound. */
export function sizes(draw: Draw, ...most: readonly number[]): number[] {
  return most.map((bound) => 1 + draw.below(bound));
}

/** The same integers in one of the forms that they may have. */
export function integersIn(draw: Draw, numbers: readonly number[], dims = [numbers.length]): unknown {
  const big = BigInt64Array.from(numbers, BigInt);
  return pick<() => unknown>(draw, [
    () => numbers,
    () => numbers,
    () => Int32Array.from(numbers),
    () => big,
    () => [...big],
    () => ({ type: 'int64', dims, data: big }),
    () => ({ type: 'int32', dims, data: Int32Array.from(numbers) }),
  ])();
}

/** The same numbers, as far as the form can hold them. */
export function numbersIn(draw: Draw, numbers: readonly number[]): unknown {
  const dims = [numbers.length];
  return pick<() => unknown>(draw, [
    () => numbers,
    () => numbers,
    () => Float32Array.from(numbers),
    () => Float64Array.from(numbers),
    () => ({ type: 'float32', dims, data: Float32Array.from(numbers) }),
    () => ({ type: 'float64', dims, data: Float64Array.from(numbers) }),
    () => ({ type: 'float16', dims, data: Uint16Array.from(numbers, numberToFloat16) }),
    () => ({ type: 'bfloat16', dims, data: Uint16Array.from(numbers, numberToBfloat16) }),
  ])();
}

/** Slopes of ALiBi, one per head, for all entries or, if there are any, for each. */
export function slopesIn(draw: Draw, entries: number, heads: number): unknown {
  const own = () => Array.from({ length: heads }, () => draw.below(10) / 10);
  const rows = Array.from({ length: entries }, own);
  const shared = [() => numbersIn(draw, own()), () => numbersIn(draw, own())];
  if (entries === 0) return shared[0]();
  return pick<() => unknown>(draw, [
    ...shared,
    () => rows.map((row) => numbersIn(draw, row)),
    () => ({ type: 'float32', dims: [entries, heads], data: Float32Array.from(rows.flat()) }),
  ])();
}

export const distanceIn = (draw: Draw) =>
  maybe(draw, 'alibiDistance', () => pick(draw, ['signed', 'absolute']));

/** A mask with one reading; `target` is [batch, heads, queries, keys]. */
export function maskOf(draw: Draw, target: readonly number[]): unknown {
  const [batch, , , keys] = target;
  const broadcast = target.slice(draw.below(4)).map((length) => (draw.below(2) === 0 ? 1 : length));
  const dims = withOneReading(draw.below(4) === 0 ? [batch, keys] : broadcast, target);
  const size = dims.reduce((product, length) => product * length, 1);
  const bits = Array.from({ length: size }, () => draw.below(2));
  return pick<() => unknown>(draw, [
    () => ({ type: 'bool', dims, data: Uint8Array.from(bits) }),
    () => ({ type: 'uint8', dims, data: Uint8Array.from(bits) }),
    () => ({ type: 'int32', dims, data: Int32Array.from(bits) }),
    () => ({ type: 'int64', dims, data: BigInt64Array.from(bits, BigInt) }),
    () => floatTensorOf(draw, dims),
    () => floatTensorOf(draw, dims),
  ])();
}
