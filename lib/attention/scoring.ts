/** How scores become weights: the options that say it, read once and checked against shapes. */
import type { Backend } from '../backends/backend.js';
import { expectPlace } from '../checks/location.js';
import { type EntryNumbers, readEntryNumbers, readNumbers } from '../checks/numbers.js';
import { type OptionValues, readOptions } from '../checks/options.js';
import {
  broadcastStrides,
  computedData,
  expectFloat,
  readTensor,
  type TensorArgument,
} from '../checks/tensor.js';
import {
  booleanOption,
  choiceOption,
  finiteOption,
  integerBetween,
  invalid,
  isFiniteFloat32,
  listChoices,
} from '../checks/values.js';
import { HeedError } from '../errors.js';
import {
  type AlibiDistance,
  alibiDistances,
  type Scoring,
  type SelectionForm,
  type Window,
} from '../problem/problem.js';
import type { FloatType } from '../tensor/types.js';
import { type MaskArgument, maskView, readMask } from './mask.js';
import { defaultScale, readScore, type ScoreArgument, scoreForm, weightsOf } from './score.js';

const smallestNormalFloat32 = 2 ** -126;

/** 0 leaves scores uncapped. A cap that float32 would flush to 0 must not turn into none. */
export function readSoftcap(value: unknown, name: string): number {
  if (value === undefined || value === 0) return 0;
  if (!isFiniteFloat32(value) || value < smallestNormalFloat32) {
    throw invalid(name, '0 or a positive number in the range of float32', value);
  }
  return value;
}

const unbounded: Window = { left: Number.POSITIVE_INFINITY, right: Number.POSITIVE_INFINITY };

function readBounds(value: unknown, name: string): Window {
  const { left, right } = readOptions(value, ['left', 'right'], name);
  return { left: readReach(left, `${name}.left`), right: readReach(right, `${name}.right`) };
}

function readReach(value: unknown, name: string): number {
  if (value === undefined || value === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw invalid(name, 'a non-negative integer or Infinity', value);
  }
  return value;
}

/** Causal attention is a window that ends at the query: below, nothing else is known of it. */
function readWindow(value: unknown, causal: unknown, name: string): Window {
  const { left, right } = value === undefined ? unbounded : readBounds(value, `${name}.window`);
  return { left, right: booleanOption(causal, `${name}.causal`, false) ? Math.min(right, 0) : right };
}

function readOptionalPerHead(value: unknown, name: string, heads: number): Float64Array | undefined {
  return value === undefined ? undefined : readNumbers(value, name, heads, 'query head');
}

/** What was read of a selection; centers are accessed when a problem is built. */
export type SelectionArgument =
  | { readonly kind: 'soft' | 'hard' }
  | { readonly kind: 'drawn'; readonly seed: number }
  | { readonly kind: 'local'; readonly centers: TensorArgument; readonly halfWidth: number };

const plainKinds = ['soft', 'hard'] as const;

function readHalfWidth(value: unknown, name: string): number {
  if (!isFiniteFloat32(value) || value < smallestNormalFloat32) {
    throw invalid(name, 'a positive number in the range of float32', value);
  }
  return value;
}

function readCenters(value: unknown, name: string): TensorArgument {
  const centers = readTensor(value, name);
  expectFloat(centers);
  return centers;
}

function readTyped(value: object, name: string): SelectionArgument {
  const { type, seed, centers, halfWidth } = readOptions(
    value,
    ['type', 'seed', 'centers', 'halfWidth'],
    name,
  );
  if (type === undefined) throw invalid(`${name}.type`, listChoices(['hard', 'local']), type);
  if (choiceOption(type, `${name}.type`, ['hard', 'local'], 'hard') === 'local') {
    if (seed !== undefined) throw invalid(`${name}.seed`, "given with type 'hard' only", seed);
    return {
      kind: 'local',
      centers: readCenters(centers, `${name}.centers`),
      halfWidth: readHalfWidth(halfWidth, `${name}.halfWidth`),
    };
  }
  if (centers !== undefined) throw invalid(`${name}.centers`, "given with type 'local' only", centers);
  if (halfWidth !== undefined) throw invalid(`${name}.halfWidth`, "given with type 'local' only", halfWidth);
  return { kind: 'drawn', seed: integerBetween(seed, `${name}.seed`, 0, Number.MAX_SAFE_INTEGER) };
}

export function readSelection(value: unknown, name: string): SelectionArgument {
  if (value === undefined) return { kind: 'soft' };
  if (typeof value === 'object' && value !== null) return readTyped(value, name);
  const kind = plainKinds.find((candidate) => candidate === value);
  if (kind === undefined) throw invalid(name, `${listChoices(plainKinds)}, or an object with a type`, value);
  return { kind };
}

type CentersTarget = readonly [batch: number, heads: number, queries: number];

function centersStrides(centers: TensorArgument, target: CentersTarget): number[] {
  return broadcastStrides(centers, target, 'batch, heads, queries');
}

