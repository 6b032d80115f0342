/** Writes new keys and values to the pages of a cache: each row is rounded to the cache's type. */

import type { AppendProblem, StoredView, View } from '../../problem/problem.js';
import { hostElements, writeElements } from '../../tensor/elements.js';
import type { TensorType } from '../../tensor/types.js';
import { pageOf, readRow, rowStart, scaleAt } from './vectors.js';

const largestFloat = (2 - 2 ** -23) * 2 ** 127;
const leastNormal = 2 ** -126;

/** The float32 so many places after x, or before it, for x > 0. */
function neighbour(x: number, places: -1 | 1): number {
  const bits = new Uint32Array(Float32Array.of(x).buffer);
  bits[0] += places;
  return new Float32Array(bits.buffer)[0];
}

/**
 * The scale that makes 127 of the largest magnitude of a row; 0 for a row of zeros. Where float32 is coarse, it is rounded so
 * that 127 neither falls short of the magnitude (subnormal scales) nor becomes infinite.
 */
function scaleOf(largest: number): number {
  const scale = Math.fround(largest / 127);
  if (127 * scale > largestFloat) return neighbour(scale, -1);
  return scale < leastNormal && 127 * scale < largest ? neighbour(scale, 1) : scale;
}

/**
 * The nearest multiples of the row's scale. A row with a number that is not finite as a float32 gets a scale of NaN, and is NaN
 * altogether.
 */
function quantise(row: Float64Array, elements: Int8Array, start: number): number {
  const numbers = Float32Array.from(row);
  const largest = numbers.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const scale = Number.isFinite(largest) ? scaleOf(largest) : Number.NaN;
  for (let i = 0; i < row.length; i++) {
    // In float32, as everywhere: which of two multiples a number halfway between them becomes may not depend on the backend.
    const multiple = scale > 0 ? Math.min(127, Math.max(-127, Math.fround(numbers[i] / scale))) : 0;
    // Adding and taking away 2⁵² leaves no room for a fraction: to the nearest, ties to even.
    elements[start + i] = multiple + 1.5 * 2 ** 52 - 1.5 * 2 ** 52;
  }
  return scale;
}

function storeRow(view: StoredView, entry: number, head: number, step: number, row: Float64Array): void {
  const { pages, headStride, stepStride } = view;
  if (pages === undefined) throw new TypeError('A cache has pages');
  const { slab, place, within } = pageOf(pages, entry, step);
  const elements = hostElements(pages.slabs[slab]);
  const start = place * pages.stride + head * headStride + within * stepStride;
  if (elements instanceof Int8Array) {
    const scales = pages.scales?.[slab] ?? new Float32Array(0);
    scales[scaleAt(pages, scales, place, head, within)] = quantise(row, elements, start);
  } else {
    writeElements(view.type as TensorType, elements, start, row.length, row);
  }
}

export function* append(problem: AppendProblem): Generator<void> {
  const { heads, width, valueWidth, parts, key, value, cachedKey, cachedValue } = problem;
  const store = (from: View, to: StoredView, row: Float64Array, part: AppendProblem['parts'][number]) => {
    for (let step = 0; step < part.steps; step++) {
      for (let head = 0; head < heads; head++) {
        readRow(from, rowStart(from, part.entry, head, part.start + step), row);
        storeRow(to, part.entry, head, part.position + step, row);
      }
    }
  };
  for (const part of parts) {
    store(key, cachedKey, new Float64Array(width), part);
    store(value, cachedValue, new Float64Array(valueWidth), part);
    yield;
  }
}
