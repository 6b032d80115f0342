/** Writes new keys and values to the pages of a cache: each row is rounded to the cache's type. */

import type { AppendProblem, StoredView, View } from '../../problem/problem.js';
import { hostElements, scaledFormats, writeElements } from '../../tensor/elements.js';
import type { ScaledType, TensorType, TypedArray } from '../../tensor/types.js';
import { quantise, quantiseKey } from './quantise.js';
import { outliersAt, pageOf, readRow, rowStart, scaleAt } from './vectors.js';

function storeRow(view: StoredView, entry: number, head: number, step: number, row: Float64Array): void {
  const { pages, headStride, stepStride } = view;
  if (pages === undefined) throw new TypeError('A cache has pages');
  const rowAt = (at: number) => {
    const { slab, place, within } = pageOf(pages, entry, at);
    const start = place * pages.stride + head * headStride + within * stepStride;
    return { elements: hostElements(pages.slabs[slab]), start, slab };
  };
  const { elements, start, slab } = rowAt(step);
  if (pages.scales === undefined) {
    writeElements(view.type as TensorType, elements as TypedArray, start, row.length, row);
    return;
  }
  /** The block that a step lies in, and which of its rows the step is. */
  const blockAt = (at: number) => {
    const { outliers, row: last } = outliersAt(pages, entry, head, at, row.length);
    const multiples = (r: number) => {
      const { elements: rows, start: first } = rowAt(at - last + r);
      return (rows as Int8Array).subarray(first, first + row.length);
    };
    return { block: { multiples, outliers }, row: last };
  };
  const quantised = () => {
    if (pages.outliers === undefined) {
      const written = elements.subarray(start, start + row.length) as Int8Array | Uint8Array;
      return quantise(row, scaledFormats[view.type as ScaledType], written);
    }
    const here = blockAt(step);
    const before = here.row === 0 && step > 0 ? blockAt(step - 1) : undefined;
    return quantiseKey(row, here.block, here.row, before && { block: before.block, rows: before.row + 1 });
  };
  hostElements(pages.scales[slab])[scaleAt(view, start)] = quantised();
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
