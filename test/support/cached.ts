/** Caches for tests: filled with the contents of tensors, and their values after quantisation. */
import { CacheEntries } from '../../lib/key-value-cache/entries.js';
import {
  type CacheType,
  KeyValueCache,
  type KeyValueCacheOptions,
} from '../../lib/key-value-cache/key-value-cache.js';
import type { Pages, StoredView } from '../../lib/problem/problem.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import type { FloatType, TensorLike } from '../../lib/tensor/types.js';
import { float8Numbers, nearestFloat8 } from './float8.js';
import { toNumbers } from './numbers.js';
import type { Random } from './random.js';

export interface FilledOptions extends Pick<KeyValueCacheOptions, 'type' | 'pageSize' | 'location'> {
  readonly layout?: 'bhsd' | 'bshd';
  /** Additional capacity. */
  readonly spare?: number;
}

/** Some steps of a tensor, all of its other axes. */
export function stepsOf(tensor: TensorLike, axis: 1 | 2, first: number, last: number): Tensor {
  const { type, dims } = tensor;
  const inner = dims.slice(axis + 1).reduce((product, length) => product * length, 1);
  const outer = dims.slice(0, axis).reduce((product, length) => product * length, 1);
  const result = Tensor.zeros(
    type,
    dims.map((length, i) => (i === axis ? last - first : length)),
  );
  const data = tensor.data as Float32Array;
  for (let i = 0; i < outer; i++) {
    const start = i * dims[axis] * inner;
    (result.data as Float32Array).set(
      data.subarray(start + first * inner, start + last * inner),
      i * (last - first) * inner,
    );
  }
  return result;
}

/** A cache that contains key and value, appended a random number of steps at a time. */
export function filledCache(
  random: Random,
  key: Tensor,
  value: Tensor,
  { layout = 'bhsd', spare = 3, ...options }: FilledOptions = {},
): KeyValueCache {
  const [heads, steps] = layout === 'bhsd' ? ([1, 2] as const) : ([2, 1] as const);
  const cache = new KeyValueCache({
    batch: key.dims[0],
    heads: key.dims[heads],
    width: key.dims[3],
    valueWidth: value.dims[3],
    capacity: key.dims[steps] + spare,
    ...options,
  });
  for (let first = 0; first < key.dims[steps]; ) {
    const last = Math.min(key.dims[steps], first + random.integer(1, 1 + key.dims[steps]));
    cache.append(stepsOf(key, steps, first, last), stepsOf(value, steps, first, last), { layout });
    first = last;
  }
  return cache;
}

function nearestEven(x: number): number {
  const below = Math.floor(x);
  if (x - below !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}

/** For each type whose rows have a scale: what the largest magnitude becomes, and the multiple nearest to a number. */
const scaledTypes: Partial<Record<CacheType, { most: number; nearest: (x: number) => number }>> = {
  int8: { most: 127, nearest: nearestEven },
  float8: { most: 448, nearest: (x) => float8Numbers[nearestFloat8(x)] },
};

/** The rows as a cache of the type stores them, in their own type. */
export function asKept(type: CacheType, rows: Tensor): Tensor {
  const scaled = scaledTypes[type];
  if (scaled === undefined) return rows.cast(type as FloatType).cast(rows.type as FloatType);
  const numbers = toNumbers(rows);
  const width = rows.dims[rows.dims.length - 1];
  const kept = new Float32Array(numbers.length);
  for (let start = 0; start < numbers.length; start += width) {
    const row = numbers.slice(start, start + width);
    const scale = Math.fround(Math.max(...row.map(Math.abs)) / scaled.most);
    for (const [i, x] of row.entries())
      kept[start + i] = scale === 0 ? 0 : scaled.nearest(Math.fround(x / scale)) * scale;
  }
  return new Tensor(kept, rows.dims).cast(rows.type as FloatType);
}

export const cacheTypes: readonly CacheType[] = ['float32', 'float16', 'bfloat16', 'int8', 'float8'];

/** A row as a cache stores it: multiples of a scale, each channel times its factor. */
export interface StoredRow {
  /** Of int8, the multiples; of float8, their codes. */
  readonly multiples: readonly number[];
  readonly scale: number;
  readonly factors: readonly number[];
}

function rowsIn(view: StoredView, entry: number, steps: number, heads: number, width: number): StoredRow[] {
  const { steps: pageSteps, lists, perSlab, stride, slabs, scales, outliers } = view.pages as Pages;
  const pitch = 16 * Math.ceil(width / 16);
  const blocks = Math.ceil(pageSteps / 128);
  return Array.from({ length: heads * steps }, (_, i) => {
    const [head, step] = [Math.floor(i / steps), i % steps];
    const page = lists[entry].ids[Math.floor(step / pageSteps)];
    const [slab, place, within] = [Math.floor(page / perSlab), page % perSlab, step % pageSteps];
    const start = place * stride + head * view.headStride + within * view.stepStride;
    const multiples = [...(slabs[slab] as Int8Array | Uint8Array).subarray(start, start + width)];
    const scale = (scales as Float32Array[])[slab][(place * heads + head) * pageSteps + within];
    const block = ((place * heads + head) * blocks + Math.floor(within / 128)) * 2 * pitch;
    const from = (level: number, channel: number) =>
      (outliers as Uint8Array[] | undefined)?.[slab][block + (level - 1) * pitch + channel] ?? 255;
    const factors = multiples.map((_, channel) =>
      within % 128 >= from(2, channel) ? 64 : within % 128 >= from(1, channel) ? 16 : 1,
    );
    return { multiples, scale, factors };
  });
}

/** Everything that a cache with scales stores of its steps: for each entry, its rows, head by head. */
export function storedIn(cache: KeyValueCache): { keys: StoredRow[]; values: StoredRow[] }[] {
  const state = KeyValueCache.stateOf(cache);
  const { heads, width, valueWidth } = state.pool.form;
  const { key, value, release } = CacheEntries.of(state).snapshot();
  try {
    return Array.from(cache.lengths, (steps, entry) => ({
      keys: rowsIn(key, entry, steps, heads, width),
      values: rowsIn(value, entry, steps, heads, valueWidth),
    }));
  } finally {
    release();
  }
}

/** What an int8 cache with entries of one length says that its keys and values are. */
export function dequantised(cache: KeyValueCache): { key: Tensor; value: Tensor } {
  const entries = storedIn(cache);
  const tensor = (rows: StoredRow[], width: number) => {
    const numbers = rows.flatMap(({ multiples, scale, factors }) =>
      multiples.map((multiple, channel) => multiple * scale * factors[channel]),
    );
    const steps = rows.length / entries.length / cache.heads;
    return new Tensor(Float32Array.from(numbers), [entries.length, cache.heads, steps, width]);
  };
  return {
    key: tensor(
      entries.flatMap(({ keys }) => keys),
      cache.width,
    ),
    value: tensor(
      entries.flatMap(({ values }) => values),
      cache.valueWidth,
    ),
  };
}
