/** Joining attention over disjoint sets of keys. */
import type { BackendName } from '../backends/backend.js';
import { chooseBackend } from '../backends/choose.js';
import { type Operation, run, runSync } from '../backends/operation.js';
import { expectDims, readList, sizeOf } from '../checks/lists.js';
import { expectPlace } from '../checks/location.js';
import { readNumbers } from '../checks/numbers.js';
import { readOptions } from '../checks/options.js';
import { outTensor, readOut } from '../checks/out.js';
import { dataOf, expectFloat, expectType, readTensor, type TensorArgument } from '../checks/tensor.js';
import { describeDims, invalid, signalOption } from '../checks/values.js';
import { HeedError } from '../errors.js';
import type { Allocations } from '../memory/allocations.js';
import type { MergeProblem } from '../problem/problem.js';
import type { Tensor } from '../tensor/tensor.js';
import type { NumberList, TensorLike } from '../tensor/types.js';

/** Attention over some of the keys: the result of `attentionDetails` with `include: ['logSumExp']`. */
export interface AttentionPart {
  /** [batch, heads, queries, valueWidth], or [tokens, heads, valueWidth] of packed sequences. */
  readonly output: TensorLike;
  /** The same axes without the last; float32 (float64 for float64 outputs). */
  readonly logSumExp: TensorLike;
}

/** What {@link mergeAttention} returns: attention over the union of the parts' keys. */
export interface MergedAttention {
  /** [batch, heads, queries, valueWidth] */
  output: Tensor;
  /** [batch, heads, queries], the log-sum-exp over all parts. */
  logSumExp: Tensor;
}

/** The options of {@link mergeAttention}. */
export interface MergeOptions {
  /**
   * One logit per head, the second axis, that takes part in the joint softmax and contributes no value: for
   * parts that were computed without sinks.
   */
  sinks?: NumberList;
  /** As for attention; default 'auto'. */
  backend?: BackendName;
  /** A tensor to write the output to, then returned as `output`. Must not share memory with a part. */
  out?: Tensor;
  /** Cancels, as for attention. */
  signal?: AbortSignal;
}

const mostParts = 4096;

interface PartArgument {
  readonly output: TensorArgument;
  readonly logSumExp: TensorArgument;
}

function readPart(value: unknown, name: string): PartArgument {
  if (value === undefined) throw invalid(name, 'an object with output and logSumExp', value);
  const { output, logSumExp } = readOptions(value, ['output', 'logSumExp'], name);
  return {
    output: readTensor(output, `${name}.output`),
    logSumExp: readTensor(logSumExp, `${name}.logSumExp`),
  };
}

function readParts(value: unknown): PartArgument[] {
  const parts = readList(value, 'parts', mostParts).map((part, i) => readPart(part, `parts[${i}]`));
  if (parts.length === 0) {
    throw new HeedError('HEED_SHAPE_MISMATCH', 'Expected parts to have at least one element, received none');
  }
  const [first] = parts;
  const type = expectFloat(first.output);
  const logType = type === 'float64' ? 'float64' : 'float32';
  if (first.output.dims.length === 0) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      'Expected parts[0].output.dims to end with a width, received []',
    );
  }
  for (const { output, logSumExp } of parts) {
    expectType(output, type, 'parts[0].output.type');
    expectDims(output.dims, output.name, first.output.dims);
    expectType(logSumExp, logType, `the type that belongs to ${output.name}`);
    expectDims(logSumExp.dims, logSumExp.name, first.output.dims.slice(0, -1));
    expectPlace(output, first.output.location, first.output.name);
    expectPlace(logSumExp, first.output.location, first.output.name);
  }
  return parts;
}

/** The second axis is that of the heads: of [batch, heads, queries] and of [tokens, heads]. */
const headAxis = 1;

function readSinks(value: unknown, { dims, name }: TensorArgument): Float64Array | undefined {
  if (value === undefined) return undefined;
  if (dims.length <= headAxis) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected ${name}.dims to have an axis of heads, the second, for options.sinks, received ${describeDims(dims)}`,
    );
  }
  return readNumbers(value, 'options.sinks', dims[headAxis], 'head');
}

function prepare(allocations: Allocations, parts: unknown, options: unknown): Operation<MergedAttention> {
  const args = readParts(parts);
  const values = readOptions(options, ['sinks', 'backend', 'out', 'signal']);
  const [{ output: first, logSumExp: firstLog }] = args;
  const sinks = readSinks(values.sinks, firstLog);
  const type = expectFloat(first);
  const backend = chooseBackend(values.backend, type, first.location);
  const signal = signalOption(values.signal, 'options.signal');
  const out = readOut(values.out, 'options.out', type, first.dims, 'parts[0].output.type', first);
  const inputs = args.map((part) => ({ output: dataOf(part.output), logSumExp: dataOf(part.logSumExp) }));
  const read = args.flatMap((part, i) => [
    { name: part.output.name, data: inputs[i].output },
    { name: part.logSumExp.name, data: inputs[i].logSumExp },
  ]);
  const output = outTensor(out, read, allocations);
  const logSumExp = allocations.result(firstLog.type, firstLog.dims, first.location);
  const problem: MergeProblem = {
    kind: 'merge',
    rows: firstLog.size,
    sinks,
    rowsPerHead: Math.max(1, sizeOf(firstLog.dims.slice(headAxis + 1))),
    width: first.dims[first.dims.length - 1],
    type,
    parts: inputs,
    output: output.data,
    logSumExp: logSumExp.elements,
  };
  return { backend, problems: [problem], result: { output: output.tensor, logSumExp }, signal };
}

/**
 * Joins attention over disjoint sets of keys into attention over their union: each part is weighted by
 * its share of the joint log-sum-exp (Dao et al. 2023, "Flash-Decoding"). A part without keys for a row
 * (log-sum-exp −∞) contributes nothing to it.
 *
 * All axes of an output but the last are those of its logSumExp, as in the layout 'bhsd' and in packed
 * sequences. Sinks take part exactly once: give them to one part, whichever it is, or to
 * `mergeAttention` and to no part. The log-sum-exp of a part includes its sinks, also in rows that have no
 * key there.
 *
 * @param parts at least one, all of the same shape and type
 * @returns the joint output and log-sum-exp, in the shapes and types of a part's
 * @throws HeedError (as a rejection) HEED_SHAPE_MISMATCH, HEED_TYPE_MISMATCH or HEED_LOCATION_MISMATCH if parts do not
 *   match, and others: see `code`. When aborted, it rejects with the signal's reason.
 */
export async function mergeAttention(
  parts: readonly AttentionPart[],
  options?: MergeOptions,
): Promise<MergedAttention> {
  return await run((allocations) => prepare(allocations, parts, options));
}

/** {@link mergeAttention}, synchronously: it throws instead of rejecting, and blocks the event loop. */
export function mergeAttentionSync(parts: readonly AttentionPart[], options?: MergeOptions): MergedAttention {
  return runSync((allocations) => prepare(allocations, parts, options));
}
