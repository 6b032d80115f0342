/** The options of caches and pools, and what is appended to a cache. */
import { expectLength, expectRank } from '../checks/lists.js';
import { expectPlace, expectReach, locationOption } from '../checks/location.js';
import { readIntegers } from '../checks/numbers.js';
import { type OptionValues, readOptions } from '../checks/options.js';
import { dataOf, expectFloat, expectType, readStridedTensor, type TensorArgument } from '../checks/tensor.js';
import { choiceOption, integerBetween, invalid } from '../checks/values.js';
import { deviceAt } from '../memory/device.js';
import { type View, widestHead } from '../problem/problem.js';
import { axesOf, readLayout, stridesIn } from '../tensor/layout.js';
import type { IntegerList, Location } from '../tensor/types.js';
import type { NewSteps } from './entries.js';
import { type PageForm, PagePool } from './page-pool.js';
import { type CacheType, cacheTypes, deviceSlabs, hostSlabs, type SlabMemory } from './slabs.js';
import { CacheState, type Rolling } from './state.js';

/** The shape of a KeyValueCache, and how it stores keys and values. */
export interface KeyValueCacheOptions {
  /** The number of sequences. */
  batch: number;
  /** Key and value heads. */
  heads: number;
  /** Elements of a key, from 1 to 576. */
  width: number;
  /** Elements of a value, from 1 to 576. Default: width. */
  valueWidth?: number;
  /** The most steps that an entry may have. It takes no memory: that comes as steps are appended. */
  capacity: number;
  /**
   * What keys and values are rounded to. Default 'float32'. 'int8' and 'float8' take a quarter of the memory:
   * each row, the elements of one step and head, is stored as multiples of a scale of its own. For 'int8' they
   * are integers up to 127, after channels of keys that are many times as large as others were divided by 16
   * or by 64; for 'float8' they are numbers of E4M3 up to 448, which keep four significant bits of every
   * element. A row with a number that is not finite in float32 becomes NaN as a whole.
   */
  type?: CacheType;
  /**
   * Where the memory is: 'cpu' (default), or a device. Attention computes there.
   */
  location?: Location;
  /**
   * The number of steps in a page: steps that lie together, and for which memory is taken at once. Forks share
   * all pages but the one that they are about to append to. Default: 384, which computes as fast as if all
   * steps of an entry lay together.
   */
  pageSize?: number;
  /** Drops old steps as new ones are appended, so that a sequence may go on without end. Needs `pageSize`. Default: all stay. */
  rolling?: RollingOptions;
}

/**
 * Which steps a cache keeps (Xiao et al. 2024, "Efficient Streaming Language Models with Attention Sinks").
 * Before steps are appended to an entry, whole pages of it are dropped: those that lie behind the sinks and
 * before the last `window` steps. So the sinks, at least `window` steps, and less than a page more are there
 * when the new ones come. `capacity` has to be at least sinks + window + pageSize, which one more step always
 * finds room in.
 */
export interface RollingOptions {
  /** How many of the last steps each new step finds at least. */
  window: number;
  /** How many of the first steps stay for good; rounded up to whole pages. Default 0. */
  sinks?: number;
}

/** The options of a KeyValuePool, and how it stores keys and values. */
export interface KeyValuePoolOptions
  extends Pick<KeyValueCacheOptions, 'heads' | 'width' | 'valueWidth' | 'type' | 'location'> {
  /** The most pages that all sequences together may have. They take no memory before they are needed. */
  pages: number;
  /** The number of steps in a page: steps that lie together, and that a sequence takes from the pool at once. Default 16. */
  pageSize?: number;
}

const formNames = ['heads', 'width', 'valueWidth', 'type', 'location'] as const;
const optionNames = [...formNames, 'batch', 'capacity', 'pageSize', 'rolling'] as const;
const poolOptionNames = [...formNames, 'pages', 'pageSize'] as const;

/** The most entries that a cache may have. */
export const mostEntries = 2 ** 22;
const mostHeads = 2 ** 16;
/** The most steps that an entry may have. */
export const mostSteps = 2 ** 31 - 1;

/**
 * A multiple of the tiles of keys on every instruction set (64, 96 and 192), so that most tiles lie within a
 * page: those that do not are copied. No bit of a result depends on it.
 */
const defaultPageSize = 384;

/** Small, as what a sequence does not need of its last page is lost to all others. */
const defaultPoolPageSize = 16;

function memoryAt(location: Location): SlabMemory {
  return location === 'cpu' ? hostSlabs : deviceSlabs(deviceAt(location));
}

