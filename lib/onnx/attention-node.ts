/** An Attention node: its arguments, checked against the operator's specification. */

import { readSoftcap } from '../attention/scoring.js';
import type { AttentionShape } from '../attention/shape.js';
import type { Backend } from '../backends/backend.js';
import { chooseBackend } from '../backends/choose.js';
import { expectDims, expectLength, readNames } from '../checks/lists.js';
import { type OptionValues, readOptions } from '../checks/options.js';
import { expectFloat, expectType, type TensorArgument } from '../checks/tensor.js';
import { finiteOption, integerBetween, invalid } from '../checks/values.js';
import { HeedError } from '../errors.js';
import type { Allocations } from '../memory/allocations.js';
import type { Tensor } from '../tensor/tensor.js';
import type { FloatType } from '../tensor/types.js';
import {
  expectOnePlace,
  expectRankOf,
  integersOf,
  type Opset,
  readInputs,
  readInteger,
  readOpset,
  toTensor,
  widthOfHeads,
} from './arguments.js';
import { type Heads, headsOf } from './heads.js';
import { readMask } from './mask.js';

const required = ['Q', 'K', 'V'] as const;
const optional = ['attn_mask', 'past_key', 'past_value', 'nonpad_kv_seqlen'] as const;
const attributeNames = [
  'is_causal',
  'kv_num_heads',
  'left_window_size',
  'q_num_heads',
  'qk_matmul_output_mode',
  'right_window_size',
  'scale',
  'softcap',
  'softmax_precision',
] as const;
const outputNames = ['Y', 'present_key', 'present_value', 'qk_matmul_output'] as const;

/** The ONNX names of the outputs of Attention. */
export type AttentionOutputName = (typeof outputNames)[number];

/** TensorProto's numbers of the types that a softmax may be computed in: FLOAT, FLOAT16, DOUBLE, BFLOAT16. */
const softmaxPrecisions: readonly unknown[] = [1, 10, 11, 16];

/** The content of the fourth output for each value of the attribute qk_matmul_output_mode. */
const stages = ['scores', 'cappedScores', 'biasedScores', 'weights'] as const;

export interface AttentionNode {
  readonly allocations: Allocations;
  readonly query: Heads;
  /** Without the past. */
  readonly key: Heads;
  readonly value: Heads;
  readonly past: { readonly key: Heads; readonly value: Heads } | undefined;
  readonly mask: Tensor | undefined;
  readonly scale: number;
  readonly softcap: number;
  readonly causal: boolean;
  readonly window: { readonly left: number; readonly right: number };
  /** The key position of query row 0. */
  readonly queryOffset: number | readonly number[];
  /** Valid keys per batch entry: those that a mask covers, and those that there are. */
  readonly keyLengths: readonly number[] | undefined;
  readonly stage: (typeof stages)[number];
  readonly outputs: ReadonlySet<AttentionOutputName>;
  /** What is computed in. */
  readonly type: FloatType;
  readonly backend: Backend['name'];
}

type Inputs = ReturnType<typeof readInputs<(typeof required)[number], (typeof optional)[number]>>;
type Attributes = OptionValues<(typeof attributeNames)[number]>;

/** Refuses inputs and attributes that only later operator sets have. */
function expectKnownTo(opset: Opset, inputs: Inputs, attributes: Attributes): void {
  const since = (first: Opset, name: string, given: unknown) => {
    if (given === undefined || opset >= first) return;
    throw new HeedError(
      'HEED_UNKNOWN_OPTION',
      `Expected no ${name} in operator set ${opset}; it exists from ${first} on`,
    );
  };
  since(24, 'nonpad_kv_seqlen', inputs.nonpad_kv_seqlen);
  since(25, 'left_window_size', attributes.left_window_size);
  since(25, 'right_window_size', attributes.right_window_size);
}

function readPast(
  inputs: Inputs,
  shapes: Shapes,
): { key: TensorArgument; value: TensorArgument } | undefined {
  const { past_key: key, past_value: value } = inputs;
  if (key === undefined && value === undefined) return undefined;
  if (key === undefined) throw invalid('past_key', 'given together with past_value', key);
  if (value === undefined) throw invalid('past_value', 'given together with past_key', value);
  if (inputs.nonpad_kv_seqlen !== undefined) {
    throw new HeedError(
      'HEED_INVALID_ARGUMENT',
      'Expected either nonpad_kv_seqlen or past_key and past_value, received both',
    );
  }
  expectRankOf(key, [4]);
  const steps = key.dims[2];
  expectDims(key.dims, 'past_key', [shapes.batch, shapes.keyHeads, steps, shapes.width]);
  expectDims(value.dims, 'past_value', [shapes.batch, shapes.keyHeads, steps, shapes.valueWidth]);
  return { key, value };
}

