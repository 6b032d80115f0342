/** Pooling: from the rows of sequences to a row for each. */
import { readStarts } from '../attention/sequences.js';
import type { BackendName } from '../backends/backend.js';
import { chooseBackend } from '../backends/choose.js';
import { type Operation, run, runSync } from '../backends/operation.js';
import { expectRank } from '../checks/lists.js';
import { readOptions } from '../checks/options.js';
import { outTensor, readOut } from '../checks/out.js';
import { dataOf, expectFloat, readTensor } from '../checks/tensor.js';
import { booleanOption, choiceOption, signalOption } from '../checks/values.js';
import type { Allocations } from '../memory/allocations.js';
import { type PoolingProblem, type PoolingType, poolingTypes } from '../problem/problem.js';
import type { Tensor } from '../tensor/tensor.js';
import type { IntegerList, TensorLike } from '../tensor/types.js';

/** The options of {@link pooling}. */
export interface PoolingOptions {
  /**
   * Where each sequence starts among the tokens, followed by their number, as in packed attention: sequences + 1
   * entries. Default: all tokens are one sequence.
   */
  queryStarts?: IntegerList;
  /** 'mean' of a sequence's rows (default), or the 'first' or 'last' of them. */
  type?: PoolingType;
  /** Whether a row is divided by its length √(Σ x²) in the end, so that products of rows are cosines. Default false. */
  normalize?: boolean;
  /** As for attention; default 'auto'. */
  backend?: BackendName;
  /** A tensor to write the result to, which is then returned. Must not share memory with x. */
  out?: Tensor;
  /** Cancels, as for attention. */
  signal?: AbortSignal;
}

function prepare(allocations: Allocations, xValue: unknown, options: unknown): Operation<Tensor> {
  const x = readTensor(xValue, 'x');
  const type = expectFloat(x);
  expectRank(x.dims, 2, 'x', 'tokens, width');
  const [tokens, width] = x.dims;
  const values = readOptions(options, ['queryStarts', 'type', 'normalize', 'backend', 'out', 'signal']);
  const starts =
    values.queryStarts === undefined
      ? [0, tokens]
      : readStarts(values.queryStarts, 'options.queryStarts', tokens, 'x.dims[0]');
  const pooled = choiceOption(values.type, 'options.type', poolingTypes, 'mean');
  const normalised = booleanOption(values.normalize, 'options.normalize', false);
  const backend = chooseBackend(values.backend, type, x.location);
  const signal = signalOption(values.signal, 'options.signal');
  const out = readOut(values.out, 'options.out', type, [starts.length - 1, width], 'x.type', x);
  const input = dataOf(x);
  const output = outTensor(out, [{ name: 'x', data: input }], allocations);
  const problem: PoolingProblem = {
    kind: 'pooling',
    width,
    type,
    input,
    starts,
    pooling: pooled,
    normalised,
    output: output.data,
  };
  // Rows of nothing may be beyond counting.
  const problems = output.tensor.size === 0 ? [] : [problem];
  return { backend, problems, result: output.tensor, signal };
}

/**
 * A row for each sequence of rows: their mean, the first or the last, as sentence embeddings are made. Summed
 * in float64; a sequence without rows gives zeros.
 *
 * @param x [tokens, width], any floating-point type
 * @returns [sequences, width] in the type of x; `options.out` if given
 * @throws HeedError (as a rejection) for every bad argument, before any work starts: see `code`.
 *   When aborted, it rejects with the signal's reason.
 *
 * @example
 * const sentences = await pooling(hidden, { queryStarts: [0, 5, 12], normalize: true });
 */
export async function pooling(x: TensorLike, options?: PoolingOptions): Promise<Tensor> {
  return await run((allocations) => prepare(allocations, x, options));
}

/** {@link pooling}, synchronously: it throws instead of rejecting, and blocks the event loop. */
export function poolingSync(x: TensorLike, options?: PoolingOptions): Tensor {
  return runSync((allocations) => prepare(allocations, x, options));
}
