/**
 * Weights of int8 and int4, as backends take them: whole numbers, and float32 scales that these are multiples of.
 * `native/core/quantised_weight.h` mirrors it.
 */

export const quantisedTypes = ['int8', 'int4'] as const;

/** The types that weights are rounded to. */
export type QuantisedType = (typeof quantisedTypes)[number];

/** The form of a weight [columns, inner]: what it is besides its numbers. */
export interface WeightForm {
  readonly type: QuantisedType;
  readonly columns: number;
  readonly inner: number;
  /** Consecutive elements of a row that share a scale: for int8 all. The last group of a row may be shorter. */
  readonly groupSize: number;
}

/** Element (c, i) is multiple (c, i) · scales[c, ⌊i / groupSize⌋]. Nobody changes the arrays. */
export interface QuantisedWeight extends WeightForm {
  /**
   * For int8 an Int8Array [columns, inner] with the multiples, from −127 to 127. For int4 a Uint8Array [columns, ⌈inner / 2⌉] of
   * codes, two a byte, that of the even element in the lower half: the multiple is int4Levels[code].
   */
  readonly values: Int8Array | Uint8Array;
  /** [columns, groups]; for int4 of either sign. */
  readonly scales: Float32Array;
}

/**
 * What the 16 codes of int4 stand for. Even steps would be off by 8.1 % of Gaussian numbers in groups of 32, whatever the
 * scale; these, which Lloyd's algorithm found for such groups, are by 7.3 % (compare NormalFloat of Dettmers et al. 2023,
 * "QLoRA"). One of them is 0, since zeros have to stay zeros. Two products of levels and int8 numbers fit 16 bits.
 */
export const int4Levels: Int8Array = Int8Array.of(
  -127,
  -100,
  -79,
  -62,
  -47,
  -34,
  -22,
  -11,
  0,
  12,
  24,
  36,
  50,
  65,
  83,
  106,
);

/** How many bytes of values a row has, and how many scales. */
export function rowSizes({ type, inner, groupSize }: Omit<WeightForm, 'columns'>): {
  readonly values: number;
  readonly scales: number;
} {
  return {
    values: type === 'int8' ? inner : Math.ceil(inner / 2),
    scales: inner === 0 ? 0 : Math.ceil(inner / groupSize),
  };
}

/** The multiples of a row, one per element. */
export function readMultiples(weight: QuantisedWeight, column: number, target: Int8Array): void {
  const { type, inner, values } = weight;
  const row = column * rowSizes(weight).values;
  if (type === 'int8') {
    for (let i = 0; i < inner; i++) target[i] = values[row + i];
    return;
  }
  for (let i = 0; i < inner; i++) {
    const pair = values[row + (i >> 1)];
    target[i] = int4Levels[i % 2 === 0 ? pair & 15 : pair >> 4];
  }
}

/** Rows of a weight: `count` from `first` on, one run after the other. */
export interface RowRun {
  readonly first: number;
  readonly count: number;
}

/** Some rows, which share memory with the weight if they lie in one run. */
export function takeRows(weight: QuantisedWeight, runs: readonly RowRun[]): QuantisedWeight {
  return joinRows(runs.map((run) => viewRows(weight, run)));
}

function viewRows(weight: QuantisedWeight, { first, count }: RowRun): QuantisedWeight {
  const { values, scales } = rowSizes(weight);
  return {
    ...weight,
    columns: count,
    values: weight.values.subarray(first * values, (first + count) * values),
    scales: weight.scales.subarray(first * scales, (first + count) * scales),
  };
}

/** The rows of weights of the same type, inner width and size of groups, one below the other. */
export function joinRows(weights: readonly QuantisedWeight[]): QuantisedWeight {
  const [first] = weights;
  if (weights.length === 1) return first;
  const columns = weights.reduce((sum, weight) => sum + weight.columns, 0);
  const sizes = rowSizes(first);
  const bytes = columns * sizes.values;
  const values = first.type === 'int8' ? new Int8Array(bytes) : new Uint8Array(bytes);
  const scales = new Float32Array(columns * sizes.scales);
  let row = 0;
  for (const weight of weights) {
    values.set(weight.values, row * sizes.values);
    scales.set(weight.scales, row * sizes.scales);
    row += weight.columns;
  }
  return { ...first, columns, values, scales };
}
