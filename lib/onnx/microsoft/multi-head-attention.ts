import type { AttentionDetails, AttentionDetailsOptions } from '../../attention/details.js';
import { expectWidth } from '../../attention/shape.js';
import type { Backend } from '../../backends/backend.js';
import { chooseBackend } from '../../backends/choose.js';
import { expectDims, expectLength, readNames } from '../../checks/lists.js';
import { type OptionValues, readOptions } from '../../checks/options.js';
import { dataOf, fetchedDataOf, type TensorArgument } from '../../checks/tensor.js';
import { finiteOption, invalid } from '../../checks/values.js';
import { HeedError } from '../../errors.js';
import type { Allocations } from '../../memory/allocations.js';
import { type DeviceArray, isOnDevice } from '../../memory/device.js';
import { hostElements, readElements, writeElements } from '../../tensor/elements.js';
import { Tensor } from '../../tensor/tensor.js';
import type { FloatType, Numbers, TensorLike, TypedArray } from '../../tensor/types.js';
import {
  expectOnePlace,
  expectOperatorFloat,
  expectRankOf,
  readInputs,
  toTensor,
  widthOfHeads,
} from '../arguments.js';
import {
  appendSteps,
  copyOnDevice,
  copyWithStepsFirst,
  elementsPerTurn,
  type Heads,
  headsOf,
  joinHeads,
  tensorOf,
  withHeadsFirst,
  withStepsFirst,
} from '../heads.js';
import {
  expectAttentionBias,
  expectOneType,
  expectUnderstood,
  type Operator,
  type OperatorOptions,
  type Question,
  readCount,
  readFlag,
  readPast,
  readScalar,
  readScale,
} from './arguments.js';
import { type Added, addedMask, readPadding } from './key-padding-mask.js';

/** The inputs of a MultiHeadAttention node, by the names of the operator's definition. */
export interface MultiHeadAttentionInputs {
  /**
   * [batch, sequence_length, num_heads · head_size]; or, without key and value, packed:
   * [batch, sequence_length, num_heads, 3, head_size]. float32, float16 or bfloat16.
   */
  readonly query: TensorLike;
  /**
   * [batch, kv_sequence_length, num_heads · head_size]; or [batch, num_heads, kv_sequence_length, head_size];
   * or, without value, packed: [batch, kv_sequence_length, num_heads, 2, head_size].
   */
  readonly key?: TensorLike;
  /**
   * [batch, kv_sequence_length, num_heads · v_head_size]; or
   * [batch, num_heads, kv_sequence_length, v_head_size], if key has four axes.
   */
  readonly value?: TensorLike;
  /**
   * What is added to each step of query, key and value:
   * [2 · num_heads · head_size + num_heads · v_head_size]. A key and a value of four axes have it already.
   * Not with a packed key.
   */
  readonly bias?: TensorLike;
  /**
   * int32, by its shape: the lengths of the keys, [batch], or [3 · batch + 2] with the starts of packed
   * sequences behind them; or what is greater than 0 where a key may be attended,
   * [batch, total_sequence_length] or [batch, sequence_length, total_sequence_length]. mask_filter_value is
   * added to the scores of the other keys.
   */
  readonly key_padding_mask?: TensorLike;
  /**
   * Added to scores: [batch or 1, num_heads or 1, sequence_length, total_sequence_length]; −∞ excludes a key.
   */
  readonly attention_bias?: TensorLike;
  /** [batch, num_heads, past_sequence_length, head_size]; goes before key. Only together with past_value. */
  readonly past_key?: TensorLike;
  /** [batch, num_heads, past_sequence_length, v_head_size]; goes before value. */
  readonly past_value?: TensorLike;
  /**
   * int32, one element: how many steps of past_key and past_value are valid, if they are buffers for more:
   * [batch, num_heads, max_sequence_length, …], with room for the new steps.
   */
  readonly past_sequence_length?: TensorLike;
}

/** The attributes of a MultiHeadAttention node, by the operator's names. */
export interface MultiHeadAttentionAttributes {
  /** The number of heads. */
  readonly num_heads: number;
  /** Multiplies scores; 0, the default, stands for 1 / √head_size. */
  readonly scale?: number;
  /**
   * What is added to the scores of keys that key_padding_mask masks. Default -10000: the keys of a row that
   * is masked wholly still differ.
   */
  readonly mask_filter_value?: number;
  /**
   * 1: a step attends the past and the new steps up to its own. Then key has as many new steps as query,
   * unless query has only one, which attends all. Default 0.
   */
  readonly unidirectional?: 0 | 1;
}

const outputNames = ['output', 'present_key', 'present_value', 'qk'] as const;

/** The names of the outputs of MultiHeadAttention. */
export type MultiHeadAttentionOutputName = (typeof outputNames)[number];

