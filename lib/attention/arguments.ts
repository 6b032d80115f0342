/**
 * The arguments of every kind of attention. Reading them may run the caller's code; building the
 * problem from what was read does not, so that nothing changes between the checks and the work.
 */
import type { Backend } from '../backends/backend.js';
import type { Operation } from '../backends/operation.js';
import { expectPlace } from '../checks/location.js';
import type { OptionValues } from '../checks/options.js';
import { type OutArgument, outTensor } from '../checks/out.js';
import { dataOf, expectFloat, expectType, readStridedTensor, type TensorArgument } from '../checks/tensor.js';
import { signalOption } from '../checks/values.js';
import type { CacheViews } from '../key-value-cache/entries.js';
import type { Allocations } from '../memory/allocations.js';
import type { Elements } from '../memory/device.js';
import { attentionReads } from '../problem/accesses.js';
import type { AttentionProblem, Choices, Scoring, Sequence, StoredView, View } from '../problem/problem.js';
import type { Strides } from '../tensor/layout.js';
import type { Tensor } from '../tensor/tensor.js';
import type { FloatType, Location } from '../tensor/types.js';
import { locationKeys } from './score.js';
import { fitScoring, type ScoringArgument, type ScoringOptions, scoringForm } from './scoring.js';
import { withoutPadding } from './sequences.js';
import type { AttentionShape } from './shape.js';

/** The source of keys and values. */
export interface KeyValueSource {
  /** Accesses their memory for the first time. */
  views(): { readonly key: StoredView; readonly value: StoredView };
}

export interface AttentionInputs {
  readonly type: FloatType;
  readonly query: TensorArgument;
  readonly stored: KeyValueSource;
}

/** How tensors lie in memory. */
export interface Placement {
  readonly query: Strides;
  readonly output: Strides;
}

/** The options, except where sequences begin and end. */
export interface AttentionSettings {
  readonly scoring: ScoringArgument;
  readonly backend: Backend;
  /** Of what the caller passes, and of the results. */
  readonly location: Location;
  readonly signal: AbortSignal | undefined;
}

export interface AttentionArguments {
  readonly inputs: AttentionInputs;
  readonly shape: AttentionShape;
  readonly placement: Placement;
  readonly settings: AttentionSettings;
  /**
   * One for each batch entry. Dims may claim any number of entries, so this is made once elements for all of
   * them exist.
   */
  readonly sequences: () => readonly Sequence[];
  /** How many steps of each sequence are no padding, where its queries and keys are the same steps. */
  readonly lengths?: readonly number[] | undefined;
  readonly out: OutArgument;
}

/** How all four tensors lie in memory. */
export interface TensorPlacement extends Placement {
  readonly key: Strides;
  readonly value: Strides;
}

/** Query, key and value as they are passed. */
export interface TensorInputs {
  readonly type: FloatType;
  readonly query: TensorArgument;
  readonly key: TensorArgument;
  readonly value: TensorArgument;
}

export function readInputs(query: unknown, key: unknown, value: unknown): TensorInputs {
  const q = readStridedTensor(query, 'query');
  const k = readStridedTensor(key, 'key');
  const v = readStridedTensor(value, 'value');
  const type = expectFloat(q);
  expectType(k, type, 'query.type');
  expectType(v, type, 'query.type');
  expectPlace(k, q.location, q.name);
  expectPlace(v, q.location, q.name);
  return { type, query: q, key: k, value: v };
}

/** Keys and values in tensors of the query's type. */
export function tensorSource(
  { type, key, value }: Omit<TensorInputs, 'query'>,
  placement: Pick<TensorPlacement, 'key' | 'value'>,
): KeyValueSource {
  return {
    views: () => ({
      key: view(dataOf(key), type, placement.key),
      value: view(dataOf(value), type, placement.value),
    }),
  };
}

/** Keys and values of a cache, whose memory belongs to heed and not to the caller. */
export function cacheSource({ key, value }: CacheViews): KeyValueSource {
  return { views: () => ({ key, value }) };
}

