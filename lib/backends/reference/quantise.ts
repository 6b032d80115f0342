/** Rows of keys or values as int8 or float8: multiples of a scale that each row has for itself. */
import { neverOutlier, outlierFactors, outlierLevel, outlierPitch } from '../../problem/outliers.js';
import { type ScaledFormat, scaledFormats } from '../../tensor/elements.js';

/** What holds the elements of a row. */
type Elements = Int8Array | Uint8Array;

const largestFloat = (2 - 2 ** -23) * 2 ** 127;
const leastNormal = 2 ** -126;

/** The float32 so many places after x, or before it, for x > 0. */
function neighbour(x: number, places: -1 | 1): number {
  const bits = new Uint32Array(Float32Array.of(x).buffer);
  bits[0] += places;
  return new Float32Array(bits.buffer)[0];
}

/**
 * The scale that makes `most` of the largest magnitude of a row, which is stored divided by `factor`; 0 for a row of zeros. Where
 * float32 is coarse, it is rounded so that `most` neither falls short of the magnitude (subnormal scales) nor becomes infinite.
 */
function scaleOf(largest: number, factor: number, most: number): number {
  const scale = Math.fround(largest / most);
  if (most * scale * factor > largestFloat) return neighbour(scale, -1);
  return scale < leastNormal && most * scale < largest ? neighbour(scale, 1) : scale;
}

/**
 * Writes the nearest multiples of the row's scale, and returns the scale. Numbers of a channel are first divided by its factor.
 * A row with a number that is not finite as a float32 gets a scale of NaN, and is NaN altogether.
 */
function writeMultiples(
  row: Float32Array,
  factors: readonly number[],
  { most, toElement }: ScaledFormat,
  elements: Elements,
): number {
  let [largest, factor] = [0, 1];
  // In float32, as everywhere: which of two multiples a number halfway between them becomes may not depend on the backend.
  const divided = row.map((x, d) => x / factors[d]);
  for (const [d, x] of divided.entries()) {
    if (Math.abs(x) > largest) [largest, factor] = [Math.abs(x), factors[d]];
  }
  const scale = row.every(Number.isFinite) ? scaleOf(largest, factor, most) : Number.NaN;
  for (const [d, x] of divided.entries()) elements[d] = scale > 0 ? toElement(Math.fround(x / scale)) : 0;
  return scale;
}

/** Makes multiples of outliers that would read as infinite the largest that do not. */
function keepFinite(scale: number, factors: readonly number[], multiples: Int8Array): void {
  for (const [d, factor] of factors.entries()) {
    const unit = scale * factor;
    if (!(127 * unit > largestFloat)) continue;
    const most = Math.floor(largestFloat / unit);
    multiples[d] = Math.min(most, Math.max(-most, multiples[d]));
  }
}

/** Quantises a row of a head without outlier channels. */
export function quantise(row: Float64Array, format: ScaledFormat, elements: Elements): number {
  return writeMultiples(Float32Array.from(row), new Array(row.length).fill(1), format, elements);
}

/** A block of rows of one head, and what it says of its outliers. */
export interface KeyBlock {
  /** The multiples of row r. */
  multiples(row: number): Int8Array;
  /** [2, pitch] */
  readonly outliers: Uint8Array;
}

/** A channel stays an outlier if some row of a full block has made so much of it: twice and 24 times what others can reach. */
const needed = [0, 2 * 127, 24 * 127] as const;

/** The levels that a block of `rows` rows hands on to the next one. */
function levelsAfter({ multiples, outliers }: KeyBlock, width: number, rows: number): number[] {
  return Array.from({ length: width }, (_, channel) => {
    let level = outlierLevel(outliers, width, rows - 1, channel);
    if (level === 0) return 0;
    let most = 0;
    for (let row = 0; row < rows; row++) {
      const factor = outlierFactors[outlierLevel(outliers, width, row, channel)];
      most = Math.max(most, Math.abs(multiples(row)[channel]) * factor);
    }
    while (level > 0 && most < needed[level]) level--;
    return level;
  });
}

/** A channel stands out if it is this many times as large as the channels of its row are on average. */
const outstanding = 10;

/**
 * Quantises row `row` of a block, whose outliers it may add to. Anything that is known of this row and those behind it is left
 * over from steps that were removed.
 *
 * @param before the block before this one and its number of rows, if there is one
 */
export function quantiseKey(
  numbers: Float64Array,
  block: KeyBlock,
  row: number,
  before: { readonly block: KeyBlock; readonly rows: number } | undefined,
): number {
  const width = numbers.length;
  const { outliers } = block;
  const inherited = row === 0 && before ? levelsAfter(before.block, width, before.rows) : undefined;
  const levels = Array.from({ length: width }, (_, channel) => {
    if (row === 0) return inherited?.[channel] ?? 0;
    return outlierLevel(outliers, width, row - 1, channel);
  });
  for (let level = 1; level <= 2; level++) {
    for (let channel = 0; channel < width; channel++) {
      const at = (level - 1) * outlierPitch(width) + channel;
      if (row === 0) outliers[at] = levels[channel] >= level ? 0 : neverOutlier;
      else if (outliers[at] >= row) outliers[at] = neverOutlier;
    }
  }
  const rounded = Float32Array.from(numbers);
  const multiples = block.multiples(row);
  for (;;) {
    const factors = levels.map((level) => outlierFactors[level]);
    const scale = writeMultiples(rounded, factors, scaledFormats.int8, multiples);
    keepFinite(scale, factors, multiples);
    // Subnormal numbers would lose what a division takes from them.
    if (!(scale >= leastNormal)) return scale;
    const sum = multiples.reduce((total, multiple) => total + Math.abs(multiple), 0);
    let found = false;
    for (const [channel, level] of levels.entries()) {
      if (level === 2 || Math.abs(multiples[channel]) * width <= outstanding * sum) continue;
      outliers[level * outlierPitch(width) + channel] = row;
      levels[channel] = level + 1;
      found = true;
    }
    if (!found) return scale;
  }
}
