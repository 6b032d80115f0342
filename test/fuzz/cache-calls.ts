/** Good calls of caches, and of attention over them. */
import {
  attention,
  attentionDetails,
  attentionDetailsSync,
  attentionSync,
} from '../../lib/attention/attention.js';
import { packedAttention, packedAttentionSync } from '../../lib/attention/packed.js';
import { KeyValueCache, type KeyValueCacheOptions } from '../../lib/key-value-cache/key-value-cache.js';
import { KeyValuePool, type KeyValuePoolOptions } from '../../lib/key-value-cache/key-value-pool.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { locationOf, type TestedBackend } from '../support/backends.js';
import { attentionOracle } from '../support/oracle.js';
import { detailsOptions, sharedOptions } from './attention-calls.js';
import { cachedAttentionModel, cachedDetailsModel, type Expected } from './attention-model.js';
import {
  appended,
  emptyHolding,
  forked,
  type Holding,
  lengthsWhenAppended,
  poolModel,
  remember,
  tensorsOf,
  truncated,
} from './cache-model.js';
import { integersIn, loosely, maybe, operandOf } from './good-values.js';
import { type Draw, pick } from './hostile-values.js';
import type { Target } from './outcome.js';
import { cachedPackedModel } from './packed-model.js';
import { plain } from './tensor-model.js';

/** A cache and its contents. */
export interface Kept {
  readonly cache: KeyValueCache;
  readonly holding: Holding;
}

function cacheOptions(draw: Draw, backend: TestedBackend): KeyValueCacheOptions {
  return {
    batch: 1 + draw.below(3),
    heads: 1 + draw.below(2),
    width: 1 + draw.below(6),
    capacity: 6 + draw.below(8),
    ...maybe(draw, 'valueWidth', () => 1 + draw.below(6)),
    ...maybe(draw, 'pageSize', () => 1 + draw.below(4)),
    ...(draw.below(3) === 0 ? rollingOptions(draw) : {}),
    ...maybe(draw, 'type', () => pick(draw, ['float16', 'bfloat16', 'int8', 'float8'] as const)),
    ...(backend === 'cuda' ? { location: locationOf(backend) } : {}),
  };
}

/** With a capacity of no less than 6. */
function rollingOptions(draw: Draw): Pick<KeyValueCacheOptions, 'pageSize' | 'rolling'> {
  const pageSize = 1 + draw.below(2);
  const rolling = { window: 1 + draw.below(2), ...maybe(draw, 'sinks', () => 1 + draw.below(2)) };
  return { pageSize, rolling };
}

/** As many steps as there is room for, or a few. */
function appendArguments(draw: Draw, holding: Holding): unknown[] {
  const { heads, width, valueWidth, capacity, entries } = holding;
  const batch = entries.length;
  const left = lengthsWhenAppended(
    holding,
    entries.map(() => 1),
  );
  const room = Math.min(...left.map((length) => capacity - length));
  const steps = Math.min(room, draw.below(4));
  const layout = pick(draw, ['bhsd', 'bshd']);
  const dims = (size: number) =>
    layout === 'bhsd' ? [batch, heads, steps, size] : [batch, steps, heads, size];
  return [
    operandOf(draw, dims(width)),
    operandOf(draw, dims(valueWidth)),
    {
      ...(layout === 'bshd' ? { layout } : {}),
      ...maybe(draw, 'lengths', () =>
        integersIn(
          draw,
          Array.from({ length: batch }, () => draw.below(steps + 1)),
        ),
      ),
    },
  ];
}

/** A cache with some steps; occasionally it shares its pages with a fork. */
export function keptCache(
  draw: Draw,
  backend: TestedBackend,
  fixed: Partial<KeyValueCacheOptions> = {},
): Kept {
  const options = { ...cacheOptions(draw, backend), ...fixed };
  let holding: Holding = emptyHolding(options, [locationOf(backend)]);
  const cache = new KeyValueCache(options);
  for (let i = draw.below(options.rolling ? 7 : 3); i > 0; i--) {
    const args = appendArguments(draw, holding);
    loosely(cache.append.bind(cache))(...args);
    holding = appended(holding, args);
  }
  const kept = draw.below(2) === 0 ? cache : cache.fork();
  remember(kept, holding);
  return { cache: kept, holding };
}

/** A query for each entry and head, always the same. */
const questionOf = (dims: readonly number[]) =>
  new Tensor(
    Float32Array.from({ length: dims.reduce((size, length) => size * length, 1) }, (_, i) => Math.sin(i)),
    dims,
  );

