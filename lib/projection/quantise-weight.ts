/** Floating-point weights as int8 or int4: the only place where weights are rounded to these. */
import { allocate } from '../checks/data.js';
import { choiceOption, integerBetween, invalid } from '../checks/values.js';
import { HeedError } from '../errors.js';
import {
  int4Levels,
  type QuantisedType,
  type QuantisedWeight,
  quantisedTypes,
  readMultiples,
  rowSizes,
} from '../problem/quantised-weight.js';
import { readElements } from '../tensor/elements.js';
import type { FloatType, TypedArray } from '../tensor/types.js';

/** Elements along the inner axis of an int4 weight that share a scale, unless a caller says otherwise. */
export const usualGroupSize = 32;

/** What a weight is rounded to. */
export interface Quantisation {
  readonly type: QuantisedType;
  /** For int4. */
  readonly groupSize: number;
}

export function quantisedTypeOption(value: unknown, name: string): QuantisedType {
  return choiceOption(value, name, quantisedTypes, 'int8');
}

/** Whole groups end where bytes do, and where vectors of 8 elements do. */
export function expectGroupSize(value: unknown, name: string): number {
  const size = integerBetween(value, name, 8, 4096);
  if (size % 8 === 0) return size;
  throw invalid(name, 'a multiple of 8', value);
}

/** [columns, inner], contiguous, in the memory of the CPU. */
export interface FloatWeight {
  /** For messages. */
  readonly name: string;
  readonly type: FloatType;
  readonly data: TypedArray;
  readonly columns: number;
  readonly inner: number;
}

const largestFloat = (2 - 2 ** -23) * 2 ** 127;
const leastNormal = 2 ** -126;
/** Half of the smallest float32: what is no larger is 0. */
const nothing = 2 ** -150;

/** The nearest integer, ties to even: adding and taking this away leaves no room for a fraction. */
const rounding = 1.5 * 2 ** 52;

const asFloat = new Float32Array(1);
const asBits = new Uint32Array(asFloat.buffer);

/**
 * A scale as a float32. Where these are coarse (subnormal ones), it is rounded away from 0, so that the largest multiple
 * still reaches the largest element.
 */
function storable(scale: number): number {
  asFloat[0] = scale;
  if (Math.abs(scale) < leastNormal && Math.abs(asFloat[0]) < Math.abs(scale)) {
    asBits[0] += 1;
  }
  return asFloat[0];
}

/** Rows of a weight as float64, one at a time. */
class Rows {
  readonly row: Float64Array;

  constructor(readonly weight: FloatWeight) {
    this.row = new Float64Array(weight.inner);
  }

  read(column: number): Float64Array {
    const { type, data, inner } = this.weight;
    const start = column * inner;
    if (type === 'float32' || type === 'float64')
      this.row.set((data as Float32Array | Float64Array).subarray(start, start + inner));
    else readElements(type, data, start, inner, this.row);
    return this.row;
  }

  /** The element of [start, end) with the largest magnitude. All have to be finite. */
  largest(column: number, start: number, end: number): number {
    const { row } = this;
    let [most, least] = [0, 0];
    let sum = 0;
    for (let i = start; i < end; i++) {
      const x = row[i];
      if (x > most) most = x;
      if (x < least) least = x;
      // Finite numbers times 0 are 0, and all others NaN.
      sum += x * 0;
    }
    if (sum !== 0 || most > largestFloat || least < -largestFloat) throw this.#notFinite(column);
    return most > -least ? most : least;
  }

  #notFinite(column: number): HeedError {
    const { row, weight } = this;
    const at = row.findIndex((x) => !(Math.abs(x) <= largestFloat));
    return new HeedError(
      'HEED_INVALID_ARGUMENT',
      `Expected ${weight.name} to have only finite elements in the range of float32, received ${row[at]} at [${column}, ${at}]`,
    );
  }
}

/** Each row of the weight as multiples of a scale of its own, which makes 127 of its largest magnitude. */
function quantiseToInt8(rows: Rows, values: Int8Array, scales: Float32Array): void {
  const { columns, inner } = rows.weight;
  for (let column = 0; column < columns; column++) {
    const row = rows.read(column);
    const largest = Math.abs(rows.largest(column, 0, inner));
    if (largest <= nothing) continue;
    const scale = storable(largest / 127);
    scales[column] = scale;
    const inverse = 1 / scale;
    const start = column * inner;
    for (let i = 0; i < inner; i++) {
      values[start + i] = row[i] * inverse + rounding - rounding;
    }
  }
}

/** The levels have half-integers between them: the code of x is at ⌊2 (x + reach)⌋, for |x| up to here. */
const reach = 136;

