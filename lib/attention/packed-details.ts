/** What packed attention can give besides its output: log-sum-exps by token, scores and weights by sequence. */
import type { Operation } from '../backends/operation.js';
import { plainView } from '../checks/data.js';
import type { OptionValues } from '../checks/options.js';
import { HeedError } from '../errors.js';
import type { Allocations } from '../memory/allocations.js';
import { type Elements, isOnDevice } from '../memory/device.js';
import type { AttentionProblem, Problem, Scoring, Sequence, StoredView } from '../problem/problem.js';
import { packedStrides } from '../tensor/layout.js';
import type { Tensor } from '../tensor/tensor.js';
import type { TensorType } from '../tensor/types.js';
import type { AttentionArguments } from './arguments.js';
import {
  allIndices,
  buildRequested,
  type DetailsRequest,
  isAsked,
  type Matrices,
  makeMatrices,
  matrixNames,
  readDetails,
  rowsProblem,
} from './details.js';

/** What {@link packedAttentionDetails} returns: the output, and what `include` names. */
export interface PackedAttentionDetails {
  /** [queryTokens, heads, valueWidth] */
  output: Tensor;
  /** `[queryTokens, heads]`: ln Σ exp(biasedScores), sink included; what `mergeAttention` takes beside the output. */
  logSumExp?: Tensor;
  /** For each sequence [heads, queries, keys]: the factors of the values in the output. */
  weights?: Tensor[];
  /** For each sequence [heads, queries, keys]: scale · query·key. */
  scores?: Tensor[];
  /** For each sequence [heads, queries, keys]: scores after the softcap. */
  cappedScores?: Tensor[];
  /** For each sequence [heads, queries, keys]: scores after mask and ALiBi. */
  biasedScores?: Tensor[];
}

interface BatchView {
  readonly data: Elements;
  readonly type: TensorType;
  readonly batchStride: number;
}

/** What has an axis for the batch, from one entry on. */
function entryOf<View extends BatchView>(view: View, entry: number): View {
  const { data, type } = view;
  const start = entry * view.batchStride;
  if (start === 0) return view;
  if (!isOnDevice(data)) return { ...view, data: plainView(data, type, start) };
  throw new HeedError(
    'HEED_UNSUPPORTED',
    'Weights and scores of packed sequences do not support numbers per sequence on a device, such as those of a mask, yet; copy the tensors to the CPU with to()',
  );
}

/** @param heads query heads */
function scoringOf(scoring: Scoring, heads: number, entry: number): Scoring {
  const { mask, select, alibiSlopes } = scoring;
  const own = alibiSlopes && alibiSlopes.length > heads;
  return {
    ...scoring,
    alibiSlopes: own ? alibiSlopes.subarray(entry * heads, (entry + 1) * heads) : alibiSlopes,
    mask: mask && entryOf(mask, entry),
    select: select.kind === 'local' ? { ...select, centers: entryOf(select.centers, entry) } : select,
  };
}

function storedOf(view: StoredView, entry: number): StoredView {
  const { pages } = view;
  return pages ? { ...view, pages: { ...pages, lists: [pages.lists[entry]] } } : view;
}

/** The same attention, of one sequence alone. Tokens have no axis for the batch, so their views stay as they are. */
function sequenceOf(problem: AttentionProblem, entry: number): AttentionProblem {
  const { key, value, scoring, sequences, choices } = problem;
  return {
    ...problem,
    key: storedOf(key, entry),
    value: storedOf(value, entry),
    sequences: [sequences[entry]],
    scoring: scoringOf(scoring, problem.queryHeads, entry),
    choices: choices && { ...choices, start: choices.start + entry * choices.batchStride },
  };
}

/** The chosen steps of each sequence, in the order in which their tokens were chosen. */
function stepsOf(sequences: readonly Sequence[], tokens: Int32Array | undefined): readonly Int32Array[] {
  if (tokens === undefined) return sequences.map(({ querySteps }) => allIndices(querySteps));
  const steps = sequences.map((): number[] => []);
  for (const token of tokens) {
    let [low, high] = [0, sequences.length - 1];
    // The last sequence that begins at the token or before it; those before it that do so are empty.
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (sequences[middle].queryStart <= token) low = middle;
      else high = middle - 1;
    }
    steps[low].push(token - sequences[low].queryStart);
  }
  return steps.map((list) => Int32Array.from(list));
}

/** The problems of every sequence that something is asked of, and their results. */
function buildMatrices(
  args: AttentionArguments,
  problem: AttentionProblem,
  { include, rows }: DetailsRequest,
  allocations: Allocations,
): { problems: Problem[]; matrices: Matrices[] } {
  const sequences = args.sequences();
  const heads = rows.heads ?? allIndices(args.shape.queryHeads);
  const problems: Problem[] = [];
  const matrices = stepsOf(sequences, rows.queries).map((queries, entry) => {
    const { keySteps: keys } = sequences[entry];
    const dims = [heads.length, queries.length, keys];
    const made = makeMatrices(args.inputs.type, dims, include, args.settings.location, allocations);
    if (isAsked(made)) problems.push(rowsProblem(sequenceOf(problem, entry), { keys, heads, queries }, made));
    return made;
  });
  return { problems, matrices };
}

/** By name, what there is of each sequence. */
function byName(matrices: readonly Matrices[], include: DetailsRequest['include']) {
  const named: Pick<PackedAttentionDetails, (typeof matrixNames)[number]> = {};
  for (const name of matrixNames) {
    if (include.has(name)) named[name] = matrices.flatMap((each) => each[name] ?? []);
  }
  return named;
}

export function packedDetailsOperation(
  args: AttentionArguments,
  values: OptionValues<'include' | 'rows'>,
  allocations: Allocations,
): Operation<PackedAttentionDetails> {
  const { shape, settings, inputs } = args;
  const [tokens] = inputs.query.dims;
  const heads = shape.queryHeads;
  const request = readDetails(values, { queryHeads: heads, querySteps: tokens });
  const { include } = request;
  const strides = packedStrides(heads, 1);
  const built = buildRequested(args, include, [tokens, heads], strides, allocations);
  const { output, logSumExp } = built;
  const { problems, matrices } = matrixNames.some((name) => include.has(name))
    ? buildMatrices(args, built.problem, request, allocations)
    : { problems: [], matrices: [] };
  return {
    backend: settings.backend,
    problems: [...built.problems, ...problems],
    result: { output, ...(logSumExp && { logSumExp }), ...byName(matrices, include) },
    signal: settings.signal,
  };
}
