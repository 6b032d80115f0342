import type { AttentionDetails } from '../../attention/details.js';
import { readSoftcap } from '../../attention/scoring.js';
import { expectWidth } from '../../attention/shape.js';
import type { Backend } from '../../backends/backend.js';
import { chooseBackend } from '../../backends/choose.js';
import { expectDims } from '../../checks/lists.js';
import { type OptionValues, readOptions } from '../../checks/options.js';
import { expectType, fetchedDataOf, type TensorArgument } from '../../checks/tensor.js';
import { describeDims, finiteOption, integerBetween, invalid, isFiniteFloat32 } from '../../checks/values.js';
import { HeedError } from '../../errors.js';
import type { Allocations } from '../../memory/allocations.js';
import { isOnDevice } from '../../memory/device.js';
import type { HeadRotation } from '../../problem/problem.js';
import { hostElements, readElements } from '../../tensor/elements.js';
import type { Tensor } from '../../tensor/tensor.js';
import { bytesPerElement, type FloatType, type TensorLike, type TypedArray } from '../../tensor/types.js';
import {
  expectOnePlace,
  expectOperatorFloat,
  expectRankOf,
  integersOf,
  readInputs,
  readInteger,
  tensorOver,
  toTensor,
  widthOfHeads,
} from '../arguments.js';
import { copyRows } from '../copy-rows.js';
import {
  appendSteps,
  copyOnDevice,
  copyWithStepsFirst,
  elementsPerTurn,
  emptyBeside,
  type Heads,
  headsOf,
  joinHeads,
  tensorOf,
  withHeadsFirst,
} from '../heads.js';
import { fillUp } from '../mask.js';
import { readRotation, rotate } from '../rotate.js';
import {
  expectAttentionBias,
  expectOneType,
  expectUnderstood,
  type Operator,
  type Question,
  readCount,
  readFlag,
  readPast,
  readScalar,
  readScale,
} from './arguments.js';

/** The inputs of a GroupQueryAttention node, by the names of the operator's definition. */
export interface GroupQueryAttentionInputs {
  /**
   * [batch, sequence_length, num_heads · head_size]; or, without key and value, packed:
   * [batch, sequence_length, (num_heads + 2 · kv_num_heads) · head_size], the heads of the query, the key and
   * the value. float32, float16 or bfloat16.
   */
  readonly query: TensorLike;
  /**
   * [batch, sequence_length, kv_num_heads · head_size], the new steps; or with no steps, [batch, 0, …], where
   * the cache already has those of this call, as layers do that share a cache.
   */
  readonly key?: TensorLike;
  /** As key. */
  readonly value?: TensorLike;
  /**
   * The cache [batch, kv_num_heads, past_steps, head_size], of which each batch entry may use less. Only
   * together with past_value.
   */
  readonly past_key?: TensorLike;
  /** As past_key. */
  readonly past_value?: TensorLike;
  /** int32 [batch]: for each batch entry the number of its steps, old and new without padding, minus 1. */
  readonly seqlens_k: TensorLike;
  /**
   * int32, one element: the largest number of steps, old and new, of all batch entries. If it equals
   * sequence_length this is the first call: there is no past then, whatever the cache holds, and entries may
   * be padded after their last step.
   */
  readonly total_sequence_length: TensorLike;
  /**
   * Cosines of the angles for do_rotary, [max_sequence_length, pairs]: the leading 2 · pairs elements of a
   * head are rotated.
   */
  readonly cos_cache?: TensorLike;
  /** Their sines, of the same dims. */
  readonly sin_cache?: TensorLike;
  /**
   * int64 [batch, sequence_length]: the positions for do_rotary; by default those in the cache. In the first
   * call only the first element counts, and all entries take their positions from there on.
   */
  readonly position_ids?: TensorLike;
  /**
   * Added to scores: [batch or 1, num_heads or 1, sequence_length, total_sequence_length]; −∞ excludes a key.
   */
  readonly attention_bias?: TensorLike;
  /** `[num_heads]`: a logit for each head that takes part in the softmax and contributes no value. */
  readonly head_sink?: TensorLike;
}

