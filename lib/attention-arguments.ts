/**
 * The arguments of every kind of attention. Reading them may run the caller's code; building the
 * problem from what was read does not, so that nothing changes between the checks and the work.
 */
import { readSignal } from './abort.js';
import type { AttentionOptionName } from './attention-options.js';
import type { Backend } from './backend.js';
import { chooseBackend } from './backends.js';
import { expectLength } from './checks/dims.js';
import { type MaskArgument, maskView, readMask } from './checks/mask.js';
import { booleanOption } from './checks/numbers.js';
import type { OptionValues } from './checks/options.js';
import { type OutArgument, outTensor } from './checks/out.js';
import { readOptionalPerHead, readScale, readSoftcap, readWindow } from './checks/scoring.js';
import { dataOf, expectFloat, expectType, readTensor, type TensorArgument } from './checks/tensor.js';
import { HeedError } from './errors.js';
import type { AttentionProblem, Sequence, View } from './problem.js';
import { Tensor } from './tensor.js';
import type { FloatType, TypedArray } from './tensor-type.js';

export interface AttentionInputs {
  readonly type: FloatType;
  readonly query: TensorArgument;
  readonly key: TensorArgument;
  readonly value: TensorArgument;
}

export interface AttentionShape {
  readonly batch: number;
  readonly queryHeads: number;
  readonly keyHeads: number;
  readonly querySteps: number;
  readonly keySteps: number;
  readonly width: number;
  readonly valueWidth: number;
}

export interface Strides {
  readonly batchStride: number;
  readonly headStride: number;
  readonly stepStride: number;
}

/** How the four tensors lie in memory. */
export interface Placement {
  readonly query: Strides;
  readonly key: Strides;
  readonly value: Strides;
  readonly output: Strides;
}

/** What the options say, apart from where sequences begin and end. */
export interface AttentionSettings {
  readonly scale: number;
  readonly softcap: number;
  readonly causal: boolean;
  readonly windowLeft: number;
  readonly windowRight: number;
  readonly alibiSlopes: Float64Array | undefined;
  readonly sinks: Float64Array | undefined;
  readonly mask: MaskArgument | undefined;
  readonly backend: Backend;
  readonly signal: AbortSignal | undefined;
}

export interface AttentionArguments {
  readonly inputs: AttentionInputs;
  readonly shape: AttentionShape;
  readonly placement: Placement;
  readonly settings: AttentionSettings;
  /** One for each batch entry, however many dims claim: to be made once there are elements for all. */
  readonly sequences: () => readonly Sequence[];
  readonly out: OutArgument;
}

export function readInputs(query: unknown, key: unknown, value: unknown): AttentionInputs {
  const q = readTensor(query, 'query');
  const k = readTensor(key, 'key');
  const v = readTensor(value, 'value');
  const type = expectFloat(q);
  expectType(k, type, 'query.type');
  expectType(v, type, 'query.type');
  return { type, query: q, key: k, value: v };
}

const widest = 512;

function expectWidth(width: number, name: string): void {
  if (width < 1 || width > widest) {
    throw new HeedError('HEED_INVALID_DIMS', `Expected ${name} to be from 1 to ${widest}, received ${width}`);
  }
}

/** Heads and widths, which are checked alike whatever the layout; the names say where they came from. */
export function checkShape(
  shape: AttentionShape,
  names: {
    readonly queryHeads: string;
    readonly keyHeads: string;
    readonly keyWidth: string;
    readonly queryWidth: string;
    readonly valueWidth: string;
  },
  keyWidth: number,
): void {
  expectLength(keyWidth, names.keyWidth, shape.width, names.queryWidth);
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
}

export function readSettings(
  options: OptionValues<AttentionOptionName>,
  type: FloatType,
  shape: AttentionShape,
): AttentionSettings {
  const window = readWindow(options.window, 'options.window');
  const { batch, queryHeads, querySteps, keySteps } = shape;
  return {
    scale: readScale(options.scale, 'options.scale', shape.width),
    softcap: readSoftcap(options.softcap, 'options.softcap'),
    causal: booleanOption(options.causal, 'options.causal', false),
    windowLeft: window.left,
    windowRight: window.right,
    alibiSlopes: readOptionalPerHead(options.alibiSlopes, 'options.alibiSlopes', queryHeads),
    sinks: readOptionalPerHead(options.sinks, 'options.sinks', queryHeads),
    mask: readMask(options.mask, 'options.mask', [batch, queryHeads, querySteps, keySteps]),
    backend: chooseBackend(options.backend, type),
    signal: readSignal(options.signal, 'options.signal'),
  };
}

function view(data: TypedArray, type: FloatType, { batchStride, headStride, stepStride }: Strides): View {
  return { data, type, batchStride, headStride, stepStride };
}

/** [batch, heads, queries], natural logarithms, in the precision of the computation. */
export function makeLogSumExp(type: FloatType, { batch, queryHeads, querySteps }: AttentionShape): Tensor {
  return Tensor.zeros(type === 'float64' ? 'float64' : 'float32', [batch, queryHeads, querySteps]);
}

function logSumExpView(tensor: Tensor, { queryHeads, querySteps }: AttentionShape): View {
  return {
    data: tensor.data,
    type: tensor.type,
    batchStride: queryHeads * querySteps,
    headStride: querySteps,
    stepStride: 1,
  };
}

/** Looks at the memory of all arguments for the first time. From here to the backend, no code of the caller's runs. */
export function buildProblem(
  { inputs, shape, placement, settings, sequences, out }: AttentionArguments,
  logSumExp?: Tensor,
): { problem: AttentionProblem; output: Tensor } {
  const { type } = inputs;
  const query = dataOf(inputs.query);
  const key = dataOf(inputs.key);
  const value = dataOf(inputs.value);
  const mask = settings.mask && maskView(settings.mask, type);
  const output = outTensor(out, [
    { name: 'query', data: query },
    { name: 'key', data: key },
    { name: 'value', data: value },
    ...(mask ? [{ name: 'options.mask', data: mask.data }] : []),
  ]);
  const problem: AttentionProblem = {
    kind: 'attention',
    queryHeads: shape.queryHeads,
    keyHeads: shape.keyHeads,
    width: shape.width,
    valueWidth: shape.valueWidth,
    query: view(query, type, placement.query),
    key: view(key, type, placement.key),
    value: view(value, type, placement.value),
    output: view(output.data, type, placement.output),
    sequences: sequences(),
    scale: settings.scale,
    softcap: settings.softcap,
    causal: settings.causal,
    windowLeft: settings.windowLeft,
    windowRight: settings.windowRight,
    logSumExp: logSumExp && logSumExpView(logSumExp, shape),
    mask,
    alibiSlopes: settings.alibiSlopes,
    sinks: settings.sinks,
  };
  return { problem, output: output.tensor };
}
