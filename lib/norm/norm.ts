/** Norms of rows, with the sum of a residual. */
import type { BackendName } from '../backends/backend.js';
import { chooseBackend } from '../backends/choose.js';
import { type Operation, run, runSync } from '../backends/operation.js';
import { expectDims, expectLength, expectRank, sizeOf } from '../checks/lists.js';
import { expectPlace } from '../checks/location.js';
import { readOptions } from '../checks/options.js';
import { type OutArgument, outTensor, readOut } from '../checks/out.js';
import {
  computedData,
  dataOf,
  expectFloat,
  expectType,
  readTensor,
  type TensorArgument,
} from '../checks/tensor.js';
import { choiceOption, epsilonOption, finiteOption, invalid, signalOption } from '../checks/values.js';
import { HeedError } from '../errors.js';
import type { Allocations } from '../memory/allocations.js';
import type { NormType } from '../multi-head-attention/linear.js';
import type { NormProblem } from '../problem/problem.js';
import type { Tensor } from '../tensor/tensor.js';
import type { FloatType, TensorLike } from '../tensor/types.js';

/** The options of {@link norm}. */
export interface NormOptions {
  /**
   * 'rms' is RMSNorm (Zhang and Sennrich 2019), 'layer' is LayerNorm (Ba et al. 2016), which subtracts the
   * mean of a row first. Default 'rms'.
   */
  type?: NormType;
  /** [width], any floating-point type: what each element of a normalised row is multiplied by. */
  weight: TensorLike;
  /** [width], any floating-point type, added last. Default: none. */
  bias?: TensorLike;
  /** Added to the mean square of a row, or to its variance. Default 1e-6. */
  epsilon?: number;
  /** Added to the weight: 1 where a checkpoint stores weights around 0, as Gemma's do. Default 0. */
  offset?: number;
  /** As for attention; default 'auto'. */
  backend?: BackendName;
  /** A tensor to write the output to, which is then returned. Must not share memory with an input. */
  out?: Tensor;
  /** Cancels, as for attention. */
  signal?: AbortSignal;
}

/** The options of {@link norm} where a residual is added first. */
export interface SummedNormOptions extends Omit<NormOptions, 'out'> {
  /**
   * Of the dims and the type of x: added to x first. The sum is rounded to the type, returned beside the
   * output, and normalised as it was rounded.
   */
  residual: TensorLike;
  /** Tensors to write either result to, which are then returned. None may share memory with an input or the other. */
  out?: {
    /** For x + residual. */
    sum?: Tensor;
    /** For the sum, normalised. */
    output?: Tensor;
  };
}

/** What {@link norm} returns with a residual. */
export interface NormedSum {
  /** x + residual, in the dims and the type of x. */
  sum: Tensor;
  /** The sum, normalised. */
  output: Tensor;
}

const optionNames = [
  'type',
  'weight',
  'bias',
  'epsilon',
  'offset',
  'residual',
  'backend',
  'out',
  'signal',
] as const;

function readFactors(value: unknown, name: string, width: number, x: TensorArgument): TensorArgument {
  const factors = readTensor(value, name);
  expectFloat(factors);
  expectRank(factors.dims, 1, name, 'width');
  expectLength(factors.dims[0], `${name}.dims[0]`, width, `${x.name}.dims[${x.dims.length - 1}]`);
  expectPlace(factors, x.location, x.name);
  return factors;
}

function readResidual(value: unknown, x: TensorArgument): TensorArgument | undefined {
  if (value === undefined) return undefined;
  const residual = readTensor(value, 'options.residual');
  expectType(residual, x.type, 'x.type');
  expectDims(residual.dims, residual.name, x.dims);
  expectPlace(residual, x.location, x.name);
  return residual;
}

interface Outs {
  readonly sum: OutArgument;
  readonly output: OutArgument;
}