const nearestCodes = Uint8Array.from({ length: 4 * reach }, (_, cell) => {
  const x = (cell + 0.5) / 2 - reach;
  let nearest = 0;
  for (const [code, level] of int4Levels.entries())
    if (Math.abs(level - x) <= Math.abs(int4Levels[nearest] - x)) nearest = code;
  return nearest;
});

const nearestLevels = Float64Array.from(nearestCodes, (code) => int4Levels[code]);

/**
 * What the largest element of a group may become before its scale is fitted: of either sign, since the levels reach further
 * below 0 than above, and beyond the farthest level, where it is cut off. Of these the one with the least error is taken,
 * which is 7.4 % for Gaussian numbers; a fine search would find 7.3 %, and the farthest level alone 7.8 %.
 */
const tried = [-0.975, 0.85, -1.05].map((share) => 127 * share);

/** The scale with the least squares of errors, of those tried. */
function scaleOfGroup(row: Float64Array, start: number, end: number, largest: number): number {
  let [best, scale] = [-1, 0];
  for (let t = 0; t < tried.length; t++) {
    const inverse = (2 * tried[t]) / largest;
    let [products, squares] = [0, 0];
    for (let i = start; i < end; i++) {
      const x = row[i];
      const level = nearestLevels[(x * inverse + 2 * reach) | 0];
      products += x * level;
      squares += level * level;
    }
    // Σ (x − s · level)² is Σ x² − (Σ x · level)² / Σ level² at its least, where s is Σ x · level / Σ level².
    const gain = (products * products) / squares;
    if (gain > best) {
      best = gain;
      scale = products / squares;
    }
  }
  return storable(scale);
}

function quantiseToInt4(rows: Rows, values: Uint8Array, scales: Float32Array, groupSize: number): void {
  const { columns, inner } = rows.weight;
  const [rowBytes, groups] = [Math.ceil(inner / 2), Math.ceil(inner / groupSize)];
  const codes = new Uint8Array(inner + 1);
  const zero = int4Levels.indexOf(0);
  for (let column = 0; column < columns; column++) {
    const row = rows.read(column);
    codes.fill(zero);
    for (let group = 0; group < groups; group++) {
      const start = group * groupSize;
      const end = Math.min(inner, start + groupSize);
      const largest = rows.largest(column, start, end);
      if (Math.abs(largest) <= nothing) continue;
      const scale = scaleOfGroup(row, start, end, largest);
      scales[column * groups + group] = scale;
      const inverse = 1 / scale;
      for (let i = start; i < end; i++) {
        const x = Math.min(reach - 1, Math.max(-reach, row[i] * inverse));
        codes[i] = nearestCodes[(2 * (x + reach)) | 0];
      }
    }
    const at = column * rowBytes;
    for (let i = 0; i < inner; i += 2) values[at + (i >> 1)] = codes[i] | (codes[i + 1] << 4);
  }
}

/**
 * The nearest weight of a type. Elements are rounded to the nearest multiple, those of int8 halfway to even.
 *
 * @param groupSize for int4
 * @throws HeedError HEED_INVALID_ARGUMENT for an element that is not finite, HEED_OUT_OF_MEMORY
 */
export function quantiseWeight(
  weight: FloatWeight,
  type: QuantisedType,
  groupSize = usualGroupSize,
): QuantisedWeight {
  const { columns, inner, name } = weight;
  const form = { type, columns, inner, groupSize: type === 'int8' ? inner : groupSize };
  const sizes = rowSizes(form);
  const scales = allocate('float32', columns * sizes.scales, `the scales of ${name}`) as Float32Array;
  const bytes = allocate('uint8', columns * sizes.values, `${name} as ${type}`) as Uint8Array;
  const values = type === 'int8' ? new Int8Array(bytes.buffer) : bytes;
  // Rows of nothing may be beyond counting.
  if (inner > 0) {
    const rows = new Rows(weight);
    if (values instanceof Int8Array) quantiseToInt8(rows, values, scales);
    else quantiseToInt4(rows, values, scales, groupSize);
  }
  return { ...form, values, scales };
}

/** What rounding has changed: squares of errors and of elements, summed. The root of their ratio is the relative error. */
export function errorOf(
  weight: FloatWeight,
  quantised: QuantisedWeight,
): { errors: number; squares: number } {
  const { columns, inner, groupSize, scales } = quantised;
  const groups = rowSizes(quantised).scales;
  const rows = new Rows(weight);
  const multiples = new Int8Array(inner);
  let [errors, squares] = [0, 0];
  for (let column = 0; inner > 0 && column < columns; column++) {
    const row = rows.read(column);
    readMultiples(quantised, column, multiples);
    for (let i = 0; i < inner; i++) {
      const scale = scales[column * groups + Math.floor(i / groupSize)];
      errors += (row[i] - multiples[i] * scale) ** 2;
      squares += row[i] ** 2;
    }
  }
  return { errors, squares };
}
