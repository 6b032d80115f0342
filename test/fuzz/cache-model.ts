/**
 * The expected contents of caches and effects of their methods: reads arguments strictly and independently.
 */
import type { CacheType } from '../../lib/key-value-cache/key-value-cache.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { asKept } from '../support/cached.js';
import { toNumbers } from '../support/numbers.js';
import * as model from './tensor-model.js';
import { expect, type ModelTensor } from './tensor-model.js';

/** The keys and values of one step, [heads, width] each. */
interface Step {
  readonly keys: readonly number[];
  readonly values: readonly number[];
}

export interface Holding {
  readonly type: CacheType;
  readonly heads: number;
  readonly width: number;
  readonly valueWidth: number;
  readonly capacity: number;
  readonly rolling: Rolling | undefined;
  readonly entries: readonly (readonly Step[])[];
  /** How many steps each entry has had besides. */
  readonly dropped: readonly number[];
  /** What it shares its pages with others of. */
  readonly pool?: object;
}

/** The sinks are in whole pages. */
interface Rolling {
  readonly window: number;
  readonly sinks: number;
  readonly page: number;
}

const holdings = new WeakMap<object, Holding>();

/** Only remembered objects are caches: neither proxies nor objects that inherit from one. */
export function remember(cache: object, holding: Holding): void {
  holdings.set(cache, holding);
}

const farthest = 2 ** 31 - 1;
const types: readonly unknown[] = ['float32', 'float16', 'bfloat16', 'int8', 'float8'];

export function isCacheType(value: unknown): value is CacheType {
  return types.includes(value);
}

/** The expected contents of new KeyValueCache(options), with the page size in steps. */
export function emptyHolding(
  value: unknown,
  locations: readonly unknown[],
): Holding & { readonly pageSize: number | undefined } {
  expect(value !== undefined, 'options');
  const given = model.options(value, [
    ...['batch', 'heads', 'width', 'valueWidth', 'capacity', 'type', 'location', 'pageSize', 'rolling'],
  ]);
  const integer = (name: string, low: number, high: number) => {
    const number = given[name];
    expect(model.isInteger(number, low, high), name);
    return number + 0;
  };
  const { type = 'float32', location } = given;
  expect(isCacheType(type), 'a type');
  expect(location === undefined || locations.includes(location), 'a location');
  const width = integer('width', 1, 512);
  const batch = integer('batch', 0, 2 ** 22);
  const capacity = integer('capacity', 0, farthest);
  const pageSize = given.pageSize === undefined ? undefined : integer('pageSize', 1, farthest);
  return {
    type,
    heads: integer('heads', 1, 2 ** 16),
    width,
    valueWidth: given.valueWidth === undefined ? width : integer('valueWidth', 1, 512),
    capacity,
    pageSize,
    rolling: given.rolling === undefined ? undefined : readRolling(given.rolling, pageSize, capacity),
    entries: Array.from({ length: batch }, () => []),
    dropped: Array.from({ length: batch }, () => 0),
  };
}

/** The expected form of new KeyValuePool(options): that of a cache, and its pages. */
export function poolModel(value: unknown, locations: readonly unknown[]) {
  expect(value !== undefined, 'options');
  const names = ['heads', 'width', 'valueWidth', 'type', 'location', 'pages', 'pageSize'];
  const { pages, pageSize = 16, ...form } = model.options(value, names);
  expect(model.isInteger(pages, 1, farthest), 'pages');
  expect(model.isInteger(pageSize, 1, farthest), 'a page size');
  return { form: emptyHolding({ ...form, batch: 1, capacity: 1 }, locations), pages, pageSize };
}

function readRolling(value: unknown, page: number | undefined, capacity: number): Rolling {
  const { window, sinks: asked = 0 } = model.options(value, ['window', 'sinks']);
  expect(model.isInteger(window, 1, farthest), 'a window');
  expect(model.isInteger(asked, 0, farthest), 'sinks');
  expect(page !== undefined, 'pages');
  const sinks = Math.ceil(asked / page) * page;
  expect(capacity >= sinks + window + page, 'room for what stays and a page');
  return { window: window + 0, sinks, page };
}

/** The lengths when so many steps are appended: without the whole pages that lie between sinks and window. */
export function lengthsWhenAppended({ rolling, entries }: Holding, counts: readonly number[]): number[] {
  return entries.map(({ length }, i) => {
    if (rolling === undefined || counts[i] === 0) return length;
    let left = length;
    while (left - rolling.sinks - rolling.page >= rolling.window) left -= rolling.page;
    return left;
  });
}

function readLayout(value: unknown): 'bhsd' | 'bshd' {
  expect(value === undefined || value === 'bhsd' || value === 'bshd', 'a layout');
  return value ?? 'bhsd';
}

/** The rows of one step and all heads, as the cache stores them. */
function rowsOf(
  { dims, values }: ModelTensor,
  type: CacheType,
  stepsFirst: boolean,
  entry: number,
  step: number,
) {
  const [heads, steps] = stepsFirst ? [dims[2], dims[1]] : [dims[1], dims[2]];
  const width = dims[3];
  const rows = Array.from({ length: heads }, (_, head) => {
    const row = stepsFirst ? (entry * steps + step) * heads + head : (entry * heads + head) * steps + step;
    return [...values.subarray(row * width, (row + 1) * width)];
  });
  return toNumbers(asKept(type, new Tensor(Float32Array.from(rows.flat()), [heads, width])));
}