/** Options outside the node: the backend, the requested outputs. */
export interface MultiHeadAttentionOperatorOptions extends OperatorOptions {
  /**
   * The optional outputs to return besides output; default present_key and present_value if there is a past.
   */
  readonly outputs?: readonly MultiHeadAttentionOutputName[];
}

/** The requested outputs, by their names. */
export interface MultiHeadAttentionOutputs {
  /** [batch, sequence_length, num_heads · v_head_size] */
  output: Tensor;
  /**
   * [batch, num_heads, total_sequence_length, head_size] in memory of its own: the past, then key with its
   * bias; with past_sequence_length [batch, num_heads, max_sequence_length, head_size], zeros behind them.
   */
  present_key?: Tensor;
  /** As present_key. */
  present_value?: Tensor;
  /**
   * `[batch, num_heads, sequence_length, total_sequence_length]`: scores with bias and mask, as they go into
   * the softmax.
   */
  qk?: Tensor;
}

const optional = [
  'key',
  'value',
  'bias',
  'key_padding_mask',
  'attention_bias',
  'past_key',
  'past_value',
  'past_sequence_length',
] as const;
const remedies = {
  cache_indirection: 'put the rows of past_key and past_value in the order of the beams before',
} as const;

type Inputs = ReturnType<typeof readInputs<'query', (typeof optional)[number] | keyof typeof remedies>>;

interface Projections {
  readonly query: Heads;
  readonly key: Heads;
  readonly value: Heads;
}

/** What is added to the heads of query, key and value: in one list, in float64 in the memory of the CPU. */
interface Biases {
  readonly data: Float64Array | DeviceArray;
  /** Those that are complete have none. */
  readonly starts: { readonly [Name in keyof Projections]?: number };
}

interface Node extends Projections, Added {
  readonly allocations: Allocations;
  readonly biases: Biases | undefined;
  readonly past: { readonly key: Heads; readonly value: Heads } | undefined;
  /** Of present_key and present_value. */
  readonly presentSteps: number;
  readonly scale: number;
  readonly outputs: ReadonlySet<MultiHeadAttentionOutputName>;
  readonly type: FloatType;
  readonly backend: Backend;
}

/** The heads of an input of three axes. */
function split(input: TensorArgument, heads: number): Heads {
  const [batch, steps] = input.dims;
  const dims = [batch, steps, heads, widthOfHeads(input, heads, 'num_heads')];
  return headsOf(toTensor(input, dims), input.name, true);
}

/** One of the inputs that are packed along the fourth of five axes. */
function unpack(input: TensorArgument, name: string, part: number): Heads {
  const [batch, steps, heads, parts, width] = input.dims;
  const rows = heads * parts;
  const all = headsOf(toTensor(input, [batch, steps, rows, width]), name, true);
  return { ...all, heads, packing: { rows, first: part, stride: parts } };
}

function readProjections({ query, key, value }: Inputs, heads: number): Projections {
  if (key === undefined) {
    if (value !== undefined) throw invalid('key', 'given together with value', key);
    expectRankOf(query, [5]);
    expectDims(query.dims, 'query', [query.dims[0], query.dims[1], heads, 3, query.dims[4]]);
    return {
      query: unpack(query, 'query', 0),
      key: unpack(query, 'key', 1),
      value: unpack(query, 'value', 2),
    };
  }
  expectRankOf(query, [3]);
  const [batch] = query.dims;
  const width = widthOfHeads(query, heads, 'num_heads');
  const queries = split(query, heads);
  if (value === undefined) {
    expectRankOf(key, [5]);
    expectDims(key.dims, 'key', [batch, key.dims[1], heads, 2, width]);
    return { query: queries, key: unpack(key, 'key', 0), value: unpack(key, 'value', 1) };
  }
  expectRankOf(key, [3, 4]);
  expectRankOf(value, [key.dims.length]);
  if (key.dims.length === 4) {
    const steps = key.dims[2];
    expectDims(key.dims, 'key', [batch, heads, steps, width]);
    expectDims(value.dims, 'value', [batch, heads, steps, value.dims[3]]);
    return {
      query: queries,
      key: headsOf(toTensor(key), 'key', false),
      value: headsOf(toTensor(value), 'value', false),
    };
  }
  const steps = key.dims[1];
  expectDims(key.dims, 'key', [batch, steps, heads * width]);
  expectDims(value.dims, 'value', [batch, steps, value.dims[2]]);
  return { query: queries, key: split(key, heads), value: split(value, heads) };
}

