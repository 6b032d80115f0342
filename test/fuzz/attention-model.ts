/**
 * The expected results of attention: reads the arguments strictly and independently, and takes the numbers
 * from the oracle.
 */
import { attentionOptionNames, type Score } from '../../lib/attention/options.js';
import { attentionOracle, type OracleOptions, type OracleResult } from '../support/oracle.js';
import { heldBy } from './cache-model.js';
import { readScore } from './score-model.js';
import { type ModelSelection, readSelection } from './selection-model.js';
import * as model from './tensor-model.js';
import { expect, type ModelTensor, plain } from './tensor-model.js';

/** Loose: the magnitudes leave float32 no digits to compare. */
export interface Expected {
  readonly type: string;
  readonly dims: readonly number[];
  readonly values: ArrayLike<number>;
  readonly loose?: boolean;
}

const farthest = 2 ** 31 - 1;
const widest = 512;

function reach(value: unknown): number {
  if (value === undefined || value === Infinity) return Infinity;
  expect(Number.isSafeInteger(value) && (value as number) >= 0, 'a reach');
  return value as number;
}

function broadcasts(dims: readonly number[], target: readonly number[]): boolean {
  const skipped = target.length - dims.length;
  return skipped >= 0 && dims.every((length, axis) => length === 1 || length === target[axis + skipped]);
}

/** Integers of a mask are 0 and 1. */
function asBool(mask: ModelTensor): ModelTensor {
  expect(mask.bool || mask.values.every((element) => element === 0 || element === 1), 'zeros and ones');
  return { ...mask, bool: true };
}

function readMask(value: unknown, target: readonly number[]): ModelTensor | undefined {
  if (value === undefined) return undefined;
  const given = model.tensor(value);
  const mask = model.floats.includes(given.type) ? given : asBool(given);
  const shapes = [mask.dims];
  // Two axes may also be those of batch and keys.
  if (model.sameDims(mask.dims, [target[0], target[3]])) shapes.push([target[0], 1, 1, target[3]]);
  const readings = shapes.filter((dims) => broadcasts(dims, target));
  expect(readings.length > 0, 'a mask that broadcasts');
  expect(readings.length === 1 || target[0] <= 1, 'a mask with one reading');
  return { ...mask, dims: readings[0] };
}

function readOffset(value: unknown, entries: number): number[] | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'object') return model.integers(value, entries, -farthest, farthest);
  expect(model.isInteger(value, -farthest, farthest), 'an offset');
  return Array.from({ length: entries }, () => value);
}

interface Settings {
  readonly options: OracleOptions;
  readonly mask: ModelTensor | undefined;
  readonly queryOffset: number[] | undefined;
  readonly loose: boolean;
  readonly selection: ModelSelection;
}

/** The dimensions that the options must match; a mask broadcasts to `target`. */
export interface SettingsShape {
  readonly type: string;
  readonly target: readonly number[];
  readonly keyHeads: number;
  readonly width: number;
  readonly keyWidth: number;
}

/** Reads the options that do not depend on the layout of sequences. */
export function readSettings(
  given: Record<string, unknown>,
  { type, target, keyHeads, width, keyWidth }: SettingsShape,
): Settings {
  const [batch, heads, queries, keys] = target;
  const selection = readSelection(given.select, [batch, heads, queries]);
  const { score, loose } = readScore(given.score, type, { heads, keyHeads, width, keyWidth, keys });
  const { left, right } = model.options(given.window, ['left', 'right']);
  const { causal, scale: givenScale, softcap: givenCap } = given;
  const softcap = givenCap === undefined ? 0 : model.finite(givenCap);
  expect(softcap === 0 || softcap >= 2 ** -126, 'a softcap');
  expect(causal === undefined || typeof causal === 'boolean', 'a boolean');
  model.expectCallOptions(given);
  const scale = givenScale === undefined ? defaultScale(score, width) : model.finite(givenScale);
  const slopes = given.alibiSlopes === undefined ? [] : model.numbers(given.alibiSlopes, heads);
  const sinks = given.sinks === undefined ? [] : model.numbers(given.sinks, heads);
  const mask = readMask(given.mask, target);
  const queryOffset = readOffset(given.queryOffset, batch);
  const far = Math.max(64, ...(queryOffset ?? []).map((offset) => Math.abs(offset) + 64));
  const biases = mask && !mask.bool ? [...mask.values].filter(Number.isFinite) : [];
  const magnitudes = [scale * 16, softcap, ...sinks, ...slopes.map((slope) => slope * far), ...biases];
  const options = {
    score,
    select: selection.select,
    scale,
    softcap,
    causal: causal ?? false,
    window: { left: reach(left), right: reach(right) },
    ...(given.alibiSlopes !== undefined && { alibiSlopes: slopes }),
    ...(given.sinks !== undefined && { sinks }),
  };
  return {
    options,
    mask,
    queryOffset,
    loose: loose || magnitudes.some((each) => Math.abs(each) > 1000),
    selection,
  };
}

