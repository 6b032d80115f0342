/**
 * Products with int8 and int4 weights. Each row of x is rounded to int8, too, and whole numbers are multiplied (Dettmers et
 * al. 2022, "LLM.int8()", Yao et al. 2022, "ZeroQuant"). What a row becomes depends on nothing but the row.
 */
import type { PackedHandle } from '../../problem/problem.js';
import { type QuantisedWeight, readMultiples, rowSizes } from '../../problem/quantised-weight.js';
import type { TensorType } from '../../tensor/types.js';

/** A packed weight of the reference: what was given, which nobody changes. */
export class ReferenceQuantisedWeight implements PackedHandle {
  readonly backend = 'reference';
  readonly location = 'cpu';
  readonly columns: number;
  readonly inner: number;
  readonly byteLength: number;

  constructor(readonly weight: QuantisedWeight) {
    const { columns, inner, values, scales } = weight;
    this.columns = columns;
    this.inner = inner;
    this.byteLength = values.byteLength + scales.byteLength;
  }

  dispose(): void {
    // Nothing to release: running operations may still read the numbers, and the garbage collector frees them.
  }
}

/** Takes a row of x, and gives the sums of its products with the rows of a weight, one by one. */
export type RowProduct = (x: Float64Array) => (column: number) => number;

/** A row of x: element i is about (multiples[i] + remainders[i] / 254) · scale. */
interface QuantisedRow {
  readonly scale: number;
  readonly multiples: Float64Array;
  /** For rows with outliers. */
  readonly remainders: Float64Array | undefined;
}

/** The nearest integer, ties to even: adding and taking this away leaves no room for a fraction. */
const rounding = 1.5 * 2 ** 52;

/** Rows below are multiplied by the factor before they are rounded, where the inverse of their scale would be infinite. */
const tiny = { below: 2 ** -100, factor: 2 ** 100 };

/**
 * A row has outliers if its largest element is more than this many times its root mean square. One scale leaves so little of
 * the others then, that what is left of all is rounded once more, and multiplied, too.
 */
const outlierRatio = 5;

/**
 * @param round to the precision in which backends quantise: which of two integers a number halfway between them becomes may
 *   not depend on the backend
 */
function quantiseRow(x: Float64Array, round: (number: number) => number): QuantisedRow {
  const multiples = new Float64Array(x.length);
  let largest = 0;
  // NaN is larger than nothing, and stays.
  for (const element of x) largest = Math.max(largest, Math.abs(element));
  if (largest === 0) return { scale: 0, multiples, remainders: undefined };
  if (!Number.isFinite(largest)) return { scale: Number.NaN, multiples, remainders: undefined };
  const factor = largest < tiny.below ? tiny.factor : 1;
  const inverse = round(127 / (largest * factor));
  const scaled = x.map((element) => round(element * factor * inverse));
  let squares = 0;
  for (const [i, element] of scaled.entries()) {
    multiples[i] = element + rounding - rounding;
    squares += multiples[i] ** 2;
  }
  const hasOutliers = 127 ** 2 * x.length > outlierRatio ** 2 * squares;
  const remainders = hasOutliers
    ? scaled.map((element, i) => round((element - multiples[i]) * 254) + rounding - rounding)
    : undefined;
  return { scale: largest / 127, multiples, remainders };
}

function sum(numbers: Float64Array, weights: Int8Array, start: number, end: number): number {
  let total = 0;
  for (let i = start; i < end; i++) total += numbers[i] * weights[i];
  return total;
}

/** Multiplies rows of a type with a weight. A row with an element that is not finite gives NaN throughout. */
export function multiplyRows(weight: QuantisedWeight, type: TensorType): RowProduct {
  const { inner, groupSize, scales } = weight;
  const groups = rowSizes(weight).scales;
  const weights = new Int8Array(inner);
  const round = type === 'float64' ? (number: number) => number : Math.fround;
  return (x) => {
    const { scale, multiples, remainders } = quantiseRow(x, round);
    return (column) => {
      readMultiples(weight, column, weights);
      let total = 0;
      for (let group = 0; group < groups; group++) {
        const start = group * groupSize;
        const end = Math.min(inner, start + groupSize);
        const rest = remainders ? sum(remainders, weights, start, end) / 254 : 0;
        total += (sum(multiples, weights, start, end) + rest) * scales[column * groups + group];
      }
      return total * scale;
    };
  };
}