function readRolling(value: unknown, pageSize: number | undefined, capacity: number): Rolling {
  const given = readOptions(value, ['window', 'sinks'], 'options.rolling');
  const window = integerBetween(given.window, 'options.rolling.window', 1, mostSteps);
  const asked =
    given.sinks === undefined ? 0 : integerBetween(given.sinks, 'options.rolling.sinks', 0, mostSteps);
  if (pageSize === undefined)
    throw invalid('options.pageSize', 'given with options.rolling, which drops whole pages', pageSize);
  const sinks = Math.ceil(asked / pageSize) * pageSize;
  const least = sinks + window + pageSize;
  if (capacity >= least) return { window, sinks };
  throw invalid(
    'options.capacity',
    `at least ${least}: sinks in whole pages (${sinks}), window (${window}) and a page (${pageSize})`,
    capacity,
  );
}

/** What is the same of all pages, but for the steps that they have, and where they lie. */
function readForm(values: OptionValues<(typeof formNames)[number]>): {
  readonly form: Omit<PageForm, 'steps'>;
  readonly memory: SlabMemory;
} {
  const heads = integerBetween(values.heads, 'options.heads', 1, mostHeads);
  const width = integerBetween(values.width, 'options.width', 1, widestHead);
  const valueWidth =
    values.valueWidth === undefined
      ? width
      : integerBetween(values.valueWidth, 'options.valueWidth', 1, widestHead);
  const type = choiceOption(values.type, 'options.type', cacheTypes, 'float32');
  const memory = memoryAt(locationOption(values.location, 'options.location'));
  return { form: { type, heads, width, valueWidth }, memory };
}

function readPageSize(value: unknown): number | undefined {
  return value === undefined ? undefined : integerBetween(value, 'options.pageSize', 1, mostSteps);
}

/** A cache without steps, and its page size, if one was given. */
export function readCacheOptions(options: unknown): {
  readonly state: CacheState;
  readonly pageSize: number | undefined;
} {
  if (options === undefined) throw invalid('options', 'an object', options);
  const values = readOptions(options, optionNames);
  const batch = integerBetween(values.batch, 'options.batch', 0, mostEntries);
  const { form, memory } = readForm(values);
  const capacity = integerBetween(values.capacity, 'options.capacity', 0, mostSteps);
  const pageSize = readPageSize(values.pageSize);
  const rolling = values.rolling === undefined ? undefined : readRolling(values.rolling, pageSize, capacity);
  const steps = Math.max(1, Math.min(pageSize ?? defaultPageSize, capacity));
  const pages = batch * Math.ceil(capacity / steps);
  const pool = new PagePool({ ...form, steps }, pages, memory);
  return { state: CacheState.empty(pool, batch, { capacity, rolling }), pageSize };
}

/** A pool without sequences. */
export function readPoolOptions(options: unknown): PagePool {
  if (options === undefined) throw invalid('options', 'an object', options);
  const values = readOptions(options, poolOptionNames);
  const { form, memory } = readForm(values);
  const pages = integerBetween(values.pages, 'options.pages', 1, mostSteps);
  const steps = readPageSize(values.pageSize) ?? defaultPoolPageSize;
  return new PagePool({ ...form, steps }, pages, memory, pages);
}

/** The options of {@link KeyValueCache.append}. */
export interface AppendOptions {
  /** How many of the steps to append, per batch entry: the first ones. Default: all. */
  lengths?: IntegerList;
  /** The order of axes: 'bhsd' is [batch, heads, steps, width] (the default), 'bshd' is [batch, steps, heads, width]. */
  layout?: 'bhsd' | 'bshd';
}

export function readAppendArguments(
  { batch, pool }: CacheState,
  keyValue: unknown,
  valueValue: unknown,
  options: unknown,
): NewSteps {
  const given = readOptions(options, ['lengths', 'layout']);
  const layout = readLayout(given.layout);
  const axes = axesOf[layout];
  const key = readStridedTensor(keyValue, 'key');
  const value = readStridedTensor(valueValue, 'value');
  const type = expectFloat(key);
  expectType(value, type, 'key.type');
  expectReach(key, pool.location, 'cache');
  expectPlace(value, key.location, key.name);
  const { heads, width, valueWidth } = pool.form;
  const check = ({ dims, name }: TensorArgument, expected: number, source: string) => {
    expectRank(dims, 4, name, axes.names);
    expectLength(dims[0], `${name}.dims[0]`, batch, 'cache.batch');
    expectLength(dims[axes.heads], `${name}.dims[${axes.heads}]`, heads, 'cache.heads');
    expectLength(dims[3], `${name}.dims[3]`, expected, source);
  };
  check(key, width, 'cache.width');
  check(value, valueWidth, 'cache.valueWidth');
  const steps = key.dims[axes.steps];
  expectLength(value.dims[axes.steps], `value.dims[${axes.steps}]`, steps, `key.dims[${axes.steps}]`);
  const counts =
    given.lengths === undefined
      ? new Array<number>(batch).fill(steps)
      : readIntegers(given.lengths, 'options.lengths', batch, 'batch entry', 0, steps);
  const view = (tensor: TensorArgument): View => ({
    data: dataOf(tensor),
    type,
    ...stridesIn(tensor, layout, heads, steps, tensor.dims[3]),
  });
  return { key: view(key), value: view(value), counts };
}