/** The observable state of a cache: its numbers of steps, and attention over them. */
export function show(cache: KeyValueCache, backend: TestedBackend): Record<string, Tensor> {
  const { batch, heads, width, lengths } = cache;
  const query = questionOf([batch, heads, 1, width]);
  return {
    lengths: new Tensor(lengths, [batch]),
    dropped: new Tensor(cache.dropped, [batch]),
    output: attentionSync(query, cache, { backend }),
  };
}

/** The expected observable state. */
export function shown(holding: Holding): Record<string, Expected> {
  const { key, value, lengths } = tensorsOf(holding, 'bhsd');
  const { heads, width, valueWidth } = holding;
  const batch = lengths.length;
  const query = questionOf([batch, heads, 1, width]);
  const { output } = attentionOracle(query, plain(key), plain(value), { kvLengths: lengths });
  const isTame = [key, value].every(({ values }) => values.every((element) => Math.abs(element) < 1e4));
  return {
    lengths: { type: 'int32', dims: [batch], values: lengths },
    dropped: { type: 'float64', dims: [batch], values: holding.dropped },
    output: { type: 'float32', dims: [batch, heads, 1, valueWidth], values: output, loose: !isTame },
  };
}

/** A method of a cache: its arguments, and its expected effect on the contents. */
export interface CacheMethod {
  readonly name: 'append' | 'truncate' | 'fork';
  arguments(draw: Draw, holding: Holding): unknown[];
  /** The contents that the result shows: those of the cache or of its fork. */
  model(holding: Holding, args: readonly unknown[]): Holding;
}

export const cacheMethods: readonly CacheMethod[] = [
  { name: 'append', arguments: appendArguments, model: appended },
  {
    name: 'truncate',
    arguments: (draw, { entries, dropped }) => {
      // Those that have dropped steps keep all, or none.
      const lengths = entries.map(({ length }, i) =>
        dropped[i] > 0 ? length * draw.below(2) : draw.below(length + 1),
      );
      return [
        dropped.every((count) => count === 0) && draw.below(2) === 0
          ? Math.min(...lengths)
          : integersIn(draw, lengths),
      ];
    },
    model: truncated,
  },
  {
    name: 'fork',
    arguments: (draw, { entries }) => [
      maybe(draw, 'entries', () =>
        integersIn(
          draw,
          Array.from({ length: draw.below(4) }, () => draw.below(entries.length)),
        ),
      ),
    ],
    model: forked,
  },
];

/** Calls a method with any arguments and returns the state to check. */
export function callMethod(
  cache: KeyValueCache,
  { name }: CacheMethod,
  args: readonly unknown[],
): KeyValueCache {
  const fork = loosely(cache[name].bind(cache))(...args);
  return name === 'fork' ? (fork as KeyValueCache) : cache;
}

function methodTarget(draw: Draw, backend: TestedBackend, method: CacheMethod): Target {
  let kept = keptCache(draw, backend);
  return {
    name: `KeyValueCache.${method.name}`,
    arguments: () => {
      kept = keptCache(draw, backend);
      return method.arguments(draw, kept.holding);
    },
    call: (args) => show(callMethod(kept.cache, method, args), backend),
    model: (args) => shown(method.model(kept.holding, args)),
    results: (result) => result as Record<string, unknown>,
    unchanged: () => ({ results: show(kept.cache, backend), expected: shown(kept.holding) }),
  };
}

const cacheTypes = ['float32', 'float16', 'bfloat16', 'int8', 'float8'];

/** Everything that a new cache reports about itself, as numbers. */
const describeCache = (cache: KeyValueCache) =>
  Float64Array.of(
    cacheTypes.indexOf(cache.type),
    cache.batch,
    cache.heads,
    cache.width,
    cache.valueWidth,
    cache.capacity,
    cache.pageSize ?? -1,
    cache.byteLength,
    Number(cache.disposed),
    cache.rolling?.window ?? -1,
    cache.rolling?.sinks ?? -1,
  );

function constructorTarget(draw: Draw, backend: TestedBackend): Target {
  return {
    name: 'new KeyValueCache',
    arguments: () => [cacheOptions(draw, backend)],
    call: (args) => {
      using cache: KeyValueCache = Reflect.construct(KeyValueCache, args);
      const numbers = describeCache(cache);
      return { numbers: new Tensor(numbers, [numbers.length]) };
    },
    model: ([options]) => {
      const empty = emptyHolding(options, ['cpu', locationOf(backend)]);
      const { type, entries, heads, width, valueWidth, capacity, pageSize = -1 } = empty;
      const values = [
        cacheTypes.indexOf(type),
        entries.length,
        heads,
        width,
        valueWidth,
        capacity,
        pageSize,
        0,
        0,
        empty.rolling?.window ?? -1,
        empty.rolling?.sinks ?? -1,
      ];
      return { numbers: { type: 'float64', dims: [values.length], values } };
    },
    results: (result) => result as Record<string, unknown>,
  };
}