/** The contents after append(key, value, options). */
export function appended(holding: Holding, args: readonly unknown[]): Holding {
  const { heads, width, valueWidth, capacity, type, entries } = holding;
  const [key, value] = [args[0], args[1]].map(model.operand);
  const options = model.options(args[2], ['lengths', 'layout']);
  const stepsFirst = readLayout(options.layout) === 'bshd';
  expect(key.type === value.type, 'one type');
  const steps = key.dims[stepsFirst ? 1 : 2];
  const dimsOf = (size: number) =>
    stepsFirst ? [entries.length, steps, heads, size] : [entries.length, heads, steps, size];
  expect(model.sameDims(key.dims, dimsOf(width)), 'keys that fit');
  expect(model.sameDims(value.dims, dimsOf(valueWidth)), 'values that fit');
  const counts =
    options.lengths === undefined
      ? entries.map(() => steps)
      : model.integers(options.lengths, entries.length, 0, steps);
  const left = lengthsWhenAppended(holding, counts);
  const lost = entries.map(({ length }, i) => length - left[i]);
  const sinks = holding.rolling?.sinks ?? 0;
  return {
    ...holding,
    dropped: holding.dropped.map((before, i) => before + lost[i]),
    entries: entries.map((whole, i) => {
      const entry = [...whole.slice(0, sinks), ...whole.slice(sinks + lost[i])];
      expect(entry.length + counts[i] <= capacity, 'room');
      const added = Array.from({ length: counts[i] }, (_, step) => ({
        keys: rowsOf(key, type, stepsFirst, i, step),
        values: rowsOf(value, type, stepsFirst, i, step),
      }));
      return [...entry, ...added];
    }),
  };
}

/** The contents after truncate(lengths). */
export function truncated(holding: Holding, [lengths]: readonly unknown[]): Holding {
  const { entries } = holding;
  const given =
    typeof lengths === 'number' ? entries.map(() => lengths) : model.integerList(lengths, 0, farthest);
  expect(given.length === entries.length, 'a length for each entry');
  const { rolling, dropped } = holding;
  return {
    ...holding,
    dropped: dropped.map((before, i) => (given[i] === 0 ? 0 : before)),
    entries: entries.map((entry, i) => {
      const length = given[i];
      expect(model.isInteger(length, 0, entry.length), 'no more than there is');
      const least = rolling && dropped[i] > 0 ? rolling.sinks + rolling.window : 0;
      expect(length === 0 || length >= least, 'no fewer than stay');
      return entry.slice(0, length);
    }),
  };
}

/** The expected contents of fork(options). */
export function forked(holding: Holding, [value]: readonly unknown[]): Holding {
  const { entries: chosen } = model.options(value, ['entries']);
  if (chosen === undefined) return holding;
  const { entries, dropped } = holding;
  const of = model.integerList(chosen, 0, entries.length - 1);
  return { ...holding, entries: of.map((i) => entries[i]), dropped: of.map((i) => dropped[i]) };
}

/** Keys and values as tensors, with shorter entries padded, and the number of steps of each entry. */
export function tensorsOf(holding: Holding, layout: 'bhsd' | 'bshd') {
  const { heads, width, valueWidth, entries } = holding;
  const lengths = entries.map(({ length }) => length);
  const steps = Math.max(0, ...lengths);
  const tensor = (name: 'keys' | 'values', size: number): ModelTensor => {
    const dims =
      layout === 'bshd' ? [entries.length, steps, heads, size] : [entries.length, heads, steps, size];
    const values = new Float64Array(entries.length * heads * steps * size);
    for (const [i, entry] of entries.entries()) {
      for (const [step, rows] of entry.entries()) {
        for (let head = 0; head < heads; head++) {
          const row =
            layout === 'bshd' ? (i * steps + step) * heads + head : (i * heads + head) * steps + step;
          values.set(rows[name].slice(head * size, (head + 1) * size), row * size);
        }
      }
    }
    return { type: 'float64', dims, values };
  };
  return { key: tensor('keys', width), value: tensor('values', valueWidth), lengths };
}

/** Whether this is a cache: neither a proxy nor what only inherits from one. */
export function isHeld(value: unknown): boolean {
  return model.isObject(value) && holdings.has(value);
}

/** The contents of a cache among the arguments. */
export function holdingOf(cache: unknown): Holding {
  const holding = model.isObject(cache) ? holdings.get(cache) : undefined;
  expect(holding !== undefined, 'a live cache');
  return holding;
}

/** @param value a cache, or a list of caches with an entry each, of one pool and none twice */
export function heldBy(value: unknown, layout: 'bhsd' | 'bshd') {
  return tensorsOf(Array.isArray(value) ? together(value) : holdingOf(value), layout);
}

/** Caches of one pool, none twice, with an entry each. */
export function expectTogether(caches: readonly unknown[]): readonly Holding[] {
  expect(new Set(caches).size === caches.length, 'different caches');
  const holdings = caches.map(holdingOf);
  for (const { pool, entries } of holdings) {
    expect(entries.length === 1, 'an entry');
    expect(caches.length === 1 || (pool !== undefined && pool === holdings[0].pool), 'one pool');
  }
  return holdings;
}

function together(value: unknown): Holding {
  const holdings = expectTogether(model.list(value));
  expect(holdings.length > 0, 'a cache');
  return {
    ...holdings[0],
    entries: holdings.flatMap(({ entries }) => entries),
    dropped: holdings.flatMap(({ dropped }) => dropped),
  };
}