/** V may have another type than Q and K; then nothing may lose precision in between. */
function readType({ Q, K, V, past_key, past_value, nonpad_kv_seqlen }: Inputs): FloatType {
  const type = expectFloat(Q);
  const valueType = expectFloat(V);
  expectType(K, type, 'Q.type');
  if (past_key) expectType(past_key, type, 'K.type');
  if (past_value) expectType(past_value, valueType, 'V.type');
  if (nonpad_kv_seqlen) expectType(nonpad_kv_seqlen, 'int64', 'the type of lengths');
  if (type === valueType) return type;
  return type === 'float64' || valueType === 'float64' ? 'float64' : 'float32';
}

function readKeyLengths(tensor: TensorArgument | undefined, shapes: Shapes): readonly number[] | undefined {
  if (tensor === undefined) return undefined;
  expectDims(tensor.dims, tensor.name, [shapes.batch]);
  return Array.from(integersOf(tensor), (length, entry) =>
    integerBetween(length, `nonpad_kv_seqlen.data[${entry}]`, 0, shapes.keySteps),
  );
}

/** ONNX counts the steps that are seen to a side and lets -1 stand for all of them. */
function readWindowSide(attributes: Attributes, name: string): number {
  const size = readInteger(attributes, name, -1, Number.MAX_SAFE_INTEGER) ?? -1;
  return size === -1 ? Number.POSITIVE_INFINITY : size;
}

function readScale(value: unknown, width: number): number {
  const scale = finiteOption(value, 'scale', 1 / Math.sqrt(width));
  // The specification multiplies queries and keys by its root.
  if (scale < 0) throw invalid('scale', 'a non-negative number', value);
  return scale;
}

function readOutputs(value: unknown, inputs: Inputs): ReadonlySet<AttentionOutputName> {
  if (value === undefined) {
    return new Set(inputs.past_key === undefined ? ['Y'] : ['Y', 'present_key', 'present_value']);
  }
  const outputs = readNames(value, 'options.outputs', outputNames);
  if (inputs.nonpad_kv_seqlen && (outputs.has('present_key') || outputs.has('present_value'))) {
    throw new HeedError(
      'HEED_INVALID_ARGUMENT',
      'Expected no present_key or present_value among options.outputs together with nonpad_kv_seqlen',
    );
  }
  return outputs;
}

/**
 * The position of query row 0 among the keys: after the past, or such that the last query is aligned with the
 * last valid key.
 */
function queryOffsetOf(pastSteps: number, keyLengths: readonly number[] | undefined, querySteps: number) {
  return keyLengths ? keyLengths.map((length) => length - querySteps) : pastSteps;
}

function split(tensor: TensorArgument, dims: readonly number[], stepsFirst: boolean): Heads {
  return headsOf(toTensor(tensor, dims), tensor.name, stepsFirst);
}

/** Since operator set 24 keys that a mask does not cover are excluded. */
function coveredLengths(
  { Q, attn_mask }: Inputs,
  opset: Opset,
  batch: number,
  totalSteps: number,
): readonly number[] | undefined {
  const covered = attn_mask?.dims.at(-1);
  if (opset === 23 || covered === undefined || covered >= totalSteps) return undefined;
  // Axes beside an empty one may be of any length.
  return Q.size === 0 ? undefined : new Array<number>(batch).fill(covered);
}

