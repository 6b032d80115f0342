/**
 * The expected results of the operators of com.microsoft: reads the arguments strictly by their
 * documentation, and takes the numbers from the oracles.
 */
import type { FloatType } from '../../lib/tensor/types.js';
import {
  groupQueryAttentionOracle,
  multiHeadAttentionOracle,
  roundingTo,
} from '../onnx/microsoft/oracles.js';
import { filled } from '../onnx/nd-array.js';
import { rotaryEmbeddingOracle } from '../onnx/rotary-embedding-oracle.js';
import type { Expected } from './attention-model.js';
import { integer, isTame } from './onnx-model.js';
import * as model from './tensor-model.js';
import { expect, type ModelTensor } from './tensor-model.js';

const most = 2 ** 31 - 1;

interface Read {
  readonly inputs: Readonly<Record<string, ModelTensor>>;
  readonly given: Readonly<Record<string, unknown>>;
  readonly type: FloatType;
}

/** The tensors that are there; all that are not of an integer type share that of the first. */
function read(
  args: readonly unknown[],
  names: readonly string[],
  integers: object,
  attributes: readonly string[],
): Read {
  expect(args[0] !== undefined, 'inputs');
  const objects = Object.entries(model.options(args[0], names)).filter(([, value]) => value !== undefined);
  const inputs = Object.fromEntries(objects.map(([name, value]) => [name, model.tensor(value)]));
  expect(inputs[names[0]], names[0]);
  const { type } = inputs[names[0]];
  expect(['float32', 'float16', 'bfloat16'].includes(type), 'a type');
  for (const [name, tensor] of Object.entries(inputs)) {
    const wanted = (integers as Record<string, string>)[name] ?? type;
    expect(tensor.type === wanted, `the type of ${name}`);
  }
  return { inputs, given: model.options(args[1], attributes), type: type as FloatType };
}

const flag = (value: unknown) => integer(value, 0, 1, 0);
const number = (value: unknown) => (value === undefined ? 0 : model.finite(value));

function expectDims(tensor: ModelTensor | undefined, ...dims: readonly number[]): void {
  expect(!tensor || model.sameDims(tensor.dims, dims), `dims ${dims}`);
}

function expectBias(bias: ModelTensor | undefined, dims: readonly number[]): void {
  if (!bias) return;
  const fits = (length: number, axis: number) => length === dims[axis] || (axis < 2 && length === 1);
  expect(bias.dims.length === 4 && bias.dims.every(fits), 'a bias');
}

function expectWidth(width: number): void {
  expect(Number.isInteger(width) && width >= 1 && width <= 576, 'a width');
}

/** How many steps the past has; both halves are there or none. */
function pastOf(
  { past_key, past_value }: Read['inputs'],
  [batch, heads, width, valueWidth]: readonly number[],
): number {
  expect((past_key === undefined) === (past_value === undefined), 'both pasts or none');
  if (!past_key) return 0;
  const steps = past_key.dims[2];
  expectDims(past_key, batch, heads, steps, width);
  expectDims(past_value, batch, heads, steps, valueWidth);
  return steps;
}

const everyBetween = (tensor: ModelTensor, low: number, high: number) =>
  tensor.values.every((value) => value >= low && value <= high);

/** What has a result in float32 that can be compared. */
function expected(
  results: Readonly<Record<string, { readonly dims: readonly number[]; readonly values: ArrayLike<number> }>>,
  { inputs, type }: Read,
  loose: boolean,
): Record<string, Expected> {
  const floats = Object.values(inputs).filter((tensor) => tensor.type === type);
  const each = { type, loose: loose || !isTame(...floats) };
  return Object.fromEntries(Object.entries(results).map(([name, array]) => [name, { ...array, ...each }]));
}

const cacheAttributes = ['k_quant_type', 'v_quant_type', 'kv_cache_bit_width', 'sliding_window_cache'];

