/**
 * The arguments of every kind of attention. Reading them may run the caller's code; building the
 * problem from what was read does not, so that nothing changes between the checks and the work.
 */
import { readSignal } from '../abort.js';
import type { Backend } from '../backends/backend.js';
import { chooseBackend } from '../backends/choose.js';
import { allocate } from '../checks/data.js';
import { expectPlace } from '../checks/location.js';
import { booleanOption, finiteOption } from '../checks/numbers.js';
import type { OptionValues } from '../checks/options.js';
import { type NamedInput, type OutArgument, outTensor } from '../checks/out.js';
import { dataOf, expectFloat, expectType, readTensor, type TensorArgument } from '../checks/tensor.js';
import { HeedError } from '../errors.js';
import type { Allocations } from '../memory/allocations.js';
import type { Elements } from '../memory/device-array.js';
import type { AttentionProblem, Choices, Sequence, StoredView, View } from '../problem/problem.js';
import type { Strides } from '../tensor/layout.js';
import type { Tensor } from '../tensor/tensor.js';
import type { FloatType, Location } from '../tensor/types.js';
import { type MaskArgument, maskView, readMask } from './mask.js';
import type { AttentionOptionName } from './options.js';
import {
  checkScore,
  defaultScale,
  locationKeys,
  type ScoreArgument,
  type ScoredNames,
  scoreForm,
  weightsOf,
} from './score-argument.js';
import { readOptionalPerHead, readSoftcap, readWindow } from './scoring.js';
import {
  checkSelection,
  readSelection,
  type SelectionArgument,
  selectionForm,
} from './selection-argument.js';

/** The source of keys and values. */
export interface KeyValueSource {
  /** Accesses their memory for the first time. */
  views(): {
    readonly key: StoredView;
    readonly value: StoredView;
    /** The part of the memory that belongs to the caller. */
    readonly inputs: readonly NamedInput[];
  };
}

export interface AttentionInputs {
  readonly type: FloatType;
  readonly query: TensorArgument;
  readonly stored: KeyValueSource;
}

export interface AttentionShape {
  readonly batch: number;
  readonly queryHeads: number;
  readonly keyHeads: number;
  readonly querySteps: number;
  readonly keySteps: number;
  /** Of queries. */
  readonly width: number;
  readonly keyWidth: number;
  readonly valueWidth: number;
}

/** How tensors lie in memory. */
export interface Placement {
  readonly query: Strides;
  readonly output: Strides;
}

/** The options, except where sequences begin and end. */
export interface AttentionSettings {
  readonly score: ScoreArgument;
  readonly scale: number;
  readonly softcap: number;
  readonly causal: boolean;
  readonly windowLeft: number;
  readonly windowRight: number;
  readonly alibiSlopes: Float64Array | undefined;
  readonly sinks: Float64Array | undefined;
  readonly mask: MaskArgument | undefined;
  readonly select: SelectionArgument;
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
  readonly out: OutArgument;
}

/** Query, key and value as they are passed. */
export interface TensorInputs {
  readonly type: FloatType;
  readonly query: TensorArgument;
  readonly key: TensorArgument;
  readonly value: TensorArgument;
}

export function readInputs(query: unknown, key: unknown, value: unknown): TensorInputs {
  const q = readTensor(query, 'query');
  const k = readTensor(key, 'key');
  const v = readTensor(value, 'value');
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
  placement: { readonly key: Strides; readonly value: Strides },
): KeyValueSource {
  return {
    views() {
      const keys = dataOf(key);
      const values = dataOf(value);
      return {
        key: view(keys, type, placement.key),
        value: view(values, type, placement.value),
        inputs: [
          { name: key.name, data: keys },
          { name: value.name, data: values },
        ],
      };
    },
  };
}

const widest = 512;

function expectWidth(width: number, name: string): void {
  if (width < 1 || width > widest) {
    throw new HeedError('HEED_INVALID_DIMS', `Expected ${name} to be from 1 to ${widest}, received ${width}`);
  }
}

