/** The building blocks of good arguments. */
import type { Draw } from './hostile-values.js';

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

export const maybe = (draw: Draw, key: string, make: () => unknown) =>
  draw.below(4) === 0 ? { [key]: make() } : {};

/** One length per bound, from 1 to the bound. */
export function sizes(draw: Draw, ...most: readonly number[]): number[] {
  return most.map((bound) => 1 + draw.below(bound));
}