function poolOptions(draw: Draw, backend: TestedBackend): KeyValuePoolOptions {
  const { heads, width, valueWidth, type, location } = cacheOptions(draw, backend);
  return {
    heads,
    width,
    pages: 1 + draw.below(8),
    ...(valueWidth === undefined ? {} : { valueWidth }),
    ...(type === undefined ? {} : { type }),
    ...(location === undefined ? {} : { location }),
    ...maybe(draw, 'pageSize', () => 1 + draw.below(4)),
  };
}

/** A new pool, and its first sequence. */
function poolTarget(draw: Draw, backend: TestedBackend): Target {
  return {
    name: 'new KeyValuePool',
    arguments: () => [poolOptions(draw, backend)],
    call: (args) => {
      using pool: KeyValuePool = Reflect.construct(KeyValuePool, args);
      const numbers = Float64Array.of(
        pool.pages,
        pool.pageSize,
        pool.used,
        pool.byteLength,
        Number(pool.disposed),
        ...describeCache(pool.sequence()),
      );
      return { numbers: new Tensor(numbers, [numbers.length]) };
    },
    model: ([options]) => {
      const { form, pages, pageSize } = poolModel(options, ['cpu', locationOf(backend)]);
      const { type, heads, width, valueWidth } = form;
      const cache = [cacheTypes.indexOf(type), 1, heads, width, valueWidth];
      const capacity = Math.min(pages * pageSize, 2 ** 31 - 1);
      const values = [pages, pageSize, 0, 0, 0, ...cache, capacity, pageSize, 0, 0, -1, -1];
      return { numbers: { type: 'float64', dims: [values.length], values } };
    },
    results: (result) => result as Record<string, unknown>,
  };
}

function queryArguments(draw: Draw, backend: TestedBackend) {
  const { cache, holding } = keptCache(draw, backend);
  const { heads: keyHeads, width, entries } = holding;
  const heads = keyHeads * (1 + draw.below(2));
  const lengths = entries.map(({ length }) => length);
  const keys = Math.max(0, ...lengths);
  return { cache, heads, keyHeads, width, keys, lengths, batch: entries.length };
}

function denseArguments(draw: Draw, backend: TestedBackend): unknown[] {
  const { cache, lengths, batch, ...scored } = queryArguments(draw, backend);
  const { heads, width, keys } = scored;
  const queries = 1 + draw.below(3);
  const layout = pick(draw, ['bhsd', 'bshd']);
  return [
    operandOf(draw, layout === 'bhsd' ? [batch, heads, queries, width] : [batch, queries, heads, width]),
    cache,
    {
      ...(layout === 'bshd' ? { layout } : {}),
      ...sharedOptions(draw, scored, [batch, heads, queries, keys], backend),
      ...maybe(draw, 'kvLengths', () =>
        integersIn(
          draw,
          lengths.map((length) => draw.below(length + 1)),
        ),
      ),
      ...maybe(draw, 'queryOffset', () => draw.below(8) - 3),
    },
  ];
}

function detailsArguments(draw: Draw, backend: TestedBackend): unknown[] {
  const [query, cache, options] = denseArguments(draw, backend) as [{ dims: number[] }, unknown, object];
  const stepsFirst = 'layout' in options;
  const [heads, queries] = stepsFirst ? [query.dims[2], query.dims[1]] : [query.dims[1], query.dims[2]];
  return [query, cache, { ...options, ...detailsOptions(draw, heads, queries) }];
}

function packedArguments(draw: Draw, backend: TestedBackend): unknown[] {
  const { cache, lengths, batch, ...scored } = queryArguments(draw, backend);
  const { heads, width, keys } = scored;
  const counts = lengths.map(() => draw.below(4));
  const queryStarts = [0];
  for (const count of counts) queryStarts.push((queryStarts.at(-1) ?? 0) + count);
  return [
    operandOf(draw, [queryStarts[batch], heads, width]),
    cache,
    {
      queryStarts: integersIn(draw, queryStarts),
      ...sharedOptions(draw, scored, [batch, heads, Math.max(0, ...counts), keys], backend),
      ...maybe(draw, 'kvLengths', () =>
        integersIn(
          draw,
          lengths.map((length) => draw.below(length + 1)),
        ),
      ),
    },
  ];
}