function readBiases(
  { key: given, value: other, bias }: Inputs,
  { query, key, value }: Projections,
): Biases | undefined {
  if (bias === undefined) return undefined;
  if (given && other === undefined) {
    throw new HeedError('HEED_INVALID_ARGUMENT', 'Expected no bias with a packed key, received a tensor');
  }
  const hidden = query.heads * query.width;
  const valueHidden = value.heads * value.width;
  expectDims(bias.dims, 'bias', [2 * hidden + valueHidden]);
  const starts = { query: 0, ...(key.stepsFirst && { key: hidden, value: 2 * hidden }) };
  const data = dataOf(bias);
  if (isOnDevice(data)) return { data, starts };
  const numbers = new Float64Array(bias.size);
  readElements(bias.type, data, 0, bias.size, numbers);
  return { data: numbers, starts };
}

/** Steps of the past, and of what is present after this call. */
function readLengths(
  inputs: Inputs,
  past: Node['past'],
  newSteps: number,
): { readonly pastSteps: number; readonly presentSteps: number } {
  const steps = past?.key.steps ?? 0;
  const length = inputs.past_sequence_length;
  if (length === undefined) return { pastSteps: steps, presentSteps: steps + newSteps };
  if (past === undefined) throw invalid('past_key', 'given together with past_sequence_length', past);
  if (newSteps > steps) {
    expectLength(newSteps, 'the steps of key', steps, 'those that past_key has room for');
  }
  return { pastSteps: readScalar(length, 0, steps - newSteps), presentSteps: steps };
}

/** Backends of onnxruntime differ in what several queries see of more or fewer keys. */
function readCausal(
  attributes: OptionValues<'unidirectional'>,
  querySteps: number,
  newSteps: number,
): boolean {
  const causal = readFlag(attributes, 'unidirectional') && querySteps > 1;
  if (causal) expectLength(newSteps, 'the steps of key', querySteps, 'those of query for unidirectional');
  return causal;
}

function readOutputs(value: unknown, past: Node['past']): ReadonlySet<MultiHeadAttentionOutputName> {
  if (value === undefined) return new Set(past ? ['present_key', 'present_value'] : []);
  return readNames(value, 'options.outputs', outputNames);
}

/** Joined with other masks it is read, else it is added where it is. */
function readBias(bias: TensorArgument | undefined, isJoined: boolean): Tensor | undefined {
  if (bias === undefined) return undefined;
  return isJoined ? new Tensor(bias.type, fetchedDataOf(bias), bias.dims) : toTensor(bias);
}

function read(
  allocations: Allocations,
  inputValues: unknown,
  attributeValues: unknown,
  optionValues: unknown,
): Node {
  const options = readOptions(optionValues, ['backend', 'outputs'] as const);
  const attributes = readOptions(
    attributeValues,
    ['mask_filter_value', 'num_heads', 'scale', 'unidirectional'] as const,
    'attributes',
  );
  const inputs = readInputs(
    allocations,
    inputValues,
    ['query'] as const,
    [...optional, 'cache_indirection'] as const,
  );
  expectUnderstood(inputs, remedies);

  const type = expectOperatorFloat(inputs.query);
  const { key, value, bias, attention_bias, past_key, past_value } = inputs;
  expectOneType(type, 'query', key, value, bias, attention_bias, past_key, past_value);
  expectOnePlace(inputs.query, key, value, bias, attention_bias, past_key, past_value);
  const backend = chooseBackend(options.backend, type, inputs.query.location);
  const heads = readCount(attributes, 'num_heads');
  expectRankOf(inputs.query, [3, 5]);
  const projections = readProjections(inputs, heads);
  const { batch, steps: querySteps, width } = projections.query;
  const { steps: newSteps, width: valueWidth } = projections.value;
  expectWidth(width, 'the head size of query');
  expectWidth(valueWidth, 'the head size of value');
  const past = readPast(inputs, [batch, heads, width, valueWidth], (input) =>
    headsOf(toTensor(input), input.name, false),
  );
  const { pastSteps, presentSteps } = readLengths(inputs, past, newSteps);
  const totalSteps = pastSteps + newSteps;
  const shape = { batch, querySteps, pastSteps, totalSteps };
  expectAttentionBias(attention_bias, [batch, heads, querySteps, totalSteps]);

  const padding = readPadding(inputs.key_padding_mask, shape);
  const causal = readCausal(attributes, querySteps, newSteps);

  return {
    allocations,
    ...projections,
    biases: readBiases(inputs, projections),
    past,
    presentSteps,
    shape,
    padding,
    filter: finiteOption(attributes.mask_filter_value, 'mask_filter_value', -10000),
    causal,
    bias: readBias(attention_bias, padding !== undefined || causal),
    scale: readScale(attributes, width),
    outputs: readOutputs(options.outputs, past),
    type,
    backend,
  };
}

interface Asked extends Question {
  readonly present: { readonly key: Heads; readonly value: Heads } | undefined;
}

