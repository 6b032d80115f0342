/** The options that shape scores once they are computed: softcap, window, and one number per query head. */
import { readPerHead } from '../checks/lists.js';
import { invalid, isFiniteFloat32 } from '../checks/numbers.js';
import { readOptions } from '../checks/options.js';

export const smallestNormalFloat32 = 2 ** -126;

/** 0 leaves scores uncapped. A cap that float32 would flush to 0 must not turn into none. */
export function readSoftcap(value: unknown, name: string): number {
  if (value === undefined || value === 0) return 0;
  if (!isFiniteFloat32(value) || value < smallestNormalFloat32) {
    throw invalid(name, '0 or a positive number in the range of float32', value);
  }
  return value;
}

export interface Window {
  readonly left: number;
  readonly right: number;
}

const unbounded: Window = { left: Number.POSITIVE_INFINITY, right: Number.POSITIVE_INFINITY };

function readReach(value: unknown, name: string): number {
  if (value === undefined || value === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw invalid(name, 'a non-negative integer or Infinity', value);
  }
  return value;
}

export function readWindow(value: unknown, name: string): Window {
  if (value === undefined) return unbounded;
  const { left, right } = readOptions(value, ['left', 'right'], name);
  return { left: readReach(left, `${name}.left`), right: readReach(right, `${name}.right`) };
}

export function readOptionalPerHead(value: unknown, name: string, heads: number): Float64Array | undefined {
  return value === undefined ? undefined : readPerHead(value, name, heads);
}