/** Whether exactly one key, or none, gets all the weight. */
export function isHard({ kind }: SelectionArgument): boolean {
  return kind === 'hard' || kind === 'drawn';
}

function selectionForm(
  selection: SelectionArgument,
  target: CentersTarget,
  computeType: FloatType,
): SelectionForm {
  if (selection.kind !== 'local') return selection;
  const { centers, halfWidth } = selection;
  const [batchStride, headStride, queryStride] = centersStrides(centers, target);
  return {
    kind: 'local',
    centers: { ...computedData(centers, computeType), batchStride, headStride, queryStride },
    halfWidth,
  };
}

/** The options that say how scores become weights, apart from the mask, which depends on the tensors. */
export interface ScoringOptions {
  readonly score: ScoreArgument;
  /** Undefined for the default, which depends on the width. */
  readonly scale: number | undefined;
  readonly softcap: number;
  readonly window: Window;
  readonly alibiSlopes: EntryNumbers | undefined;
  readonly alibiDistance: AlibiDistance;
  readonly sinks: Float64Array | undefined;
  readonly select: SelectionArgument;
}

/** `causal` is a window, too. */
type ScoringOptionName = keyof ScoringOptions | 'causal';

/** @param heads query heads */
export function readScoring(options: OptionValues<ScoringOptionName>, heads: number): ScoringOptions {
  return {
    score: readScore(options.score, 'options.score'),
    scale: options.scale === undefined ? undefined : finiteOption(options.scale, 'options.scale', 1),
    softcap: readSoftcap(options.softcap, 'options.softcap'),
    window: readWindow(options.window, options.causal, 'options'),
    alibiSlopes:
      options.alibiSlopes === undefined
        ? undefined
        : readEntryNumbers(options.alibiSlopes, 'options.alibiSlopes', heads, 'query head'),
    alibiDistance: choiceOption(options.alibiDistance, 'options.alibiDistance', alibiDistances, 'signed'),
    sinks: readOptionalPerHead(options.sinks, 'options.sinks', heads),
    select: readSelection(options.select, 'options.select'),
  };
}

/** Scoring that fits the tensors of a call. */
export interface ScoringArgument extends ScoringOptions {
  readonly scale: number;
  readonly mask: MaskArgument | undefined;
}

interface ScoredTensors {
  readonly batch: number;
  readonly queryHeads: number;
  readonly querySteps: number;
  readonly keySteps: number;
  readonly width: number;
}

/** Whether the backend has this kind of attention. Throws HEED_UNSUPPORTED. */
export function expectComputable(
  backend: Backend,
  { score: { kind }, select }: Pick<ScoringOptions, 'score' | 'select'>,
): void {
  backend.expectComputable({
    score: kind === 'scaled-dot' || kind === 'dot' ? 'product' : kind,
    selection: select.kind,
  });
}

function expectEntries(alibiSlopes: EntryNumbers | undefined, batch: number): void {
  if (alibiSlopes?.entries === undefined || alibiSlopes.entries === batch) return;
  throw new HeedError(
    'HEED_SHAPE_MISMATCH',
    `Expected options.alibiSlopes to have the slopes of every batch entry (${batch}), received those of ${alibiSlopes.entries}`,
  );
}

/** @param query or what queries are projected from: everything else has to be where that is */
export function fitScoring(
  options: ScoringOptions,
  maskValue: unknown,
  { batch, queryHeads, querySteps, keySteps, width }: ScoredTensors,
  query: TensorArgument,
  backend: Backend,
): ScoringArgument {
  const { score, select } = options;
  expectEntries(options.alibiSlopes, batch);
  if (select.kind === 'local') centersStrides(select.centers, [batch, queryHeads, querySteps]);
  const mask =
    maskValue === undefined
      ? undefined
      : readMask(maskValue, 'options.mask', [batch, queryHeads, querySteps, keySteps]);
  if (mask) expectPlace(mask.tensor, query.location, query.name);
  for (const weight of weightsOf(score)) expectPlace(weight, query.location, query.name);
  if (select.kind === 'local') expectPlace(select.centers, query.location, query.name);
  expectComputable(backend, options);
  const { scale = defaultScale(score, width), softcap, window, alibiSlopes, alibiDistance, sinks } = options;
  // Field by field: V8 would take three microseconds for a spread, a third of a small call.
  return { score, scale, softcap, window, alibiSlopes, alibiDistance, sinks, select, mask };
}

/** Scoring as a problem has it. Looks at the memory of its tensors for the first time. */
export function scoringForm(
  { score, scale, softcap, window, alibiSlopes, alibiDistance, sinks, mask, select }: ScoringArgument,
  { batch, queryHeads, querySteps }: ScoredTensors,
  type: FloatType,
): Scoring {
  return {
    score: scoreForm(score, type),
    scale,
    softcap,
    window,
    mask: mask && maskView(mask, type),
    alibiSlopes: alibiSlopes?.numbers,
    alibiDistance,
    sinks,
    select: selectionForm(select, [batch, queryHeads, querySteps], type),
  };
}