/** The attributes of a GroupQueryAttention node, by the operator's names. */
export interface GroupQueryAttentionAttributes {
  /** The number of query heads, a multiple of kv_num_heads. */
  readonly num_heads: number;
  /** The number of key and value heads. */
  readonly kv_num_heads: number;
  /** 1, the default: a step attends no later ones. 0: it attends all steps of its entry. */
  readonly causal?: 0 | 1;
  /** Multiplies scores; 0, the default, stands for 1 / √head_size. */
  readonly scale?: number;
  /** Scores become softcap · tanh(score / softcap); 0, the default, leaves them unchanged. */
  readonly softcap?: number;
  /** How many keys a step attends at most, itself included; -1, the default, is all. Only with causal. */
  readonly local_window_size?: number;
  /** 1: queries and keys are rotated by position, and the rotated keys go into the cache. Default 0. */
  readonly do_rotary?: 0 | 1;
  /**
   * 1: neighbouring elements form a pair; 0, the default: an element and the one half of the rotated ones
   * further on.
   */
  readonly rotary_interleaved?: 0 | 1;
  /** 1: a head_sink of zeros. Default -1, which is as 0. */
  readonly smooth_softmax?: -1 | 0 | 1;
  /**
   * What output_qk holds: 0 it is not there (default), 1 what goes into the softmax, 2 what comes out of it.
   */
  readonly qk_output?: 0 | 1 | 2;
  /** Only 0, the default: heed's caches are not cut to a window. */
  readonly sliding_window_cache?: 0;
  /** Only 'NONE', the default: heed does not quantise the cache of this operator. */
  readonly k_quant_type?: 'NONE';
  /** See k_quant_type. */
  readonly v_quant_type?: 'NONE';
  /** Only 0, the default. */
  readonly kv_cache_bit_width?: 0;
  /** Of no effect: it belongs to the inputs q_norm_weight and k_norm_weight, which heed refuses. */
  readonly qk_norm_epsilon?: number;
}

/** The outputs, by their names. */
export interface GroupQueryAttentionOutputs {
  /**
   * [batch, sequence_length, num_heads · head_size]; rows after the last step of an entry have no meaning.
   */
  output: Tensor;
  /**
   * [batch, kv_num_heads, max(past_steps, total_sequence_length), head_size] in memory of its own: for each
   * entry its past, the new steps, and zeros.
   */
  present_key: Tensor;
  /** As present_key. */
  present_value: Tensor;
  /**
   * [batch, num_heads, sequence_length, total_sequence_length] if qk_output is not 0: scores with softcap and
   * bias, or weights. 0 where a step may not attend.
   */
  output_qk?: Tensor;
}

const required = ['query', 'seqlens_k', 'total_sequence_length'] as const;
const understood = [
  'key',
  'value',
  'past_key',
  'past_value',
  'cos_cache',
  'sin_cache',
  'position_ids',
  'attention_bias',
  'head_sink',
] as const;
const remedies = {
  k_scale: 'pass the cache as float32, float16 or bfloat16',
  v_scale: 'pass the cache as float32, float16 or bfloat16',
  q_norm_weight: 'normalise the query before, with an operator of its own',
  k_norm_weight: 'normalise the key before, with an operator of its own',
} as const;
type Refused = keyof typeof remedies;
const refused = Object.keys(remedies) as Refused[];

const attributeNames = [
  'causal',
  'do_rotary',
  'k_quant_type',
  'kv_cache_bit_width',
  'kv_num_heads',
  'local_window_size',
  'num_heads',
  'qk_norm_epsilon',
  'qk_output',
  'rotary_interleaved',
  'scale',
  'sliding_window_cache',
  'smooth_softmax',
  'softcap',
  'v_quant_type',
] as const;

type Attributes = OptionValues<(typeof attributeNames)[number]>;
type Inputs = ReturnType<typeof readInputs<(typeof required)[number], (typeof understood)[number] | Refused>>;

/** What output_qk shows for each value of qk_output. */
const shown = [undefined, 'biasedScores', 'weights'] as const;

/** Where the new steps of each batch entry stand. */
interface Steps {
  /** Of the longest entry. */
  readonly total: number;
  /** Valid keys of each entry, the new ones included. */
  readonly lengths: readonly number[];
  /** Of these, the steps of the cache before the new ones. */
  readonly past: readonly number[];
  /** The position of query row 0 among the keys. */
  readonly offsets: readonly number[];
  /** No entry has a past. */
  readonly first: boolean;
}

