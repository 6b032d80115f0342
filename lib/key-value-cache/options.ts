/** The options of a cache. */

import { cudaDevice } from '../backends/native/native.js';
import { locationOption } from '../checks/location.js';
import { choiceOption, integerBetween, invalid } from '../checks/numbers.js';
import { readOptions } from '../checks/options.js';
import { HeedError } from '../errors.js';
import type { Location } from '../tensor/types.js';
import { CacheState } from './cache-state.js';
import { type CacheType, cacheTypes } from './cache-type.js';
import { PagePool } from './page-pool.js';
import { deviceSlabs, hostSlabs, type SlabMemory } from './slabs.js';

/** The shape of a KeyValueCache, and how it stores keys and values. */
export interface KeyValueCacheOptions {
  /** The number of sequences. */
  batch: number;
  /** Key and value heads. */
  heads: number;
  /** Elements of a key, from 1 to 512. */
  width: number;
  /** Elements of a value, from 1 to 512. Default: width. */
  valueWidth?: number;
  /**
   * The most steps that an entry may have. With `pageSize`, memory is allocated page by page; without, all at
   * the first append.
   */
  capacity: number;
  /**
   * What keys and values are rounded to. Default 'float32'. 'int8' takes a quarter of the memory: each row,
   * the elements of one step and head, is stored as multiples of its largest magnitude / 127.
   */
  type?: CacheType;
  /**
   * Where the memory is: 'cpu' (default), or a device, which does not support 'int8'. Attention computes
   * there.
   */
  location?: Location;
  /**
   * The number of steps in a page. With pages, forks share all but the page that they are about to append to,
   * and memory is allocated page by page. Default: no pages. All steps of an entry then lie together, and a
   * fork copies them when it appends.
   */
  pageSize?: number;
}

const optionNames = [
  'batch',
  'heads',
  'width',
  'valueWidth',
  'capacity',
  'type',
  'location',
  'pageSize',
] as const;

/** The most entries that a cache may have. */
export const mostEntries = 2 ** 22;
const mostHeads = 2 ** 16;
const widest = 512;
const farthest = 2 ** 31 - 1;

function memoryAt(location: Location, type: CacheType): SlabMemory {
  if (location === 'cpu') return hostSlabs;
  if (type === 'int8') {
    throw new HeedError(
      'HEED_UNSUPPORTED_TYPE',
      `Expected options.type to be one that caches at '${location}' support, received 'int8'; use 'float16' or 'bfloat16'`,
    );
  }
  return deviceSlabs(cudaDevice(location));
}

/** A cache without steps, and its page size, if one was given. */
export function readCacheOptions(options: unknown): {
  readonly state: CacheState;
  readonly pageSize: number | undefined;
} {
  if (options === undefined) throw invalid('options', 'an object', options);
  const values = readOptions(options, optionNames);
  const batch = integerBetween(values.batch, 'options.batch', 0, mostEntries);
  const heads = integerBetween(values.heads, 'options.heads', 1, mostHeads);
  const width = integerBetween(values.width, 'options.width', 1, widest);
  const valueWidth =
    values.valueWidth === undefined
      ? width
      : integerBetween(values.valueWidth, 'options.valueWidth', 1, widest);
  const capacity = integerBetween(values.capacity, 'options.capacity', 0, farthest);
  const type = choiceOption(values.type, 'options.type', cacheTypes, 'float32');
  const memory = memoryAt(locationOption(values.location, 'options.location'), type);
  const pageSize =
    values.pageSize === undefined
      ? undefined
      : integerBetween(values.pageSize, 'options.pageSize', 1, farthest);
  const steps = Math.max(1, Math.min(pageSize ?? capacity, capacity));
  const pages = batch * Math.ceil(capacity / steps);
  const pool = new PagePool({ type, heads, width, valueWidth, steps }, pages, memory);
  return { state: CacheState.empty(pool, batch, capacity), pageSize };
}