/** Heads, widths and the score's weights, which are checked alike whatever the layout; the names say where they came from. */
export function checkShape(
  shape: AttentionShape,
  score: ScoreArgument,
  names: ScoredNames & { readonly valueWidth: string },
): void {
  expectWidth(shape.width, names.queryWidth);
  expectWidth(shape.valueWidth, names.valueWidth);
  if (shape.keyHeads < 1) {
    throw new HeedError('HEED_INVALID_DIMS', `Expected ${names.keyHeads} to be at least 1, received 0`);
  }
  if (shape.queryHeads < 1 || shape.queryHeads % shape.keyHeads !== 0) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected ${names.queryHeads} to be a multiple of ${names.keyHeads} (${shape.keyHeads}), received ${shape.queryHeads}`,
    );
  }
  checkScore(score, shape, names);
  expectWidth(shape.keyWidth, names.keyWidth);
}

/** The other tensors that attention reads, which must be where query, key and value are. */
export function expectTogether(
  source: Pick<TensorArgument, 'name' | 'location'>,
  { mask, score, select }: Pick<AttentionSettings, 'mask' | 'score' | 'select'>,
): void {
  const { location, name } = source;
  if (mask) expectPlace(mask.tensor, location, name);
  for (const weight of weightsOf(score)) expectPlace(weight, location, name);
  if (select.kind === 'local') expectPlace(select.centers, location, name);
}

/** Whether the backend has this kind of attention. Throws HEED_UNSUPPORTED. */
export function expectComputable(backend: Backend, score: ScoreArgument, select: SelectionArgument): void {
  const { kind } = score;
  backend.expectComputable(kind === 'scaled-dot' || kind === 'dot' ? 'product' : kind, select.kind);
}

/** @param backend of those that compute with the query's type */
export function readSettings(
  options: OptionValues<AttentionOptionName>,
  query: TensorArgument,
  shape: AttentionShape,
  score: ScoreArgument,
  backend = chooseBackend(options.backend, query.type, query.location),
): AttentionSettings {
  const window = readWindow(options.window, 'options.window');
  const { batch, queryHeads, querySteps, keySteps } = shape;
  const select = readSelection(options.select, 'options.select');
  checkSelection(select, [batch, queryHeads, querySteps]);
  const mask = readMask(options.mask, 'options.mask', [batch, queryHeads, querySteps, keySteps]);
  expectTogether(query, { mask, score, select });
  expectComputable(backend, score, select);
  return {
    score,
    scale: finiteOption(options.scale, 'options.scale', defaultScale(score, shape.width)),
    softcap: readSoftcap(options.softcap, 'options.softcap'),
    causal: booleanOption(options.causal, 'options.causal', false),
    windowLeft: window.left,
    windowRight: window.right,
    alibiSlopes: readOptionalPerHead(options.alibiSlopes, 'options.alibiSlopes', queryHeads),
    sinks: readOptionalPerHead(options.sinks, 'options.sinks', queryHeads),
    mask,
    select,
    backend,
    location: query.location,
    signal: readSignal(options.signal, 'options.signal'),
  };
}

function view(data: Elements, type: FloatType, { batchStride, headStride, stepStride }: Strides): View {
  return { data, type, batchStride, headStride, stepStride };
}

function logSumExpView(tensor: Tensor, { queryHeads, querySteps }: AttentionShape): View {
  return {
    data: tensor.elements,
    type: tensor.type,
    batchStride: queryHeads * querySteps,
    headStride: querySteps,
    stepStride: 1,
  };
}

/** Memory for the keys that a hard selection chooses. */
export function makeChoices({ batch, queryHeads, querySteps }: AttentionShape): Choices {
  const data = allocate('float64', batch * queryHeads * querySteps, 'the chosen keys') as Float64Array;
  return { data, batchStride: queryHeads * querySteps, headStride: querySteps };
}

/**
 * Accesses the memory of all arguments for the first time. From here to the backend, none of the caller's
 * code runs.
 */
export function buildProblem(
  { inputs, shape, placement, settings, sequences, out }: AttentionArguments,
  allocations: Allocations,
  wanted: { readonly logSumExp?: Tensor; readonly choices?: Choices } = {},
): { problem: AttentionProblem; output: Tensor } {
  const { type } = inputs;
  const query = dataOf(inputs.query);
  const stored = inputs.stored.views();
  const mask = settings.mask && maskView(settings.mask, type);
  const score = scoreForm(settings.score, type);
  const positions = locationKeys(settings.score, type);
  const select = selectionForm(settings.select, [shape.batch, shape.queryHeads, shape.querySteps], type);
  const read = [
    { name: 'query', data: query },
    ...stored.inputs,
    ...(mask ? [{ name: 'options.mask', data: mask.data }] : []),
    ...(select.kind === 'local' ? [{ name: 'options.select.centers', data: select.centers.data }] : []),
    ...weightsOf(settings.score).map((weight) => ({ name: weight.name, data: dataOf(weight) })),
  ];
  const output = outTensor(out, read, allocations);
  const problem: AttentionProblem = {
    kind: 'attention',
    queryHeads: shape.queryHeads,
    keyHeads: shape.keyHeads,
    width: positions ? shape.width : shape.keyWidth,
    queryWidth: shape.width,
    valueWidth: shape.valueWidth,
    query: view(query, type, placement.query),
    key: positions ?? stored.key,
    value: stored.value,
    output: view(output.data, type, placement.output),
    sequences: sequences(),
    score,
    scale: settings.scale,
    softcap: settings.softcap,
    causal: settings.causal,
    windowLeft: settings.windowLeft,
    windowRight: settings.windowRight,
    logSumExp: wanted.logSumExp && logSumExpView(wanted.logSumExp, shape),
    mask,
    alibiSlopes: settings.alibiSlopes,
    sinks: settings.sinks,
    select,
    choices: wanted.choices,
  };
  return { problem, output: output.tensor };
}