function readOuts(value: unknown, type: FloatType, x: TensorArgument, hasSum: boolean): Outs {
  const outOf = (given: unknown, name: string) => readOut(given, name, type, x.dims, 'x.type', x);
  if (!hasSum) return { sum: outOf(undefined, 'options.out.sum'), output: outOf(value, 'options.out') };
  const { sum, output } = readOptions(value, ['sum', 'output'], 'options.out');
  return { sum: outOf(sum, 'options.out.sum'), output: outOf(output, 'options.out.output') };
}

function prepare(allocations: Allocations, xValue: unknown, options: unknown): Operation<Tensor | NormedSum> {
  const x = readTensor(xValue, 'x');
  const type = expectFloat(x);
  if (x.dims.length === 0) {
    throw new HeedError('HEED_SHAPE_MISMATCH', 'Expected x.dims to end with a width, received []');
  }
  const width = x.dims[x.dims.length - 1];
  if (options === undefined) throw invalid('options', 'an object with a weight', options);
  const values = readOptions(options, optionNames);
  const weight = readFactors(values.weight, 'options.weight', width, x);
  const bias = values.bias === undefined ? undefined : readFactors(values.bias, 'options.bias', width, x);
  const normType = choiceOption(values.type, 'options.type', ['rms', 'layer'], 'rms');
  const epsilon = epsilonOption(values.epsilon, 'options.epsilon');
  const offset = finiteOption(values.offset, 'options.offset', 0);
  const residual = readResidual(values.residual, x);
  const backend = chooseBackend(values.backend, type, x.location);
  const signal = signalOption(values.signal, 'options.signal');
  const outs = readOuts(values.out, type, x, residual !== undefined);

  const input = dataOf(x);
  const added = residual && dataOf(residual);
  const factors = computedData(weight, type);
  const terms = bias && computedData(bias, type);
  const read = [
    { name: 'x', data: input },
    ...(added ? [{ name: 'options.residual', data: added }] : []),
    { name: 'options.weight', data: factors.data },
    ...(terms ? [{ name: 'options.bias', data: terms.data }] : []),
  ];
  const output = outTensor(outs.output, read, allocations);
  const sum = added && outTensor(outs.sum, [...read, { name: 'the output', data: output.data }], allocations);
  const problem: NormProblem = {
    kind: 'norm',
    rows: sizeOf(x.dims.slice(0, -1)),
    width,
    type,
    input,
    residual: added,
    sum: sum?.data,
    output: output.data,
    weight: factors,
    bias: terms,
    offset,
    epsilon,
    centered: normType === 'layer',
  };
  const result = sum ? { sum: sum.tensor, output: output.tensor } : output.tensor;
  // Rows of nothing may be beyond counting.
  return { backend, problems: x.size === 0 ? [] : [problem], result, signal };
}

/**
 * Normalises rows: RMSNorm or LayerNorm, of x or of its sum with a residual. Computed in float32 (float64 for
 * float64 rows); a row comes to the same bits whatever the other rows are.
 *
 * @param x […, width], any floating-point type
 * @returns the output, in the dims and the type of x; with `options.residual` also the sum
 * @throws HeedError (as a rejection) for every bad argument, before any work starts: see `code`.
 *   When aborted, it rejects with the signal's reason.
 *
 * @example
 * const { sum, output } = await norm(attended, { weight, residual: tokens });
 */
export function norm(x: TensorLike, options: SummedNormOptions): Promise<NormedSum>;
export function norm(x: TensorLike, options: NormOptions): Promise<Tensor>;
export async function norm(
  x: TensorLike,
  options: NormOptions | SummedNormOptions,
): Promise<Tensor | NormedSum> {
  return await run((allocations) => prepare(allocations, x, options));
}

/** {@link norm}, synchronously: it throws instead of rejecting, and blocks the event loop. */
export function normSync(x: TensorLike, options: SummedNormOptions): NormedSum;
export function normSync(x: TensorLike, options: NormOptions): Tensor;
export function normSync(x: TensorLike, options: NormOptions | SummedNormOptions): Tensor | NormedSum {
  return runSync((allocations) => prepare(allocations, x, options));
}
