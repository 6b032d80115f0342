/**
 * One use of a layer: its arguments, and the problems that answer it. Everything goes to the backend
 * as a single operation: project, attend, project.
 */
import { readSignal } from '../abort.js';
import type { AttentionArguments, AttentionShape } from '../attention-arguments.js';
import { buildProblem } from '../attention-arguments.js';
import type { AttentionDetails, DetailsRequest } from '../attention-details.js';
import { buildDetails } from '../attention-details.js';
import type { Backend } from '../backend.js';
import { allocate } from '../checks/data.js';
import { expectLength, expectRank, sizeOf } from '../checks/dims.js';
import { readMask } from '../checks/mask.js';
import type { OptionValues } from '../checks/options.js';
import { type OutArgument, outTensor, readOut } from '../checks/out.js';
import { denseSequences, readKeyLengths } from '../checks/sequences.js';
import { dataOf, expectType, readTensor, type TensorArgument } from '../checks/tensor.js';
import { denseStrides } from '../dense-attention.js';
import { HeedError } from '../errors.js';
import type { AttentionProblem, Problem, ProjectionProblem, ProjectionTarget } from '../problem.js';
import type { FloatType, TypedArray } from '../tensor-type.js';
import type { LayerOptions } from './options.js';
import type { LayerShape } from './shape.js';
import type { LayerWeights, Part } from './weights.js';

export const callOptionNames = ['context', 'mask', 'kvLengths', 'out', 'signal'] as const;

/** What a call needs to know of its layer. */
export interface Layer {
  readonly type: FloatType;
  readonly shape: LayerShape;
  readonly options: LayerOptions;
  readonly backend: Backend;
}

/** What was read, once, of a call's arguments. */
export interface CallArguments {
  readonly input: TensorArgument;
  readonly context: TensorArgument | undefined;
  readonly attention: Pick<AttentionArguments, 'shape' | 'settings' | 'sequences'>;
  readonly out: OutArgument;
}

function readSource(value: unknown, name: string, type: FloatType): TensorArgument {
  const tensor = readTensor(value, name);
  expectType(tensor, type, "the layer's type");
  expectRank(tensor.dims, 3, name, 'batch, steps, embed');
  return tensor;
}

function readContext(
  value: unknown,
  input: TensorArgument,
  { type, shape }: Layer,
): TensorArgument | undefined {
  if (value !== undefined) {
    const context = readSource(value, 'options.context', type);
    expectLength(context.dims[0], 'options.context.dims[0]', input.dims[0], 'input.dims[0]');
    expectLength(
      context.dims[2],
      'options.context.dims[2]',
      shape.contextEmbed,
      'weights.key.weight.dims[1]',
    );
    return context;
  }
  if (shape.embed !== shape.contextEmbed) {
    throw new HeedError(
      'HEED_INVALID_ARGUMENT',
      `Expected options.context to be given, since keys are projected from width ${shape.contextEmbed} and queries from ${shape.embed}, received undefined`,
    );
  }
  return undefined;
}

export function readCall(
  inputValue: unknown,
  values: OptionValues<(typeof callOptionNames)[number]>,
  layer: Layer,
): CallArguments {
  const { type, shape, options, backend } = layer;
  const input = readSource(inputValue, 'input', type);
  expectLength(input.dims[2], 'input.dims[2]', shape.embed, 'weights.query.weight.dims[1]');
  const context = readContext(values.context, input, layer);
  const [batch, querySteps] = input.dims;
  const attentionShape: AttentionShape = {
    batch,
    queryHeads: shape.heads,
    keyHeads: shape.keyValueHeads,
    querySteps,
    keySteps: context ? context.dims[1] : querySteps,
    width: shape.width,
    valueWidth: shape.valueWidth,
  };
  const { keySteps } = attentionShape;
  const keyLengths = readKeyLengths(values.kvLengths, 'options.kvLengths', batch, keySteps);
  const settings = {
    scale: options.scale ?? 1 / Math.sqrt(shape.width),
    softcap: options.softcap,
    causal: options.causal,
    windowLeft: options.window.left,
    windowRight: options.window.right,
    alibiSlopes: options.alibiSlopes,
    sinks: options.sinks,
    mask: readMask(values.mask, 'options.mask', [batch, shape.heads, querySteps, keySteps]),
    backend,
    signal: readSignal(values.signal, 'options.signal'),
  };
  // Steps that attend each other stand where their keys stand, however many of those are padding.
  const queryOffset = context ? undefined : 0;
  const sequences = () => denseSequences(attentionShape, keyLengths, queryOffset);
  const out = readOut(values.out, 'options.out', type, [batch, querySteps, shape.out], "the layer's type");
  return { input, context, attention: { shape: attentionShape, settings, sequences }, out };
}

interface Source {
  readonly name: string;
  readonly data: TypedArray;
  readonly batch: number;
  readonly steps: number;
}

