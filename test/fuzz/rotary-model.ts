/**
 * The valid rotary options and positions, read strictly and independently, and the resulting positions of
 * steps.
 */
import type { RotaryOptions, RotaryScaling } from '../../lib/multi-head-attention/multi-head-attention.js';
import { rotaryOracle } from '../support/rotary-oracle.js';
import * as model from './tensor-model.js';
import { expect } from './tensor-model.js';

const finite = (value: unknown, least: number) => {
  expect(typeof value === 'number' && value >= least && value < Number.POSITIVE_INFINITY, 'a number');
  return value;
};

const namesOf: Record<string, readonly string[]> = {
  linear: [],
  dynamic: ['originalMaxPositionEmbeddings'],
  yarn: [
    ...['originalMaxPositionEmbeddings', 'attentionFactor', 'betaFast', 'betaSlow'],
    ...['mscale', 'mscaleAllDim', 'truncate'],
  ],
  llama3: ['originalMaxPositionEmbeddings', 'lowFreqFactor', 'highFreqFactor'],
  longrope: ['originalMaxPositionEmbeddings', 'shortFactor', 'longFactor', 'attentionFactor'],
};
const allNames = [...new Set(Object.values(namesOf).flat())];

/** One for each pair, in a list or a tensor. */
function pairNumbers(value: unknown, pairs: number, least: number): number[] {
  const numbers = model.numbers(value, pairs);
  for (const number of numbers) expect(number >= least, 'a number for each pair');
  return numbers;
}

function readLongRope(given: Record<string, unknown>, pairs: number): RotaryScaling {
  expect(model.isInteger(given.originalMaxPositionEmbeddings, 2, 2 ** 31 - 1), 'a length');
  if (given.attentionFactor !== undefined) finite(given.attentionFactor, 0);
  if (given.attentionFactor === undefined || given.factor !== undefined) finite(given.factor, 1);
  const [shortFactor, longFactor] = [given.shortFactor, given.longFactor].map((factors) =>
    pairNumbers(factors, pairs, Number.MIN_VALUE),
  );
  return { ...given, shortFactor, longFactor } as unknown as RotaryScaling;
}

function readScaling(value: unknown, pairs: number): RotaryScaling {
  const given = model.options(value, ['type', 'factor', ...allNames]);
  const { type } = given;
  expect(typeof type === 'string' && Object.hasOwn(namesOf, type), 'a type');
  const names = namesOf[type];
  for (const name of allNames)
    expect(given[name] === undefined || names.includes(name), 'an option of the type');
  if (type === 'longrope') return readLongRope(given, pairs);
  finite(given.factor, 1);
  const original = given.originalMaxPositionEmbeddings;
  expect(type === 'linear' || model.isInteger(original, 1, 2 ** 31 - 1), 'a length');
  for (const name of ['attentionFactor', 'betaFast', 'mscale', 'mscaleAllDim']) {
    if (given[name] !== undefined) finite(given[name], 0);
  }
  const { betaFast = 32, betaSlow = 1, truncate } = given;
  if (type === 'yarn')
    expect(finite(betaSlow, 0) > 0 && finite(betaFast, 0) >= (betaSlow as number), 'turns in order');
  expect(truncate === undefined || typeof truncate === 'boolean', 'a boolean');
  if (type === 'llama3') {
    expect(finite(given.highFreqFactor, 0) > finite(given.lowFreqFactor, 0), 'factors in order');
  }
  return given as unknown as RotaryScaling;
}

export function readRotary(value: unknown, width: number): RotaryOptions {
  const given = model.options(value, ['theta', 'inverseFrequencies', 'dims', 'interleaved', 'scaling']);
  if (given.theta !== undefined) expect(finite(given.theta, 1) > 1, 'a base');
  const { dims = width, interleaved } = given;
  expect(model.isInteger(dims, 2, width) && dims % 2 === 0, 'pairs');
  expect(interleaved === undefined || typeof interleaved === 'boolean', 'a boolean');
  const pairs = Number(dims) / 2;
  const scaling = given.scaling === undefined ? undefined : readScaling(given.scaling, pairs);
  if (given.inverseFrequencies === undefined)
    return { ...given, ...(scaling && { scaling }) } as RotaryOptions;
  expect(given.theta === undefined && scaling === undefined, 'one source of frequencies');
  const inverseFrequencies = pairNumbers(given.inverseFrequencies, pairs, 0);
  return { ...given, inverseFrequencies } as RotaryOptions;
}

export function readPositions(
  value: unknown,
  rotary: RotaryOptions | undefined,
  batch: number,
  steps: number,
): number[] | undefined {
  if (value === undefined) return undefined;
  expect(rotary !== undefined, 'something that rotates');
  return model.integersOfDims(value, [[steps], [1, steps], [batch, steps]], 0, 2 ** 31 - 1);
}

export interface Placement {
  readonly rotary: RotaryOptions | undefined;
  readonly positions: readonly number[] | undefined;
  readonly batch: number;
  readonly queries: number;
  readonly keys: number;
  readonly kvLengths: readonly number[] | undefined;
  readonly crossed: boolean;
}

/** Rotates a head of a query or key. */
export function turnHead(
  { rotary, positions, queries, keys, kvLengths, crossed }: Placement,
  of: 'query' | 'key',
  head: readonly number[],
  entry: number,
  step: number,
): readonly number[] {
  if (rotary === undefined) return head;
  const valid = kvLengths?.[entry] ?? keys;
  const queryAt = (row: number) =>
    positions
      ? positions[positions.length === queries ? row : entry * queries + row]
      : crossed
        ? valid - queries + row
        : row;
  const keyAt = (row: number) => (crossed ? row : queryAt(row));
  let length = 0;
  for (let key = 0; key < valid; key++) length = Math.max(length, keyAt(key) + 1);
  return rotaryOracle(head, rotary, of === 'query' ? queryAt(step) : keyAt(step), length);
}

/** At large distances or magnifications, few digits are left to compare. */
export function isFar({ rotary, positions }: Placement): boolean {
  const scaling = rotary?.scaling;
  const factor =
    scaling?.type === 'yarn'
      ? (scaling.attentionFactor ?? Math.max(scaling.mscale ?? 0, 1))
      : scaling?.type === 'longrope'
        ? (scaling.attentionFactor ?? 1)
        : 1;
  const own = rotary?.inverseFrequencies as readonly number[] | undefined;
  if (own?.some((frequency) => frequency > 1e3)) return true;
  if (scaling?.type === 'longrope') {
    const factors = [...(scaling.shortFactor as number[]), ...(scaling.longFactor as number[])];
    if (factors.some((number) => number < 1e-3)) return true;
  }
  return factor > 4 || (scaling?.factor ?? 1) > 1e6 || (positions ?? []).some((position) => position > 1e6);
}