/** The expected result of microsoft.groupQueryAttention(inputs, attributes, options). */
export function groupQueryAttentionModel(args: readonly unknown[]): Record<string, Expected> {
  const all = read(
    args,
    [
      ...['query', 'key', 'value', 'past_key', 'past_value', 'seqlens_k', 'total_sequence_length'],
      ...['cos_cache', 'sin_cache', 'position_ids', 'attention_bias', 'head_sink'],
    ],
    { seqlens_k: 'int32', total_sequence_length: 'int32', position_ids: 'int64' },
    [
      ...['num_heads', 'kv_num_heads', 'causal', 'scale', 'softcap', 'local_window_size', 'do_rotary'],
      ...['rotary_interleaved', 'smooth_softmax', 'qk_output', 'qk_norm_epsilon', ...cacheAttributes],
    ],
  );
  const { inputs, given, type } = all;
  model.expectBackend(model.options(args[2], ['backend']).backend);
  for (const name of cacheAttributes) expect([undefined, 0, 'NONE'].includes(given[name] as string), name);
  for (const name of ['k_quant_type', 'v_quant_type']) expect(given[name] !== 0, name);
  for (const name of ['kv_cache_bit_width', 'sliding_window_cache']) expect(given[name] !== 'NONE', name);
  number(given.qk_norm_epsilon);
  const { query, key, value, seqlens_k, total_sequence_length, cos_cache, sin_cache, position_ids } = inputs;
  expect(seqlens_k && total_sequence_length, 'lengths');
  const heads = integer(given.num_heads, 1, most, 0);
  const keyHeads = integer(given.kv_num_heads, 1, most, 0);
  expect(heads >= 1 && keyHeads >= 1 && heads % keyHeads === 0, 'groups');

  expect(query.dims.length === 3, 'a query');
  expect((key === undefined) === (value === undefined), 'key and value or none');
  const [batch, steps] = query.dims;
  const width = query.dims[2] / (key ? heads : heads + 2 * keyHeads);
  expectWidth(width);
  const newSteps = key?.dims[1] === 0 && inputs.past_key ? 0 : steps;
  expectDims(key, batch, newSteps, keyHeads * width);
  expectDims(value, batch, newSteps, keyHeads * width);
  const past = pastOf(inputs, [batch, keyHeads, width, width]);

  const total = total_sequence_length.values[0];
  expect(total_sequence_length.values.length === 1, 'one total');
  expect(total >= 1 && total <= Math.max(1, past + newSteps), 'a total');
  const first = steps === total;
  const high = first ? total : Math.min(total, past + newSteps);
  expect(seqlens_k.values.length === batch && seqlens_k.dims.every((n) => n === 1 || n === batch), 'lengths');
  expect(everyBetween(seqlens_k, (first ? 1 : steps) - 1, high - 1), 'lengths in range');
  expectDims(position_ids, batch, steps);
  const do_rotary = flag(given.do_rotary);
  if (do_rotary) {
    expect(cos_cache && sin_cache && cos_cache.dims.length === 2, 'angles');
    expectDims(sin_cache, ...cos_cache.dims);
    expect(2 * cos_cache.dims[1] <= width, 'angles for a head');
    const start = position_ids?.values[0] ?? 0;
    const lengths = Array.from(seqlens_k.values, (length) => length + 1);
    const positions = lengths.flatMap((length, b) =>
      Array.from({ length: steps }, (_, s) => {
        if (first) return start + s;
        return position_ids ? position_ids.values[b * steps + s] : length - steps + s;
      }),
    );
    expect(
      positions.every((position) => position >= 0 && position < cos_cache.dims[0]),
      'positions',
    );
  }
  expectBias(inputs.attention_bias, [batch, heads, steps, total]);
  expectDims(inputs.head_sink, heads);
  expect(inputs.head_sink?.values.every(Number.isFinite) ?? true, 'finite sinks');
  const causal = integer(given.causal, 0, 1, 1);
  const window = integer(given.local_window_size, -1, Number.MAX_SAFE_INTEGER, -1);
  expect(window !== 0 && (window === -1 || causal === 1), 'a window');
  const [scale, softcap] = [number(given.scale), number(given.softcap)];
  expect(softcap === 0 || softcap >= 2 ** -126, 'a softcap');
  const qk_output = integer(given.qk_output, 0, 2, 0);
  const attributes = {
    ...{ num_heads: heads, kv_num_heads: keyHeads, causal, scale, softcap, do_rotary },
    local_window_size: window,
    rotary_interleaved: flag(given.rotary_interleaved),
    smooth_softmax: integer(given.smooth_softmax, -1, 1, -1),
  };
  const right = groupQueryAttentionOracle(inputs, attributes, roundingTo(type));
  const shown = [undefined, right.scores, right.weights][qk_output];
  const { output, present_key, present_value } = right;
  const results = { output, present_key, present_value, ...(shown && { output_qk: shown }) };
  return expected(results, all, Math.abs(scale) > 50 || softcap > 1000);
}

