/** Keys and values, in tensors or in a cache: attention over either, and queries over a cache. */
import { chooseBackendAt } from '../backends/choose.js';
import { type Operation, run, runSync } from '../backends/operation.js';
import { expectReach } from '../checks/location.js';
import type { OptionValues } from '../checks/options.js';
import { readOut } from '../checks/out.js';
import { expectFloat, type TensorArgument } from '../checks/tensor.js';
import { describe, invalid } from '../checks/values.js';
import { HeedError } from '../errors.js';
import { CacheEntries } from '../key-value-cache/entries.js';
import { KeyValueCache } from '../key-value-cache/key-value-cache.js';
import type { Allocations } from '../memory/allocations.js';
import type { Sequence } from '../problem/problem.js';
import type { Strides } from '../tensor/layout.js';
import { type AttentionArguments, cacheSource, type KeyValueSource, readSettings } from './arguments.js';
import type { AttentionOptionName } from './options.js';
import type { ScoredNames } from './score.js';
import { readScoring } from './scoring.js';
import { type QueryOffset, readCachedLengths, readQueryOffset } from './sequences.js';
import { type AttentionShape, checkShape } from './shape.js';

/** A snapshot of a cache, or of several, at the beginning of an operation, valid until it is released. */
export interface AttendedCache extends Pick<KeyValueCache, 'heads' | 'width' | 'valueWidth' | 'location'> {
  /** What messages call the number of its entries. */
  readonly batchName: string;
  readonly lengths: readonly number[];
  readonly source: KeyValueSource;
  release(): void;
}

/** @param batchName what messages call the number of entries */
export function attendedEntries(entries: CacheEntries, batchName: string): AttendedCache {
  const { heads, width, valueWidth } = entries.pool.form;
  const { location } = entries.pool;
  const { lengths } = entries;
  const snapshot = entries.snapshot();
  return {
    heads,
    width,
    valueWidth,
    location,
    batchName,
    lengths,
    source: cacheSource(snapshot),
    release: snapshot.release,
  };
}

/** A cache in place of key and value; undefined for anything else. Throws HEED_DISPOSED. */
export function attendedCache(key: unknown): AttendedCache | undefined {
  return key instanceof KeyValueCache
    ? attendedEntries(CacheEntries.of(KeyValueCache.stateOf(key)), 'cache.batch')
    : undefined;
}

/** How each form is prepared. None of the caller's code runs afterwards. */
export interface AttentionForms<Result> {
  /** What came in place of the key, if it is no tensor. */
  readonly attended: (key: unknown) => AttendedCache | undefined;
  readonly overTensors: (
    allocations: Allocations,
    query: unknown,
    key: unknown,
    value: unknown,
    options: unknown,
  ) => Operation<Result>;
  readonly overCache: (
    allocations: Allocations,
    query: unknown,
    cache: AttendedCache,
    options: unknown,
  ) => Operation<Result>;
}

/** The arguments after a query and a cache: options only. */
function optionsAfterCache([options, ...more]: readonly unknown[]): unknown {
  if (more.every((value) => value === undefined)) return options;
  throw new HeedError(
    'HEED_INVALID_ARGUMENT',
    `Expected only options after a cache, which contains the values too, received ${describe(options)}`,
  );
}

/** @param rest what came after the query: a cache and options, or key, value and options */
export async function attend<Result>(
  { attended, overTensors, overCache }: AttentionForms<Result>,
  query: unknown,
  [key, ...rest]: readonly unknown[],
): Promise<Result> {
  const cache = attended(key);
  if (cache === undefined)
    return await run((allocations) => overTensors(allocations, query, key, rest[0], rest[1]));
  try {
    return await run((allocations) => overCache(allocations, query, cache, optionsAfterCache(rest)));
  } finally {
    cache.release();
  }
}

/** The same, synchronously. */
export function attendSync<Result>(
  { attended, overTensors, overCache }: AttentionForms<Result>,
  query: unknown,
  [key, ...rest]: readonly unknown[],
): Result {
  const cache = attended(key);
  if (cache === undefined)
    return runSync((allocations) => overTensors(allocations, query, key, rest[0], rest[1]));
  try {
    return runSync((allocations) => overCache(allocations, query, cache, optionsAfterCache(rest)));
  } finally {
    cache.release();
  }
}

/** Queries over a cache. Dense and packed queries differ only in their memory layout. */
export interface Queries {
  readonly tensor: TensorArgument;
  readonly batch: number;
  readonly heads: number;
  readonly steps: number;
  readonly width: number;
  readonly names: CachedNames;
  /** How they lie in memory. */
  readonly placement: Strides;
  /** Of an output whose rows are as wide as these. */
  readonly strides: (width: number) => Strides;
  readonly sequences: (
    shape: AttentionShape,
    keyLengths: readonly number[],
    queryOffset: QueryOffset,
  ) => readonly Sequence[];
}

type CachedNames = ScoredNames & { readonly valueWidth: string };

/** What messages call the lengths of queries and of a cache. To be made once, since a small call takes only microseconds. */
export function namesOverCache(names: Pick<ScoredNames, 'queryHeads' | 'queryWidth'>): CachedNames {
  return {
    queryHeads: names.queryHeads,
    queryWidth: names.queryWidth,
    keyHeads: 'cache.heads',
    keyWidth: 'cache.width',
    valueWidth: 'cache.valueWidth',
    keySteps: 'the longest entry of the cache',
  };
}

export function readCachedArguments(
  { tensor, batch, heads, steps, width, names, placement, strides, sequences }: Queries,
  cache: AttendedCache,
  options: OptionValues<AttentionOptionName>,
): AttentionArguments {
  const type = expectFloat(tensor);
  expectReach(tensor, cache.location, 'cache');
  if (options.lengths !== undefined) {
    throw invalid('options.lengths', 'left out with a cache, which knows its lengths', options.lengths);
  }
  const keyLengths = readCachedLengths(options.kvLengths, 'options.kvLengths', cache.lengths);
  const scoring = readScoring(options, heads);
  const shape: AttentionShape = {
    batch,
    queryHeads: heads,
    keyHeads: cache.heads,
    querySteps: steps,
    keySteps: cache.lengths.reduce((most, length) => Math.max(most, length), 0),
    width,
    keyWidth: cache.width,
    valueWidth: cache.valueWidth,
  };
  checkShape(shape, scoring.score, names);
  const backend = chooseBackendAt(options.backend, type, cache.location);
  const queryOffset = readQueryOffset(options.queryOffset, 'options.queryOffset', batch);
  const outDims = [...tensor.dims.slice(0, -1), shape.valueWidth];
  return {
    inputs: { type, query: tensor, stored: cache.source },
    shape,
    placement: { query: placement, output: strides(shape.valueWidth) },
    settings: readSettings(options, scoring, tensor, shape, backend),
    sequences: () => sequences(shape, keyLengths, queryOffset),
    out: readOut(options.out, 'options.out', type, outDims, 'query.type', tensor),
  };
}