function* plusBias(node: Node, name: keyof Projections): Generator<void, Heads> {
  const { allocations, backend, biases, [name]: from } = node;
  const start = biases?.starts[name];
  if (biases === undefined || start === undefined) return from;
  if (isOnDevice(biases.data))
    return copyOnDevice(allocations, backend, from, true, { bias: { data: biases.data, start } });
  const bias = biases.data.subarray(start, start + from.heads * from.width);
  const sum = yield* copyWithStepsFirst(allocations, from);
  const data = hostElements<TypedArray>(sum.data);
  const step = new Float64Array(bias.length);
  let sinceTurn = 0;
  for (let at = 0; at < data.length; at += step.length) {
    readElements(sum.type, data, at, step.length, step);
    for (const [i, added] of bias.entries()) step[i] += added;
    writeElements(sum.type, data, at, step.length, step);
    sinceTurn += step.length;
    if (sinceTurn < elementsPerTurn) continue;
    sinceTurn = 0;
    yield;
  }
  return sum;
}

/** A mask of float32 from the memory of the CPU, where the node computes. */
function beside({ allocations, query, backend }: Node, mask: Tensor): Tensor {
  if (!isOnDevice(query.data) || mask.size === 0) return mask;
  const placed = backend.place(mask.data as Numbers);
  return allocations.adopt(new Tensor(mask.type, placed as DeviceArray, mask.dims));
}

/**
 * Causality alone needs no mask: the lowest number and −∞ give the same weights, unless another mask is as
 * low.
 */
function* maskOf(
  node: Node,
): Generator<void, Pick<AttentionDetailsOptions, 'mask' | 'causal' | 'queryOffset'>> {
  const { padding, causal, bias, outputs, shape } = node;
  if (!padding && !bias && !outputs.has('qk')) {
    return causal ? { causal, queryOffset: shape.pastSteps } : {};
  }
  if (padding || causal) return { mask: beside(node, yield* addedMask(node)) };
  return bias ? { mask: bias } : {};
}

function* ask(node: Node): Generator<void, Asked> {
  const { allocations, past, shape, presentSteps, outputs } = node;
  const [query, key, value] = [
    yield* plusBias(node, 'query'),
    yield* plusBias(node, 'key'),
    yield* plusBias(node, 'value'),
  ];
  const options = {
    ...(yield* maskOf(node)),
    scale: node.scale,
    backend: node.backend.name,
    include: outputs.has('qk') ? (['biasedScores'] as const) : [],
  };
  const append = (from: Heads, before: Heads | undefined, name: string, steps: number) =>
    appendSteps(allocations, before, from, name, shape.pastSteps, steps);
  if (past || outputs.has('present_key') || outputs.has('present_value')) {
    const keys = yield* append(key, past?.key, 'present_key', shape.totalSteps);
    const values = yield* append(value, past?.value, 'present_value', shape.totalSteps);
    const longer = presentSteps > shape.totalSteps;
    const present = {
      key: longer ? yield* append(key, past?.key, 'present_key', presentSteps) : keys,
      value: longer ? yield* append(value, past?.value, 'present_value', presentSteps) : values,
    };
    const queries = yield* withHeadsFirst(allocations, query);
    return asked(queries, keys, values, { ...options, layout: 'bhsd' }, present);
  }
  if (key.stepsFirst) {
    const [queries, keys, values] = [
      yield* withStepsFirst(allocations, query),
      yield* withStepsFirst(allocations, key),
      yield* withStepsFirst(allocations, value),
    ];
    return asked(queries, keys, values, { ...options, layout: 'bshd' }, undefined);
  }
  const [queries, keys, values] = [
    yield* withHeadsFirst(allocations, query),
    yield* withHeadsFirst(allocations, key),
    yield* withHeadsFirst(allocations, value),
  ];
  return asked(queries, keys, values, { ...options, layout: 'bhsd' }, undefined);
}

function asked(
  query: Heads,
  key: Heads,
  value: Heads,
  options: AttentionDetailsOptions,
  present: Asked['present'],
): Asked {
  return { query: tensorOf(query), key: tensorOf(key), value: tensorOf(value), options, present };
}

function* answer(
  { allocations, type, outputs }: Node,
  { options, present }: Asked,
  { output, biasedScores }: AttentionDetails,
): Generator<void, MultiHeadAttentionOutputs> {
  allocations.adopt(output);
  if (biasedScores) allocations.adopt(biasedScores);
  const qk =
    biasedScores?.type === type ? biasedScores : biasedScores && allocations.adopt(biasedScores.cast(type));
  return {
    output: yield* joinHeads(allocations, output, 'output', options.layout === 'bshd'),
    ...(present && outputs.has('present_key') && { present_key: allocations.share(tensorOf(present.key)) }),
    ...(present &&
      outputs.has('present_value') && { present_value: allocations.share(tensorOf(present.value)) }),
    ...(qk && { qk: allocations.share(qk) }),
  };
}

export const operator: Operator<Node, Asked, MultiHeadAttentionOutputs> = { read, ask, answer };
