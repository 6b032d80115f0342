/** Attention with what a fused kernel does not store: scores, weights and log-sum-exps. */

import type { Operation } from '../backends/operation.js';
import { readNames } from '../checks/lists.js';
import { integerElement, readIntegerElements } from '../checks/numbers.js';
import { type OptionValues, readOptions } from '../checks/options.js';
import type { Allocations } from '../memory/allocations.js';
import type { AttentionProblem, Problem, RowsProblem } from '../problem/problem.js';
import { denseStrides, type Strides } from '../tensor/layout.js';
import type { Tensor } from '../tensor/tensor.js';
import type { FloatType, IntegerList, Location } from '../tensor/types.js';
import { type AttentionArguments, type BuiltAttention, buildProblem, makeChoices } from './arguments.js';
import { type AttentionOptions, attentionOptionNames } from './options.js';
import { isHard } from './scoring.js';
import type { AttentionShape } from './shape.js';

/** What there is one of for each query row and key. */
export const matrixNames = ['weights', 'scores', 'cappedScores', 'biasedScores'] as const;
type MatrixName = (typeof matrixNames)[number];
const detailNames = ['logSumExp', ...matrixNames] as const;

/** What {@link attentionDetails} can return besides the output. */
export type AttentionDetail = (typeof detailNames)[number];

/** The options of {@link attentionDetails}: those of attention, what to return, and for which rows. */
export interface AttentionDetailsOptions extends AttentionOptions {
  /**
   * What to return besides the output: float32 (float64 for float64 inputs), [batch, heads, queries, keys]
   * in every layout, except logSumExp:
   * - `scores`: scale · query·key
   * - `cappedScores`: after the softcap
   * - `biasedScores`: after mask and ALiBi, −∞ where a key may not be attended
   * - `weights`: exp(biasedScores − logSumExp), the factors of the values; 0 where a key may not be attended.
   *   For a hard selection 1 for the chosen key and 0 for all others; for a local one multiplied by its Gaussian.
   *   As exact as a log-sum-exp in float32: to 1 % where scores are around 10⁵, and meaningless beyond 10⁸.
   * - `logSumExp`: [batch, heads, queries], the natural logarithm of the sum of exp(biasedScores) and
   *   exp(sink); for a row without any key to attend that is the sink, or −∞ without one
   *
   * Past kvLengths and lengths all scores are −∞.
   */
  include: readonly AttentionDetail[];
  /** Limits weights and scores to these heads and query rows, in this order. Default: all. */
  rows?: {
    /** Query heads. Default: all. */
    heads?: IntegerList;
    /** Query rows. Default: all. */
    queries?: IntegerList;
  };
}

/** What {@link attentionDetails} returns: the output, and what `include` names. */
export interface AttentionDetails {
  /** [batch, heads, queries, valueWidth], in the layout of the query. */
  output: Tensor;
  /** `[batch, heads, queries]`: ln (Σ exp(biasedScores) + exp(sink)). */
  logSumExp?: Tensor;
  /** The factors of the values in the output. */
  weights?: Tensor;
  /** scale · query·key. */
  scores?: Tensor;
  /** Scores after the softcap. */
  cappedScores?: Tensor;
  /** Scores after mask and ALiBi. */
  biasedScores?: Tensor;
}

/** Undefined means all. */
function readIndices(value: unknown, name: string, count: number): Int32Array | undefined {
  if (value === undefined) return undefined;
  const list = readIntegerElements(value, name, count);
  return Int32Array.from(list, (element, i) => integerElement(element, `${name}[${i}]`, 0, count - 1));
}

/** Query heads and rows; undefined means all. */
interface Rows {
  readonly heads: Int32Array | undefined;
  readonly queries: Int32Array | undefined;
}

type RowsShape = Pick<AttentionShape, 'queryHeads' | 'querySteps'>;

function readRows(value: unknown, shape: RowsShape): Rows {
  const { heads, queries } = readOptions(value, ['heads', 'queries'], 'options.rows');
  return {
    heads: readIndices(heads, 'options.rows.heads', shape.queryHeads),
    queries: readIndices(queries, 'options.rows.queries', shape.querySteps),
  };
}

/** Tensors of weights and scores, by their names. */
export type Matrices = { [Name in MatrixName]?: Tensor };

/** Whether there is anything to compute for them. */
export function isAsked(matrices: Matrices): boolean {
  return Object.values(matrices).some(({ size }) => size > 0);
}