const defaultScale = (score: Score, width: number) => (score === 'scaled-dot' ? 1 / Math.sqrt(width) : 1);

export interface Operands {
  readonly query: ModelTensor;
  readonly key: ModelTensor;
  readonly value: ModelTensor;
}

export function readOperands(args: readonly unknown[], axes: number): Operands {
  const [query, key, value] = [args[0], args[1], args[2]].map(model.floatTensor);
  for (const operand of [query, key, value]) {
    expect(operand.dims.length === axes, 'the axes');
    expect(operand.type === query.type, 'one type');
  }
  return { query, key, value };
}

export function expectHeads(heads: number, keyHeads: number, ...widths: number[]): void {
  expect(keyHeads >= 1 && heads >= 1 && heads % keyHeads === 0, 'heads in groups');
  for (const each of widths) expect(each >= 1 && each <= widest, 'a width');
}

/** A smaller lead may vanish when scores are rounded. */
export const leastLead = 1e-3;

interface Dense extends Operands, Settings {
  readonly result: OracleResult;
  readonly batch: number;
  readonly heads: number;
  readonly queries: number;
  readonly keys: number;
  readonly output: Expected;
}

/**
 * With infinite operands, a rounding error decides whether a weight is 0 or 1: there is no single right
 * answer.
 */
export const isTame = ({ query, key, value }: Operands) =>
  [query, key, value].every(({ values }) => values.every((element) => Math.abs(element) < 1e4));

type Layout = 'bhsd' | 'bshd';

/** The source of keys: tensors of the layout that the options name, and the number of keys of each entry. */
type Source = (layout: Layout) => Operands & { readonly lengths?: readonly number[] };

function readDense(source: Source, optionValues: unknown, more: readonly string[]): Dense {
  const given = model.options(optionValues, [...attentionOptionNames, ...more]);
  const layout = given.layout ?? 'bhsd';
  expect(layout === 'bhsd' || layout === 'bshd', 'a layout');
  const operands = source(layout);
  const { query, key, value, lengths } = operands;
  const [h, s] = layout === 'bshd' ? [2, 1] : [1, 2];
  const [batch, heads, queries, width] = [0, h, s, 3].map((axis) => query.dims[axis]);
  const [keyHeads, keys, valueWidth] = [key.dims[h], key.dims[s], value.dims[3]];
  expect(key.dims[0] === batch && value.dims[0] === batch, 'one batch');
  expect(value.dims[h] === keyHeads && value.dims[s] === keys, 'dims that fit');
  const keyWidth = key.dims[3];
  expectHeads(heads, keyHeads, width, keyWidth, valueWidth);
  const target = [batch, heads, queries, keys];
  const settings = readSettings(given, { type: query.type, target, keyHeads, width, keyWidth });
  const kvLengths = given.kvLengths === undefined ? lengths : model.integers(given.kvLengths, batch, 0, keys);
  expect(!lengths || kvLengths?.every((length, entry) => length <= lengths[entry]), 'keys that are there');
  const unruly = settings.loose || !isTame(operands);
  const result = attentionOracle(plain(query), plain(key), plain(value), {
    ...settings.options,
    layout,
    ...(kvLengths && { kvLengths }),
    ...(settings.queryOffset && { queryOffset: settings.queryOffset }),
    ...(settings.mask && { mask: plain(settings.mask) }),
  });
  const loose = unruly || result.lead < leastLead;
  const dims = [...query.dims.slice(0, 3), valueWidth];
  const output = { type: query.type, dims, values: result.output, loose };
  return { ...operands, ...settings, result, batch, heads, queries, keys, output, loose };
}

