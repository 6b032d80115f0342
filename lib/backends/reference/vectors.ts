/** Rows of tensors as float64 numbers, in which everything here is computed. */
import { outlierBlock, outlierBytes, outlierFactors, outlierLevel } from '../../problem/outliers.js';
import type { Pages, Sequence, StoredView, View } from '../../problem/problem.js';
import { hostElements, readElements, scaledFormats, writeElements } from '../../tensor/elements.js';
import type { ScaledType, TensorType, TypedArray } from '../../tensor/types.js';

/** Where row `step` of one batch entry and head begins. */
export function rowStart(
  view: Pick<View, 'batchStride' | 'headStride' | 'stepStride'>,
  entry: number,
  head: number,
  step: number,
): number {
  return entry * view.batchStride + head * view.headStride + step * view.stepStride;
}

export function readRow(view: View, start: number, row: Float64Array): void {
  readElements(view.type, hostElements(view.data), start, row.length, row);
}

/** Rounds to the type of the view, the only rounding there is. */
export function writeRow(view: View, start: number, row: Float64Array): void {
  writeElements(view.type, hostElements(view.data), start, row.length, row);
}

/** All keys (or values) that the queries of one head may attend, as the rows of a matrix. */
export interface Matrix {
  readonly rows: number;
  readonly width: number;
  readonly numbers: Float64Array;
}

/** The page of a step, as the slab and its place there. */
export function pageOf({ lists, perSlab, steps }: Pages, entry: number, step: number) {
  const page = lists[entry].ids[Math.floor(step / steps)];
  return { slab: Math.floor(page / perSlab), place: page % perSlab, within: step % steps };
}

/** The scale of the row that begins at `start` in its slab: there is one for each row, in their order. */
export function scaleAt({ stepStride }: StoredView, start: number): number {
  return start / stepStride;
}

/** What a block says of its outliers, [2, pitch], and which of its rows a step is. */
export function outliersAt(pages: Pages, entry: number, head: number, step: number, width: number) {
  const { slab, place, within } = pageOf(pages, entry, step);
  const heads = pages.stride / (pages.steps * width);
  const row = within % outlierBlock;
  const first = (place * heads + head) * outlierBytes(width, pages.steps) + outlierBytes(width, within - row);
  const outliers = hostElements(pages.outliers?.[slab] ?? new Uint8Array(0));
  return { outliers: outliers.subarray(first, first + outlierBytes(width, 1)), row };
}

/** One row of keys or values, wherever it lies. */
function readStored(view: StoredView, entry: number, head: number, step: number, row: Float64Array): void {
  const { pages, headStride, stepStride } = view;
  if (pages === undefined) {
    readElements(
      view.type as TensorType,
      hostElements(view.data) as TypedArray,
      rowStart(view, entry, head, step),
      row.length,
      row,
    );
    return;
  }
  const { slab, place, within } = pageOf(pages, entry, step);
  const elements = hostElements(pages.slabs[slab]);
  const start = place * pages.stride + head * headStride + within * stepStride;
  if (pages.scales === undefined) {
    readElements(view.type as TensorType, elements as TypedArray, start, row.length, row);
    return;
  }
  const { toNumber } = scaledFormats[view.type as ScaledType];
  const scale = hostElements(pages.scales[slab])[scaleAt(view, start)];
  for (let i = 0; i < row.length; i++) row[i] = toNumber(elements[start + i] as number) * scale;
  if (pages.outliers === undefined) return;
  const { outliers, row: ofBlock } = outliersAt(pages, entry, head, step, row.length);
  for (let i = 0; i < row.length; i++)
    row[i] *= outlierFactors[outlierLevel(outliers, row.length, ofBlock, i)];
}

export function* readSteps(
  view: StoredView,
  start: number,
  steps: number,
  entry: number,
  head: number,
  width: number,
): Generator<void, Matrix> {
  const numbers = new Float64Array(steps * width);
  for (let step = 0; step < steps; step++) {
    readStored(view, entry, head, start + step, numbers.subarray(step * width, (step + 1) * width));
    yield;
  }
  return { rows: steps, width, numbers };
}

export function dot(a: Float64Array, matrix: Matrix, row: number): number {
  const { numbers, width } = matrix;
  const start = row * width;
  let sum = 0;
  for (let i = 0; i < width; i++) sum += a[i] * numbers[start + i];
  return sum;
}

/** One row of queries, and where it stands. */
export interface QueryRow {
  readonly entry: number;
  readonly head: number;
  readonly step: number;
  readonly sequence: Sequence;
  /** The row's own elements. */
  readonly query: Float64Array;
}