const outputNames = ['output', 'present_key', 'present_value', 'qk'];

/** The axes of key and value: three, four, or packed into five. */
function readLayout({ query, key, value }: Read['inputs'], heads: number) {
  const packed = (tensor: ModelTensor, parts: number) => {
    const [batch, steps, count, three, width] = tensor.dims;
    expect(tensor.dims.length === 5 && count === heads && three === parts, 'a packed input');
    return { batch, steps, width };
  };
  if (!key) {
    expect(!value, 'key and value or none');
    const { batch, steps, width } = packed(query, 3);
    return { batch, steps, newSteps: steps, width, valueWidth: width };
  }
  const [batch, steps, hidden] = query.dims;
  const width = hidden / heads;
  expect(query.dims.length === 3, 'a query');
  if (!value) {
    const other = packed(key, 2);
    expect(other.batch === batch && other.width === width, 'a packed key');
    return { batch, steps, newSteps: other.steps, width, valueWidth: width };
  }
  const flat = key.dims.length === 3;
  expect((flat || key.dims.length === 4) && value.dims.length === key.dims.length, 'axes');
  const newSteps = key.dims[flat ? 1 : 2];
  const valueWidth = flat ? value.dims[2] / heads : value.dims[3];
  expectDims(key, ...(flat ? [batch, newSteps, hidden] : [batch, heads, newSteps, width]));
  expectDims(value, ...(flat ? [batch, newSteps, heads * valueWidth] : [batch, heads, newSteps, valueWidth]));
  return { batch, steps, newSteps, width, valueWidth };
}

function expectMask(mask: ModelTensor | undefined, [batch, steps, total]: readonly number[]): void {
  if (!mask) return;
  const { dims } = mask;
  if (dims.length === 1) {
    expect(dims[0] === batch || dims[0] === 3 * batch + 2, 'lengths');
    expect(
      mask.values.subarray(0, batch).every((length) => length >= 0 && length <= total),
      'lengths in range',
    );
  } else {
    expectDims(mask, batch, ...(dims.length === 3 ? [steps] : []), total);
  }
}