interface Node {
  readonly allocations: Allocations;
  readonly query: Heads;
  readonly key: Heads;
  readonly value: Heads;
  readonly past: { readonly key: Heads; readonly value: Heads } | undefined;
  readonly steps: Steps;
  /** Of present_key and present_value. */
  readonly presentSteps: number;
  readonly rotation: HeadRotation | undefined;
  readonly bias: Tensor | undefined;
  readonly sinks: Float64Array | undefined;
  readonly scale: number;
  readonly softcap: number;
  readonly causal: boolean;
  /** How many keys before its own a step attends. */
  readonly left: number;
  readonly shown: (typeof shown)[number];
  readonly type: FloatType;
  readonly backend: Backend;
}

/** Refuses what other kernels make of caches. */
function expectPlainCache(attributes: Attributes): void {
  for (const name of ['k_quant_type', 'v_quant_type'] as const) {
    const type = attributes[name];
    if (type === undefined || type === 'NONE') continue;
    throw invalid(name, "'NONE': heed has no quantised cache here, pass it as a floating-point type", type);
  }
  const bits = attributes.kv_cache_bit_width;
  if (bits !== undefined && bits !== 0) {
    throw invalid('kv_cache_bit_width', '0: heed has no quantised cache here', bits);
  }
  const sliding = attributes.sliding_window_cache;
  if (sliding !== undefined && sliding !== 0) {
    throw invalid('sliding_window_cache', '0: pass the whole cache, local_window_size limits it', sliding);
  }
  finiteOption(attributes.qk_norm_epsilon, 'qk_norm_epsilon', 0);
}

/** Query, key and value in three inputs, or side by side in one. */
function readOperands(inputs: Inputs, heads: number, keyHeads: number) {
  const { query, key, value } = inputs;
  expectRankOf(query, [3]);
  const [batch, steps] = query.dims;
  if (key === undefined && value === undefined) {
    const rows = heads + 2 * keyHeads;
    const width = widthOfHeads(query, rows, 'num_heads + 2 · kv_num_heads');
    const all = headsOf(toTensor(query, [batch, steps, rows, width]), 'query', true);
    const part = (name: string, count: number, first: number): Heads => ({
      ...all,
      name,
      heads: count,
      packing: { rows, first, stride: 1 },
    });
    return {
      query: part('query', heads, 0),
      key: part('key', keyHeads, heads),
      value: part('value', keyHeads, heads + keyHeads),
    };
  }
  if (key === undefined) throw invalid('key', 'given together with value', key);
  if (value === undefined) throw invalid('value', 'given together with key', value);
  const width = widthOfHeads(query, heads, 'num_heads');
  expectRankOf(key, [3]);
  const newSteps = key.dims[1] === 0 && inputs.past_key ? 0 : steps;
  expectDims(key.dims, 'key', [batch, newSteps, keyHeads * width]);
  expectDims(value.dims, 'value', key.dims);
  const split = (input: TensorArgument, count: number): Heads =>
    headsOf(toTensor(input, [batch, input.dims[1], count, width]), input.name, true);
  return { query: split(query, heads), key: split(key, keyHeads), value: split(value, keyHeads) };
}

function readSteps(inputs: Inputs, query: Heads, newSteps: number, pastSteps: number): Steps {
  const { seqlens_k: seqlens, total_sequence_length } = inputs;
  expectType(seqlens, 'int32', "the operator's");
  if (seqlens.size !== query.batch || seqlens.dims.some((length) => length !== 1 && length !== query.batch)) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected seqlens_k.dims to be [${query.batch}], received ${describeDims(seqlens.dims)}`,
    );
  }
  const total = readScalar(total_sequence_length, 1, Math.max(1, pastSteps + newSteps));
  const first = query.steps === total;
  const low = first ? 1 : query.steps;
  const high = Math.min(total, first ? total : pastSteps + newSteps);
  const lengths = Array.from(
    integersOf(seqlens),
    (length, entry) => integerBetween(length, `seqlens_k.data[${entry}]`, low - 1, high - 1) + 1,
  );
  return {
    total,
    lengths,
    past: lengths.map((length) => (newSteps === 0 ? length : first ? 0 : length - newSteps)),
    offsets: lengths.map((length) => (first ? 0 : length - query.steps)),
    first,
  };
}

/** The position of each [batch, step]. */
function positionsOf(ids: TensorArgument | undefined, { batch, steps }: Heads, at: Steps): Float64Array {
  const given = ids && integersOf(ids);
  const positions = new Float64Array(batch * steps);
  for (let b = 0; b < batch; b++) {
    for (let s = 0; s < steps; s++) {
      const row = b * steps + s;
      if (at.first) positions[row] = (given?.[0] ?? 0) + s;
      else positions[row] = given ? given[row] : at.offsets[b] + s;
    }
  }
  return positions;
}

function readAngles(
  inputs: Inputs,
  attributes: Attributes,
  query: Heads,
  at: Steps,
): HeadRotation | undefined {
  const { cos_cache, sin_cache, position_ids } = inputs;
  const interleaved = readFlag(attributes, 'rotary_interleaved');
  if (position_ids) {
    expectType(position_ids, 'int64', "the operator's");
    expectDims(position_ids.dims, 'position_ids', [query.batch, query.steps]);
  }
  if (!readFlag(attributes, 'do_rotary')) return undefined;
  if (cos_cache === undefined) throw invalid('cos_cache', 'given for do_rotary', cos_cache);
  if (sin_cache === undefined) throw invalid('sin_cache', 'given for do_rotary', sin_cache);
  expectRankOf(cos_cache, [2]);
  expectDims(sin_cache.dims, 'sin_cache', cos_cache.dims);
  const pairs = cos_cache.dims[1];
  if (2 * pairs > query.width) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected cos_cache.dims[1] to be at most half the head size (${query.width}), received ${pairs}`,
    );
  }
  const positions = positionsOf(position_ids, query, at);
  const source = position_ids ? 'position_ids.data' : 'the default position_ids';
  return readRotation(cos_cache, sin_cache, interleaved, positions, source);
}

