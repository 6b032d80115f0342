/** Rows of tensors as float64 numbers, in which everything here is computed. */
import { readElements, writeElements } from '../elements.js';
import type { Sequence, View } from '../problem.js';

/** Where row `step` of one batch entry and head begins. */
export function rowStart(view: View, entry: number, head: number, step: number): number {
  return entry * view.batchStride + head * view.headStride + step * view.stepStride;
}

export function readRow(view: View, start: number, row: Float64Array): void {
  readElements(view.type, view.data, start, row.length, row);
}

/** Rounds to the type of the view, the only rounding there is. */
export function writeRow(view: View, start: number, row: Float64Array): void {
  writeElements(view.type, view.data, start, row.length, row);
}

/** All keys (or values) that the queries of one head may see, as the rows of a matrix. */
export interface Matrix {
  readonly rows: number;
  readonly width: number;
  readonly numbers: Float64Array;
}

export function* readKeyRows(
  view: View,
  sequence: Sequence,
  entry: number,
  head: number,
  width: number,
): Generator<void, Matrix> {
  const rows = sequence.keySteps;
  const numbers = new Float64Array(rows * width);
  for (let step = 0; step < rows; step++) {
    const start = rowStart(view, entry, head, sequence.keyStart + step);
    readElements(view.type, view.data, start, width, numbers, step * width);
    yield;
  }
  return { rows, width, numbers };
}

export function dot(a: Float64Array, matrix: Matrix, row: number): number {
  const { numbers, width } = matrix;
  const start = row * width;
  let sum = 0;
  for (let i = 0; i < width; i++) sum += a[i] * numbers[start + i];
  return sum;
}