export function makeMatrices(
  type: FloatType,
  dims: readonly number[],
  include: ReadonlySet<AttentionDetail>,
  location: Location,
  allocations: Allocations,
): Matrices {
  const matrixType = type === 'float64' ? 'float64' : 'float32';
  const matrices: Matrices = {};
  for (const name of matrixNames) {
    if (include.has(name)) matrices[name] = allocations.result(matrixType, dims, location);
  }
  return matrices;
}

export function allIndices(count: number): Int32Array {
  const indices = new Int32Array(count);
  for (let i = 0; i < count; i++) indices[i] = i;
  return indices;
}

export function rowsProblem(
  attention: AttentionProblem,
  asked: Pick<RowsProblem, 'keys' | 'heads' | 'queries'>,
  { weights, scores, cappedScores, biasedScores }: Matrices,
): RowsProblem {
  return {
    kind: 'rows',
    attention,
    ...asked,
    ...(weights && { weights: weights.elements }),
    ...(scores && { scores: scores.elements }),
    ...(cappedScores && { cappedScores: cappedScores.elements }),
    ...(biasedScores && { biasedScores: biasedScores.elements }),
  };
}

export const detailsOptionNames = [...attentionOptionNames, 'include', 'rows'] as const;

/** What is asked for besides the output. */
export interface DetailsRequest {
  readonly include: ReadonlySet<AttentionDetail>;
  readonly rows: Rows;
}

/** @param shape query heads, and the query rows that may be chosen */
export function readDetails(values: OptionValues<'include' | 'rows'>, shape: RowsShape): DetailsRequest {
  return {
    include: readNames(values.include, 'options.include', detailNames),
    rows: readRows(values.rows, shape),
  };
}

/** Natural logarithms, in the precision of the computation; weights are made of them. */
function makeLogSumExp(
  { inputs, settings: { location } }: AttentionArguments,
  dims: readonly number[],
  include: ReadonlySet<AttentionDetail>,
  hard: boolean,
  allocations: Allocations,
): Tensor | undefined {
  const type = inputs.type === 'float64' ? 'float64' : 'float32';
  if (include.has('logSumExp')) return allocations.result(type, dims, location);
  return include.has('weights') && !hard ? allocations.temporary(type, dims, location) : undefined;
}

/** Attention that also writes what the request needs: log-sum-exps to a tensor of these dims, or choices. */
export function buildRequested(
  args: AttentionArguments,
  include: ReadonlySet<AttentionDetail>,
  dims: readonly number[],
  strides: Strides,
  allocations: Allocations,
): BuiltAttention & { readonly logSumExp: Tensor | undefined } {
  const hard = isHard(args.settings.scoring.select);
  const logSumExp = makeLogSumExp(args, dims, include, hard, allocations);
  const built = buildProblem(args, allocations, {
    ...(logSumExp && { logSumExp: { data: logSumExp.elements, type: logSumExp.type, ...strides } }),
    ...(hard && include.has('weights') && { choices: makeChoices(args, allocations) }),
  });
  return { ...built, logSumExp: include.has('logSumExp') ? logSumExp : undefined };
}

/** Attention and what was asked for besides: the results are the details, once the problems are solved. */
export interface BuiltDetails {
  readonly attention: AttentionProblem;
  readonly problems: Problem[];
  readonly details: AttentionDetails;
}

export function buildDetails(
  args: AttentionArguments,
  { include, rows }: DetailsRequest,
  allocations: Allocations,
): BuiltDetails {
  const { shape, settings } = args;
  const { batch, queryHeads, querySteps, keySteps } = shape;
  const dims = [batch, rows.heads?.length ?? queryHeads, rows.queries?.length ?? querySteps, keySteps];
  const matrices = makeMatrices(args.inputs.type, dims, include, settings.location, allocations);
  const { problem, problems, output, logSumExp } = buildRequested(
    args,
    include,
    [batch, queryHeads, querySteps],
    denseStrides('bhsd', queryHeads, querySteps, 1),
    allocations,
  );
  // What is empty may claim any number of rows; none of them exists.
  const shown = isAsked(matrices)
    ? [
        rowsProblem(
          problem,
          {
            keys: keySteps,
            heads: rows.heads ?? allIndices(queryHeads),
            queries: rows.queries ?? allIndices(querySteps),
          },
          matrices,
        ),
      ]
    : [];
  const details = { output, ...(logSumExp && { logSumExp }), ...matrices };
  return { attention: problem, problems: [...problems, ...shown], details };
}

export function detailsOperation(
  args: AttentionArguments,
  values: OptionValues<'include' | 'rows'>,
  allocations: Allocations,
): Operation<AttentionDetails> {
  const { problems, details } = buildDetails(args, readDetails(values, args.shape), allocations);
  return { backend: args.settings.backend, problems, result: details, signal: args.settings.signal };
}
