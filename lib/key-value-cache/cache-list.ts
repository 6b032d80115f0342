/** Lists of caches among arguments: one for each sequence, with pages of one pool. */
import { readList } from '../checks/lists.js';
import { invalid } from '../checks/values.js';
import { HeedError } from '../errors.js';
import { mostEntries } from './arguments.js';
import { CacheEntries } from './entries.js';
import { KeyValueCache } from './key-value-cache.js';
import type { CacheState } from './state.js';

function readState(value: unknown, name: string): CacheState {
  if (!(value instanceof KeyValueCache)) throw invalid(name, 'a KeyValueCache', value);
  const state = KeyValueCache.stateOf(value);
  if (state.batch === 1) return state;
  throw new HeedError(
    'HEED_SHAPE_MISMATCH',
    `Expected ${name} to have one entry, as each sequence has a cache of its own, received one with ${state.batch}`,
  );
}

/** The entries of caches that have one each; undefined where there are none. Throws HEED_DISPOSED. */
export function readCacheList(value: unknown, name: string): CacheEntries | undefined {
  const states = readList(value, name, mostEntries).map((cache, i) => readState(cache, `${name}[${i}]`));
  const places = new Map<CacheState, number>();
  for (const [i, state] of states.entries()) {
    const before = places.get(state);
    if (before !== undefined) {
      throw new HeedError(
        'HEED_INVALID_ARGUMENT',
        `Expected ${name}[${i}] to be another cache than ${name}[${before}], received the same; fork() makes another`,
      );
    }
    if (state.pool !== states[0].pool) {
      throw new HeedError(
        'HEED_INVALID_ARGUMENT',
        `Expected ${name}[${i}] to be of the same pool as ${name}[0], received one of another; sequence() of one KeyValuePool, or fork() of one cache, makes those that fit together`,
      );
    }
    places.set(state, i);
  }
  return states.length > 0 ? new CacheEntries(states, (entry) => `${name}[${entry}]`) : undefined;
}