function projection(
  source: Source,
  type: FloatType,
  parts: readonly [Part, ProjectionTarget][],
): ProjectionProblem {
  const { product } = parts[0][0];
  const { handle } = product.weight;
  return {
    kind: 'projection',
    rows: source.batch * source.steps,
    steps: source.steps,
    inner: handle.inner,
    columns: handle.columns,
    input: { data: source.data, type },
    weight: handle,
    ...(product.bias && { bias: product.bias }),
    targets: parts.map(([, target]) => target),
  };
}

/** An intermediate result: heads to be attended, in memory of their own. */
function makeHeads(
  name: string,
  type: FloatType,
  dims: readonly [number, number, number, number],
): TensorArgument {
  const size = sizeOf(dims);
  return { name, type, dims, size, data: allocate(type, size, `the layer's ${name}`) };
}

function headsTarget(
  { firstColumn, columns }: Part,
  type: FloatType,
  heads: TensorArgument,
): ProjectionTarget {
  const [, count, steps, width] = heads.dims;
  const view = { data: dataOf(heads), type, ...denseStrides('bhsd', count, steps, width) };
  return { firstColumn, columns, headWidth: width, view };
}

function rowsTarget(
  { firstColumn, columns }: Part,
  type: FloatType,
  steps: number,
  data: TypedArray,
): ProjectionTarget {
  const view = { data, type, ...denseStrides('bshd', 1, steps, columns) };
  return { firstColumn, columns, headWidth: columns, view };
}

/** Attention from its intermediate inputs to heads that lie side by side, where the output map reads them in place. */
function attendArguments(
  { attention, out }: CallArguments,
  type: FloatType,
  projected: boolean,
): AttentionArguments {
  const { batch, queryHeads, keyHeads, querySteps, keySteps, width, valueWidth } = attention.shape;
  return {
    ...attention,
    inputs: {
      type,
      query: makeHeads('query', type, [batch, queryHeads, querySteps, width]),
      key: makeHeads('key', type, [batch, keyHeads, keySteps, width]),
      value: makeHeads('value', type, [batch, keyHeads, keySteps, valueWidth]),
    },
    placement: {
      query: denseStrides('bhsd', queryHeads, querySteps, width),
      key: denseStrides('bhsd', keyHeads, keySteps, width),
      value: denseStrides('bhsd', keyHeads, keySteps, valueWidth),
      output: denseStrides('bshd', queryHeads, querySteps, valueWidth),
    },
    out: projected ? { type, dims: [batch, querySteps, queryHeads * valueWidth], given: undefined } : out,
  };
}

function projectInputs(
  input: Source,
  context: Source | undefined,
  weights: LayerWeights,
  { type, query, key, value }: AttentionArguments['inputs'],
): ProjectionProblem[] {
  const queries: [Part, ProjectionTarget] = [weights.query, headsTarget(weights.query, type, query)];
  const keys: [Part, ProjectionTarget] = [weights.key, headsTarget(weights.key, type, key)];
  const values: [Part, ProjectionTarget] = [weights.value, headsTarget(weights.value, type, value)];
  return context
    ? [projection(input, type, [queries]), projection(context, type, [keys, values])]
    : [projection(input, type, [queries, keys, values])];
}

/** Looks at the memory of all arguments for the first time. From here to the backend, no code of the caller's runs. */
export function buildCall(
  type: FloatType,
  weights: LayerWeights,
  call: CallArguments,
  request?: DetailsRequest,
): { problems: Problem[]; details: AttentionDetails } {
  const { batch, querySteps, keySteps } = call.attention.shape;
  const input: Source = { name: 'input', data: dataOf(call.input), batch, steps: querySteps };
  const context: Source | undefined = call.context && {
    name: 'options.context',
    data: dataOf(call.context),
    batch,
    steps: keySteps,
  };
  const args = attendArguments(call, type, weights.output !== undefined);
  const { attention, problems, details } = attend(args, request);
  const heads: Source = { name: 'heads', data: details.output.data, batch, steps: querySteps };
  const sources = [input, ...(context ? [context] : []), ...maskSource(attention)];
  const before = projectInputs(input, context, weights, args.inputs);
  if (weights.output === undefined) {
    // The attention wrote to `out` itself, and knows of no other input than its own.
    if (call.out.given) outTensor(call.out, sources);
    return { problems: [...before, ...problems], details };
  }
  const output = outTensor(call.out, sources);
  const target = rowsTarget(weights.output, type, querySteps, output.data);
  const after = output.tensor.size === 0 ? [] : [projection(heads, type, [[weights.output, target]])];
  return { problems: [...before, ...problems, ...after], details: { ...details, output: output.tensor } };
}

function attend(args: AttentionArguments, request: DetailsRequest | undefined) {
  if (request) return buildDetails(args, request);
  const { problem, output } = buildProblem(args);
  return { attention: problem, problems: [problem], details: { output } };
}

function maskSource({ mask }: AttentionProblem): { name: string; data: TypedArray }[] {
  return mask ? [{ name: 'options.mask', data: mask.data }] : [];
}