/** The expected result of microsoft.multiHeadAttention(inputs, attributes, options). */
export function multiHeadAttentionModel(args: readonly unknown[]): Record<string, Expected> {
  const all = read(
    args,
    [
      ...['query', 'key', 'value', 'bias', 'key_padding_mask', 'attention_bias', 'past_key', 'past_value'],
      'past_sequence_length',
    ],
    { key_padding_mask: 'int32', past_sequence_length: 'int32' },
    ['num_heads', 'scale', 'mask_filter_value', 'unidirectional'],
  );
  const { inputs, given, type } = all;
  const options = model.options(args[2], ['backend', 'outputs']);
  model.expectBackend(options.backend);
  const asked = options.outputs === undefined ? undefined : model.list(options.outputs);
  expect(
    !asked || (asked.length <= 16 && asked.every((name) => outputNames.includes(name as string))),
    'outputs',
  );
  const num_heads = integer(given.num_heads, 1, most, 0);
  expect(num_heads >= 1, 'heads');
  const { batch, steps, newSteps, width, valueWidth } = readLayout(inputs, num_heads);
  for (const each of [width, valueWidth]) expectWidth(each);
  const buffer = pastOf(inputs, [batch, num_heads, width, valueWidth]);
  const { past_sequence_length: length, past_key, bias, key_padding_mask: mask } = inputs;
  if (length) {
    expect(past_key && length.values.length === 1, 'one length of a past');
    expect(length.values[0] >= 0 && length.values[0] + newSteps <= buffer, 'room for new steps');
  }
  const total = (length?.values[0] ?? buffer) + newSteps;
  expect(!bias || !inputs.key || inputs.value, 'no bias of a packed key');
  expectDims(bias, num_heads * (2 * width + valueWidth));
  expectMask(mask, [batch, steps, total]);
  expectBias(inputs.attention_bias, [batch, num_heads, steps, total]);
  const unidirectional = flag(given.unidirectional);
  expect(!unidirectional || steps <= 1 || newSteps === steps, 'as many keys as queries');
  const scale = number(given.scale);
  const filter = given.mask_filter_value === undefined ? -10000 : model.finite(given.mask_filter_value);
  const attributes = { num_heads, scale, unidirectional, mask_filter_value: filter };
  const { hidesRows, ...right } = multiHeadAttentionOracle(inputs, attributes, roundingTo(type));
  const wanted = new Set(['output', ...(asked ?? (past_key ? ['present_key', 'present_value'] : []))]);
  const results = Object.fromEntries(Object.entries(right).filter(([name]) => wanted.has(name)));
  const absorbs = mask !== undefined && Math.abs(filter) > 100 && (hidesRows || filter > 0);
  return expected(results, all, Math.abs(scale) > 50 || absorbs);
}

/** The expected result of microsoft.rotaryEmbedding(inputs, attributes, options). */
export function microsoftRotaryModel(args: readonly unknown[]): Record<string, Expected> {
  const all = read(args, ['input', 'position_ids', 'cos_cache', 'sin_cache'], { position_ids: 'int64' }, [
    'interleaved',
    'is_packed_batching',
    'num_heads',
    'rotary_embedding_dim',
    'scale',
  ]);
  const { input, position_ids, cos_cache, sin_cache } = all.inputs;
  const { given } = all;
  model.expectBackend(model.options(args[2], ['backend']).backend);
  expect(position_ids && cos_cache && sin_cache, 'all inputs');
  expect(given.scale === undefined || given.scale === 1, 'no scale');
  const axes = input.dims.length;
  expect((axes === 3 || axes === 4) && cos_cache.dims.length === 2, 'axes');
  expectDims(sin_cache, ...cos_cache.dims);
  const [positions, pairs] = cos_cache.dims;
  const counted = integer(given.num_heads, 0, most, 0);
  const num_heads = axes === 4 ? input.dims[1] : counted || input.dims[2] / (2 * pairs);
  const width = axes === 4 ? input.dims[3] : input.dims[2] / num_heads;
  expect(Number.isInteger(num_heads) && Number.isInteger(width), 'heads');
  const dim = integer(given.rotary_embedding_dim, 0, width, 0);
  expect(axes === 4 || counted > 0 || dim === 0, 'num_heads with rotary_embedding_dim');
  const rotated = dim || width;
  expect(rotated % 2 === 0 && rotated / 2 === pairs, 'pairs');
  const [batch, steps] = [input.dims[0], input.dims[axes - 2]];
  expect(flag(given.is_packed_batching) === 1 || steps <= positions, 'a row for each step');
  const single = position_ids.dims.length <= 1 && position_ids.values.length === 1;
  if (!single) expectDims(position_ids, batch, steps);
  const rows = filled([batch, steps], (index) =>
    single ? position_ids.values[0] + (index % steps) : position_ids.values[index],
  );
  expect(
    input.values.length === 0 || everyBetween({ ...position_ids, ...rows }, 0, positions - 1),
    'positions',
  );
  const output = rotaryEmbeddingOracle(
    { input, cos_cache, sin_cache, position_ids: rows },
    { interleaved: flag(given.interleaved), rotary_embedding_dim: dim, num_heads },
  );
  return expected({ output }, all, false);
}
