/** Scaled dot-product attention. */
import { buildProblem } from './attention-arguments.js';
import { type AttentionOptions, attentionOptionNames } from './attention-options.js';
import { solve, solveSync } from './backends.js';
import { readOptions } from './checks/options.js';
import { readDenseArguments } from './dense-attention.js';
import type { Tensor } from './tensor.js';
import type { TensorLike } from './tensor-type.js';

function prepare(query: unknown, key: unknown, value: unknown, options: unknown) {
  const args = readDenseArguments(query, key, value, readOptions(options, attentionOptionNames));
  return { ...buildProblem(args), backend: args.settings.backend, signal: args.settings.signal };
}

/**
 * softmax(query · keyᵀ / √width) · value for every batch entry and head, computed without ever
 * holding the matrix of weights (Vaswani et al. 2017, "Attention Is All You Need"; Dao et al. 2022,
 * "FlashAttention"). Runs on threads of heed's own; the event loop stays free. (What takes a few microseconds,
 * less than waking a thread, is done before the promise is returned, unless there is a signal.)
 *
 * A query row without any key to attend gives zeros. Consecutive query heads share a key/value head
 * when there are fewer of those (Ainslie et al. 2023, "GQA"). float16 and bfloat16 are summed in
 * float32; float64 runs on the reference backend only.
 *
 * @param query [batch, heads, querySteps, width], any floating-point type; width from 1 to 512
 * @param key [batch, keyHeads, keySteps, width], of the same type; keyHeads divides heads
 * @param value [batch, keyHeads, keySteps, valueWidth], of the same type
 * @returns [batch, heads, querySteps, valueWidth] in the type and layout of query; `options.out` if given
 * @throws HeedError (as a rejection) for whatever does not fit, before any work starts: see `code`.
 *   When aborted, it rejects with the signal's reason.
 *
 * @example
 * const output = await attention(query, key, value, { causal: true });
 */
export async function attention(
  query: TensorLike,
  key: TensorLike,
  value: TensorLike,
  options?: AttentionOptions,
): Promise<Tensor> {
  const { backend, problem, output, signal } = prepare(query, key, value, options);
  await solve(backend, [problem], signal);
  return output;
}

/**
 * {@link attention}, done when it returns. Blocks the event loop meanwhile: meant for small inputs,
 * scripts and worker threads.
 */
export function attentionSync(
  query: TensorLike,
  key: TensorLike,
  value: TensorLike,
  options?: AttentionOptions,
): Tensor {
  const { backend, problem, output, signal } = prepare(query, key, value, options);
  solveSync(backend, [problem], signal);
  return output;
}
