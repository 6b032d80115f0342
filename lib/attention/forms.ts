/** The two forms of attention: over keys and values in tensors, or over those of a cache. */

import { type Operation, run, runSync } from '../backends/operation.js';
import { describe } from '../checks/describe.js';
import { HeedError } from '../errors.js';
import type { Allocations } from '../memory/allocations.js';
import { type HeldCache, holdCache, isCache } from './held-cache.js';

/** How each form is prepared. None of the caller's code runs afterwards. */
export interface AttentionForms<Result> {
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
    cache: HeldCache,
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
  { overTensors, overCache }: AttentionForms<Result>,
  query: unknown,
  [key, ...rest]: readonly unknown[],
): Promise<Result> {
  if (!isCache(key)) return await run((made) => overTensors(made, query, key, rest[0], rest[1]));
  const cache = holdCache(key);
  try {
    return await run((made) => overCache(made, query, cache, optionsAfterCache(rest)));
  } finally {
    cache.release();
  }
}

/** The same, synchronously. */
export function attendSync<Result>(
  { overTensors, overCache }: AttentionForms<Result>,
  query: unknown,
  [key, ...rest]: readonly unknown[],
): Result {
  if (!isCache(key)) return runSync((made) => overTensors(made, query, key, rest[0], rest[1]));
  const cache = holdCache(key);
  try {
    return runSync((made) => overCache(made, query, cache, optionsAfterCache(rest)));
  } finally {
    cache.release();
  }
}
