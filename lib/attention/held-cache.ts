/** Caches as arguments of attention. */

import type { CacheViews } from '../key-value-cache/cache-state.js';
import { KeyValueCache } from '../key-value-cache/key-value-cache.js';
import type { KeyValueSource } from './arguments.js';

export function isCache(value: unknown): value is KeyValueCache {
  return value instanceof KeyValueCache;
}

/** Keys and values of a cache, whose memory belongs to heed and not to the caller. */
export function cacheSource({ key, value }: CacheViews): KeyValueSource {
  return { views: () => ({ key, value, inputs: [] }) };
}

/** A snapshot of a cache at the beginning of an operation, valid until it is released. */
export interface HeldCache extends Pick<KeyValueCache, 'heads' | 'width' | 'valueWidth' | 'location'> {
  readonly lengths: Int32Array;
  readonly source: KeyValueSource;
  release(): void;
}

/** Throws HEED_DISPOSED. */
export function holdCache(cache: KeyValueCache): HeldCache {
  const state = KeyValueCache.stateOf(cache);
  const { heads, width, valueWidth } = state.pool.form;
  const { location } = state.pool;
  const { lengths } = state;
  const snapshot = state.snapshot();
  return {
    heads,
    width,
    valueWidth,
    location,
    lengths,
    source: cacheSource(snapshot),
    release: snapshot.release,
  };
}