/** A query and a cache: the contents of the cache as tensors, with shorter entries padded. */
const overCache =
  ([queryValue, cache, , ...more]: readonly unknown[]): Source =>
  (layout) => {
    expect(
      more.every((value) => value === undefined),
      'only options after a cache',
    );
    const query = model.floatTensor(queryValue);
    expect(query.dims.length === 4, 'the axes');
    return { query, ...heldBy(cache, layout) };
  };

const overTensors =
  (args: readonly unknown[]): Source =>
  () =>
    readOperands(args, 4);

/** The expected result of attention(query, key, value, options). */
export function attentionModel(args: readonly unknown[]): Expected {
  return readDense(overTensors(args), args[3], []).output;
}

/** The expected result of attention(query, cache, options). */
export function cachedAttentionModel(args: readonly unknown[]): Expected {
  return readDense(overCache(args), args[2], []).output;
}

interface Indices {
  readonly length: number;
  /** Undefined means all. */
  readonly elements: readonly number[] | undefined;
}

export const upTo = (count: number) => Array.from({ length: count }, (_, index) => index);

function indices(value: unknown, count: number): Indices {
  if (value === undefined) return { length: count, elements: undefined };
  const elements = model.integerList(value, 0, count - 1);
  expect(elements.length <= count, 'no more rows than there are');
  return { length: elements.length, elements };
}

const matrixNames = ['weights', 'scores', 'cappedScores', 'biasedScores'] as const;

/** The expected result of attentionDetails(query, key, value, options). */
export function attentionDetailsModel(args: readonly unknown[]): Record<string, Expected> {
  return detailsModel(overTensors(args), args[3]);
}

/** The expected result of attentionDetails(query, cache, options). */
export function cachedDetailsModel(args: readonly unknown[]): Record<string, Expected> {
  return detailsModel(overCache(args), args[2]);
}

function detailsModel(source: Source, optionValues: unknown): Record<string, Expected> {
  const { result, batch, heads, queries, keys, loose, query, output } = readDense(source, optionValues, [
    'include',
    'rows',
  ]);
  expect(model.isObject(optionValues), 'options');
  const include = model.list(optionValues.include);
  expect(include.length <= 16, 'few names');
  const rows = model.options(optionValues.rows, ['heads', 'queries']);
  const [rowHeads, rowQueries] = [indices(rows.heads, heads), indices(rows.queries, queries)];
  const type = query.type === 'float64' ? 'float64' : 'float32';
  const pick = (matrix: readonly number[]) => {
    if (matrix.length === 0) return [];
    return upTo(batch).flatMap((b) =>
      (rowHeads.elements ?? upTo(heads)).flatMap((h) =>
        (rowQueries.elements ?? upTo(queries)).flatMap((i) => {
          const start = ((b * heads + h) * queries + i) * keys;
          return matrix.slice(start, start + keys);
        }),
      ),
    );
  };
  const details: Record<string, Expected> = { output };
  for (const name of include) {
    if (name === 'logSumExp') {
      details[name] = { type, dims: [batch, heads, queries], values: result.logSumExp, loose };
      continue;
    }
    const matrix = matrixNames.find((each) => each === name);
    expect(matrix !== undefined, 'a name');
    const dims = [batch, rowHeads.length, rowQueries.length, keys];
    details[matrix] = { type, dims, values: pick(result[matrix]), loose };
  }
  return details;
}