export function readAttentionNode(
  allocations: Allocations,
  inputValues: unknown,
  attributeValues: unknown,
  optionValues: unknown,
): AttentionNode {
  const options = readOptions(optionValues, ['opset', 'backend', 'outputs'] as const);
  const opset = readOpset(options.opset);
  const attributes = readOptions(attributeValues, attributeNames, 'attributes');
  const inputs = readInputs(allocations, inputValues, required, optional);
  const { Q, K, V } = inputs;
  const outputs = readOutputs(options.outputs, inputs);
  expectKnownTo(opset, inputs, attributes);
  const type = readType(inputs);
  expectOnePlace(Q, K, V, inputs.attn_mask, inputs.past_key, inputs.past_value);
  const backend = chooseBackend(options.backend, type, Q.location).name;
  const shapes = readShapes(Q, K, V, attributes);
  const precision = attributes.softmax_precision;
  if (precision !== undefined && !softmaxPrecisions.includes(precision)) {
    throw invalid('softmax_precision', '1, 10, 11 or 16', precision);
  }
  const scale = readScale(attributes.scale, shapes.width);
  const softcap = readSoftcap(attributes.softcap, 'softcap');
  const causal = readInteger(attributes, 'is_causal', 0, 1) === 1;
  const stage = stages[readInteger(attributes, 'qk_matmul_output_mode', 0, 3) ?? 0];
  const left = readWindowSide(attributes, 'left_window_size');
  const right = readWindowSide(attributes, 'right_window_size');
  const past = readPast(inputs, shapes);
  const pastSteps = past?.key.dims[2] ?? 0;
  const keyLengths = readKeyLengths(inputs.nonpad_kv_seqlen, shapes);
  const totalSteps = pastSteps + shapes.keySteps;
  const mask = readMask(allocations, inputs.attn_mask, {
    ...shapes,
    totalSteps,
    keyLengths,
    opset,
  });

  return {
    allocations,
    query: split(Q, shapes.query, shapes.stepsFirst),
    key: split(K, shapes.key, shapes.stepsFirst),
    value: split(V, shapes.value, shapes.stepsFirst),
    past: past && {
      key: split(past.key, past.key.dims, false),
      value: split(past.value, past.value.dims, false),
    },
    mask,
    scale,
    softcap,
    causal,
    window: { left, right },
    queryOffset: queryOffsetOf(pastSteps, keyLengths, shapes.querySteps),
    keyLengths: keyLengths ?? coveredLengths(inputs, opset, shapes.batch, totalSteps),
    stage,
    outputs,
    type,
    backend,
  };
}

/** The heads that the attributes count for three-dimensional inputs; undefined for four-dimensional ones. */
function readHeadCounts(
  attributes: OptionValues<string>,
  rank: number,
): { query: number; key: number } | undefined {
  const most = 2 ** 31 - 1;
  const query = readInteger(attributes, 'q_num_heads', 1, most);
  const key = readInteger(attributes, 'kv_num_heads', 1, most);
  if (rank === 4) {
    if (query !== undefined || key !== undefined) {
      throw new HeedError(
        'HEED_SHAPE_MISMATCH',
        'Expected q_num_heads and kv_num_heads only with inputs of 3 axes, received Q with 4',
      );
    }
    return undefined;
  }
  if (query === undefined) throw invalid('q_num_heads', 'given for inputs of 3 axes', query);
  if (key === undefined) throw invalid('kv_num_heads', 'given for inputs of 3 axes', key);
  return { query, key };
}

/** Dims as four axes: [batch, heads, steps, width], or [batch, steps, heads, width] for an input of three. */
function fourAxes(tensor: TensorArgument, heads: number | undefined, attribute: string): readonly number[] {
  if (heads === undefined) return tensor.dims;
  const [batch, steps] = tensor.dims;
  return [batch, steps, heads, widthOfHeads(tensor, heads, attribute)];
}

/** `keySteps` are without the past. */
export interface Shapes extends Omit<AttentionShape, 'keyWidth'> {
  readonly query: readonly number[];
  readonly key: readonly number[];
  readonly value: readonly number[];
  readonly stepsFirst: boolean;
}

export function readShapes(
  Q: TensorArgument,
  K: TensorArgument,
  V: TensorArgument,
  attributes: OptionValues<string>,
): Shapes {
  expectRankOf(Q, [3, 4]);
  const rank = Q.dims.length;
  expectRankOf(K, [rank]);
  expectRankOf(V, [rank]);
  const counts = readHeadCounts(attributes, rank);
  const query = fourAxes(Q, counts?.query, 'q_num_heads');
  const key = fourAxes(K, counts?.key, 'kv_num_heads');
  const value = fourAxes(V, counts?.key, 'kv_num_heads');
  const [headAxis, stepAxis] = counts ? [2, 1] : [1, 2];

  expectLength(key[0], 'K.dims[0]', query[0], 'Q.dims[0]');
  expectLength(value[0], 'V.dims[0]', query[0], 'Q.dims[0]');
  expectLength(value[headAxis], 'the heads of V', key[headAxis], 'the heads of K');
  expectLength(value[stepAxis], `V.dims[${stepAxis}]`, key[stepAxis], `K.dims[${stepAxis}]`);
  expectLength(key[3], 'the head size of K', query[3], 'the head size of Q');
  return {
    query,
    key,
    value,
    stepsFirst: counts !== undefined,
    batch: query[0],
    queryHeads: query[headAxis],
    keyHeads: key[headAxis],
    querySteps: query[stepAxis],
    keySteps: key[stepAxis],
    width: key[3],
    valueWidth: value[3],
  };
}
