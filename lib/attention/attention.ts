/** Scaled dot-product attention. */

import type { Operation } from '../backends/operation.js';
import { readOptions } from '../checks/options.js';
import type { KeyValueCache } from '../key-value-cache/key-value-cache.js';
import type { Allocations } from '../memory/allocations.js';
import type { Tensor } from '../tensor/tensor.js';
import type { TensorLike } from '../tensor/types.js';
import { type AttentionArguments, buildProblem } from './arguments.js';
import { readCachedArguments } from './cached.js';
import { readDenseArguments } from './dense.js';
import { type AttentionForms, attend, attendSync } from './forms.js';
import { type AttentionOptions, attentionOptionNames } from './options.js';

/** The whole of it, with nothing beside the output. */
export function attentionOperation(args: AttentionArguments, allocations: Allocations): Operation<Tensor> {
  const { problem, output } = buildProblem(args, allocations);
  return {
    backend: args.settings.backend,
    problems: [problem],
    result: output,
    signal: args.settings.signal,
  };
}

const forms: AttentionForms<Tensor> = {
  overTensors(allocations, query, key, value, options) {
    const values = readOptions(options, attentionOptionNames);
    return attentionOperation(readDenseArguments(query, key, value, values), allocations);
  },
  overCache(allocations, query, cache, options) {
    const values = readOptions(options, attentionOptionNames);
    return attentionOperation(readCachedArguments(query, cache, values), allocations);
  },
};

/**
 * softmax(query · keyᵀ / √width) · value for every batch entry and head, computed without storing the matrix
 * of weights (Vaswani et al. 2017, "Attention Is All You Need"; Dao et al. 2022, "FlashAttention"). Runs on
 * heed's own threads and does not block the event loop. (An operation of a few microseconds, less than waking
 * a thread takes, is done before the promise is returned, unless there is a signal.)
 *
 * A query row that may attend no key gets zeros. Consecutive query heads share a key/value head
 * if there are fewer of those (Ainslie et al. 2023, "GQA"). float16 and bfloat16 are summed in
 * float32; float64 runs on the reference backend only.
 *
 * @param query [batch, heads, querySteps, width], any floating-point type; width from 1 to 512
 * @param key [batch, keyHeads, keySteps, width], of the same type; keyHeads divides heads
 * @param value [batch, keyHeads, keySteps, valueWidth], of the same type
 * @returns [batch, heads, querySteps, valueWidth] in the type and layout of query; `options.out` if given
 * @throws HeedError (as a rejection) for every bad argument, before any work starts: see `code`.
 *   When aborted, it rejects with the signal's reason.
 *
 * @example
 * const output = await attention(query, key, value, { causal: true });
 */
export function attention(
  query: TensorLike,
  key: TensorLike,
  value: TensorLike,
  options?: AttentionOptions,
): Promise<Tensor>;
/**
 * The same over the keys and values of a cache, to which the newest steps have already been appended: the
 * last query is at the position of the last step. Each entry has as many keys as the cache has steps of it,
 * or `options.kvLengths`. Queries may have another type than the cache.
 *
 * @param query [batch, heads, querySteps, width], any floating-point type
 * @param cache with as many entries as query, and the same width
 * @returns [batch, heads, querySteps, valueWidth] in the type and layout of query
 *
 * @example
 * cache.append(key, value);
 * const output = await attention(query, cache, { causal: true });
 */
export function attention(
  query: TensorLike,
  cache: KeyValueCache,
  options?: AttentionOptions,
): Promise<Tensor>;
export async function attention(query: TensorLike, ...rest: readonly unknown[]): Promise<Tensor> {
  return await attend(forms, query, rest);
}

/**
 * {@link attention}, synchronously: it throws instead of rejecting, and blocks the event loop.
 * For small inputs, scripts and worker threads.
 */
export function attentionSync(
  query: TensorLike,
  key: TensorLike,
  value: TensorLike,
  options?: AttentionOptions,
): Tensor;
/** The same over the keys and values of a cache. */
export function attentionSync(query: TensorLike, cache: KeyValueCache, options?: AttentionOptions): Tensor;
export function attentionSync(query: TensorLike, ...rest: readonly unknown[]): Tensor {
  return attendSync(forms, query, rest);
}