function readSinks(
  sink: TensorArgument | undefined,
  attributes: Attributes,
  heads: number,
): Float64Array | undefined {
  const smooth = readInteger(attributes, 'smooth_softmax', -1, 1) === 1;
  const sinks = new Float64Array(heads);
  if (sink === undefined) return smooth ? sinks : undefined;
  expectDims(sink.dims, 'head_sink', [heads]);
  readElements(sink.type, fetchedDataOf(sink), 0, heads, sinks);
  for (const [head, logit] of sinks.entries()) {
    if (!isFiniteFloat32(logit)) throw invalid(`head_sink.data[${head}]`, 'a finite number', logit);
  }
  return sinks;
}

function readLeft(attributes: Attributes, causal: boolean): number {
  const size = readInteger(attributes, 'local_window_size', -1, Number.MAX_SAFE_INTEGER) ?? -1;
  if (size === 0) throw invalid('local_window_size', '-1 or at least 1, the step itself', size);
  if (size === -1) return Number.POSITIVE_INFINITY;
  if (!causal) throw invalid('local_window_size', '-1 where causal is 0', size);
  return size - 1;
}

function read(
  allocations: Allocations,
  inputValues: unknown,
  attributeValues: unknown,
  optionValues: unknown,
): Node {
  const options = readOptions(optionValues, ['backend'] as const);
  const attributes = readOptions(attributeValues, attributeNames, 'attributes');
  const inputs = readInputs(allocations, inputValues, required, [...understood, ...refused]);
  expectUnderstood(inputs, remedies);
  expectPlainCache(attributes);

  const type = expectOperatorFloat(inputs.query);
  const { key, value, past_key, past_value, cos_cache, sin_cache, attention_bias, head_sink } = inputs;
  expectOneType(
    type,
    'query',
    key,
    value,
    past_key,
    past_value,
    cos_cache,
    sin_cache,
    attention_bias,
    head_sink,
  );
  expectOnePlace(inputs.query, key, value, past_key, past_value, cos_cache, sin_cache, attention_bias);
  const backend = chooseBackend(options.backend, type, inputs.query.location);
  const heads = readCount(attributes, 'num_heads');
  const keyHeads = readCount(attributes, 'kv_num_heads');
  if (heads % keyHeads !== 0) throw invalid('num_heads', `a multiple of kv_num_heads (${keyHeads})`, heads);
  const operands = readOperands(inputs, heads, keyHeads);
  const { query } = operands;
  expectWidth(query.width, 'the head size of query');
  const past = readPast(inputs, [query.batch, keyHeads, query.width, query.width], (input) =>
    headsOf(toTensor(input), input.name, false),
  );
  const pastSteps = past?.key.steps ?? 0;
  const steps = readSteps(inputs, query, operands.key.steps, pastSteps);
  const presentSteps = Math.max(pastSteps, steps.total);
  expectAttentionBias(attention_bias, [query.batch, heads, query.steps, steps.total]);
  const causal = readInteger(attributes, 'causal', 0, 1) !== 0;

  return {
    allocations,
    ...operands,
    past,
    steps,
    presentSteps,
    rotation: readAngles(inputs, attributes, query, steps),
    // Without queries an axis of the cache may be of any length.
    bias: attention_bias && inputs.query.size > 0 ? toTensor(attention_bias) : undefined,
    sinks: readSinks(head_sink, attributes, heads),
    scale: readScale(attributes, query.width),
    softcap: readSoftcap(attributes.softcap, 'softcap'),
    causal,
    left: readLeft(attributes, causal),
    shown: shown[readInteger(attributes, 'qk_output', 0, 2) ?? 0],
    type,
    backend,
  };
}