/** @param backend of those that compute with the query's type */
export function readSettings(
  options: OptionValues<'mask' | 'signal'>,
  scoring: ScoringOptions,
  query: TensorArgument,
  shape: AttentionShape,
  backend: Backend,
): AttentionSettings {
  return {
    scoring: fitScoring(scoring, options.mask, shape, query, backend),
    backend,
    location: query.location,
    signal: signalOption(options.signal, 'options.signal'),
  };
}

function view(data: Elements, type: FloatType, { batchStride, headStride, stepStride }: Strides): View {
  return { data, type, batchStride, headStride, stepStride };
}

/** Memory for the keys that a hard selection chooses. */
export function makeChoices(
  { shape: { batch, queryHeads, querySteps }, settings }: AttentionArguments,
  allocations: Allocations,
): Choices {
  const dims = [batch, queryHeads, querySteps];
  const { elements } = allocations.temporary('float64', dims, settings.location);
  return { data: elements, start: 0, batchStride: queryHeads * querySteps, headStride: querySteps };
}

/** The same output over rows of padding, which attend nothing: whatever turns scores into weights has no say. */
function paddingProblem(problem: AttentionProblem, padding: readonly Sequence[]): AttentionProblem {
  const { score } = problem.scoring;
  const unbounded = { left: Number.POSITIVE_INFINITY, right: Number.POSITIVE_INFINITY };
  const scoring: Scoring = {
    score,
    scale: 1,
    softcap: 0,
    window: unbounded,
    alibiDistance: 'signed',
    select: { kind: 'soft' },
  };
  return { ...problem, sequences: padding, scoring, choices: undefined };
}

/** What gives attention, and its output once all problems are solved. */
export interface BuiltAttention {
  readonly problem: AttentionProblem;
  /** Starts with `problem`; what is left writes the rows of padding. */
  readonly problems: AttentionProblem[];
  readonly output: Tensor;
}

/**
 * Accesses the memory of all arguments for the first time. From here to the backend, none of the caller's
 * code runs.
 */
export function buildProblem(
  { inputs, shape, placement, settings, sequences, lengths, out }: AttentionArguments,
  allocations: Allocations,
  wanted: { readonly logSumExp?: View; readonly choices?: Choices } = {},
): BuiltAttention {
  const { type } = inputs;
  const query = view(dataOf(inputs.query), type, placement.query);
  const stored = inputs.stored.views();
  const scoring = scoringForm(settings.scoring, shape, type);
  const positions = locationKeys(settings.scoring.score, type);
  const key = positions ?? stored.key;
  const read = attentionReads({ query, key, value: stored.value, scoring });
  // Positions stand in for the keys, which the caller has passed all the same.
  if (positions && !stored.key.pages) read.push({ name: 'key', data: stored.key.data as Elements });
  const output = outTensor(out, read, allocations);
  const whole = sequences();
  const parts = lengths && withoutPadding(whole, lengths);
  const problem: AttentionProblem = {
    kind: 'attention',
    queryHeads: shape.queryHeads,
    keyHeads: shape.keyHeads,
    width: positions ? shape.width : shape.keyWidth,
    queryWidth: shape.width,
    valueWidth: shape.valueWidth,
    query,
    key,
    value: stored.value,
    output: view(output.data, type, placement.output),
    logSumExp: wanted.logSumExp,
    sequences: parts?.sequences ?? whole,
    scoring,
    choices: wanted.choices,
  };
  const isPadded = parts?.padding.some(({ querySteps }) => querySteps > 0);
  const problems = parts && isPadded ? [problem, paddingProblem(problem, parts.padding)] : [problem];
  return { problem, problems, output: output.tensor };
}

/** Attention with nothing beside the output. */
export function attentionOperation(args: AttentionArguments, allocations: Allocations): Operation<Tensor> {
  const { problems, output } = buildProblem(args, allocations);
  const { backend, signal } = args.settings;
  return { backend, problems, result: output, signal };
}