/** Caches of one pool with some steps each; some are forks of others. */
export function keptCaches(
  draw: Draw,
  backend: TestedBackend,
  fixed: Partial<KeyValuePoolOptions> = {},
): Kept[] {
  const options = { ...poolOptions(draw, backend), ...fixed };
  const pool = new KeyValuePool({ ...options, pages: 100 });
  const { pages: _, pageSize: __, ...form } = options;
  const empty = emptyHolding({ ...form, batch: 1, capacity: 100 }, ['cpu', locationOf(backend)]);
  const caches: Kept[] = [];
  for (let i = 1 + draw.below(3); i > 0; i--) {
    const from = caches.length > 0 && draw.below(3) === 0 ? pick(draw, caches) : undefined;
    const cache = from ? from.cache.fork() : pool.sequence();
    const args = appendArguments(draw, from?.holding ?? empty);
    loosely(cache.append.bind(cache))(...args);
    const holding = { ...appended(from?.holding ?? empty, args), pool };
    remember(cache, holding);
    caches.push({ cache, holding });
  }
  return caches;
}

/** As packedArguments, with a cache for each sequence. */
function listArguments(draw: Draw, backend: TestedBackend): unknown[] {
  const caches = keptCaches(draw, backend);
  const { heads: keyHeads, width } = caches[0].holding;
  const heads = keyHeads * (1 + draw.below(2));
  const lengths = caches.map(({ holding }) => holding.entries[0].length);
  const counts = lengths.map(() => draw.below(4));
  const queryStarts = [0];
  for (const count of counts) queryStarts.push((queryStarts.at(-1) ?? 0) + count);
  const dims = [caches.length, heads, Math.max(0, ...counts), Math.max(0, ...lengths)];
  return [
    operandOf(draw, [queryStarts[caches.length], heads, width]),
    caches.map(({ cache }) => cache),
    {
      queryStarts: integersIn(draw, queryStarts),
      ...sharedOptions(draw, { heads, keyHeads, width, keys: dims[3] }, dims, backend),
      ...maybe(draw, 'kvLengths', () =>
        integersIn(
          draw,
          lengths.map((length) => draw.below(length + 1)),
        ),
      ),
    },
  ];
}

/** Calls of the caches themselves; the backend decides how they are attended. */
export function cacheTargets(draw: Draw, backend: TestedBackend): Target[] {
  return [
    constructorTarget(draw, backend),
    poolTarget(draw, backend),
    ...cacheMethods.map((method) => methodTarget(draw, backend, method)),
  ];
}

/** Every form of attention over a cache on one backend. */
export function cachedAttentionTargets(draw: Draw, backend: TestedBackend): Target[] {
  const output = (model: (args: readonly unknown[]) => Expected) => ({
    model: (args: readonly unknown[]) => ({ output: model(args) }),
    results: (result: unknown) => ({ output: result }),
  });
  const dense = { arguments: () => denseArguments(draw, backend), ...output(cachedAttentionModel) };
  const packed = { arguments: () => packedArguments(draw, backend), ...output(cachedPackedModel) };
  const details = {
    arguments: () => detailsArguments(draw, backend),
    model: cachedDetailsModel,
    results: (result: unknown) => result as Record<string, unknown>,
  };
  const forms = {
    attention: { call: attention, ...dense },
    attentionSync: { call: attentionSync, ...dense },
    attentionDetails: { call: attentionDetails, ...details },
    attentionDetailsSync: { call: attentionDetailsSync, ...details },
    packedAttention: { call: packedAttention, ...packed },
    packedAttentionSync: { call: packedAttentionSync, ...packed },
  };
  return Object.entries(forms).map(([name, { call, ...form }]) => ({
    name: `over a cache, ${name}`,
    call: (args: readonly unknown[]) => loosely(call)(...args),
    ...form,
  }));
}

/** Packed attention over a list of caches. */
export function severalCachesTargets(draw: Draw, backend: TestedBackend): Target[] {
  return Object.entries({ packedAttention, packedAttentionSync }).map(([name, call]) => ({
    name: `over several caches, ${name}`,
    arguments: () => listArguments(draw, backend),
    call: (args: readonly unknown[]) => loosely(call)(...args),
    model: (args: readonly unknown[]) => ({ output: cachedPackedModel(args) }),
    results: (result: unknown) => ({ output: result }),
  }));
}