function* rotated({ allocations, rotation, backend }: Node, split: Heads): Generator<void, Heads> {
  if (rotation === undefined) return split;
  if (isOnDevice(split.data)) return copyOnDevice(allocations, backend, split, false, { rotation });
  const copy = yield* copyWithStepsFirst(allocations, split);
  yield* rotate({ ...copy, data: hostElements<TypedArray>(copy.data) }, rotation);
  return copy;
}

function* ask(node: Node): Generator<void, Question> {
  const { allocations, past, steps, presentSteps, bias, sinks } = node;
  const key = yield* rotated(node, node.key);
  const query = yield* withHeadsFirst(allocations, yield* rotated(node, node.query));
  const append = (before: Heads | undefined, from: Heads, name: string) =>
    appendSteps(allocations, before, from, name, steps.past, presentSteps);
  return {
    query: tensorOf(query),
    key: tensorOf(yield* append(past?.key, key, 'present_key')),
    value: tensorOf(yield* append(past?.value, node.value, 'present_value')),
    options: {
      layout: 'bhsd',
      scale: node.scale,
      softcap: node.softcap,
      causal: node.causal,
      window: { left: node.left },
      queryOffset: steps.offsets,
      kvLengths: steps.lengths,
      ...(bias && { mask: fillUp(allocations, bias, steps.total, presentSteps) }),
      ...(sinks && { sinks }),
      backend: node.backend.name,
      include: node.shown ? [node.shown] : [],
    },
  };
}

/** The details for the first keys of the cache, 0 where a step may not attend. Pauses now and then. */
function* detailsOf(details: Tensor, node: Node): Generator<void, Tensor> {
  const { allocations, type, steps, causal, left } = node;
  const { elements } = details.type === type ? details : allocations.adopt(details.cast(type));
  const [batch, heads, queries, keys] = details.dims;
  const size = batch * heads * queries * steps.total;
  const shown = emptyBeside(allocations, elements, type, size, 'output_qk');
  if (isOnDevice(shown)) shown.device.clear(shown);
  const bytes = bytesPerElement[type];
  const axis = { length: heads, from: queries * keys * bytes, to: queries * steps.total * bytes };
  let sinceTurn = 0;
  for (let entry = 0; entry < batch; entry++) {
    for (let i = 0; i < queries; i++) {
      const position = steps.offsets[entry] + i;
      const start = Math.max(0, position - left);
      const end = causal ? Math.min(steps.lengths[entry], position + 1) : steps.lengths[entry];
      if (start >= end) continue;
      const row = entry * heads * queries + i;
      const first = { from: (row * keys + start) * bytes, to: (row * steps.total + start) * bytes };
      yield* copyRows(
        { name: 'output_qk', data: elements },
        { data: shown },
        [axis],
        (end - start) * bytes,
        first,
      );
      sinceTurn += heads * (end - start);
      if (sinceTurn < elementsPerTurn) continue;
      sinceTurn = 0;
      yield;
    }
  }
  return tensorOver(type, shown, [batch, heads, queries, steps.total]);
}

function* answer(
  node: Node,
  { key, value }: Question,
  attended: AttentionDetails,
): Generator<void, GroupQueryAttentionOutputs> {
  const { allocations } = node;
  const output = allocations.adopt(attended.output);
  const details = node.shown && attended[node.shown];
  if (details) allocations.adopt(details);
  return {
    output: yield* joinHeads(allocations, output, 'output', false),
    present_key: allocations.share(key),
    present_value: allocations.share(value),
    ...(details && { output_qk: allocations.share(yield* detailsOf(details, node)) }),
  };
}

export const operator: Operator<Node, Question, GroupQueryAttentionOutputs> = { read, ask, answer };
