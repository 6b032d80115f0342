/**
 * The expected results of the ONNX operators: reads the arguments strictly by their specification, and takes
 * the numbers from the oracles.
 */
import { attentionOracle } from '../onnx/attention-oracle.js';
import { rotaryEmbeddingOracle } from '../onnx/rotary-embedding-oracle.js';
import type { Expected } from './attention-model.js';
import * as model from './tensor-model.js';
import { expect, type ModelTensor } from './tensor-model.js';

function readOptions(
  value: unknown,
  known: readonly string[],
): { opset: number; outputs: string[] | undefined } {
  const { opset = 25, backend, outputs } = model.options(value, ['opset', 'backend', 'outputs']);
  expect([23, 24, 25].includes(opset as number), 'an operator set');
  model.expectBackend(backend);
  const names = outputs === undefined ? undefined : model.list(outputs);
  expect(!names || (names.length <= 16 && names.every((name) => known.includes(name as string))), 'outputs');
  return { opset: opset as number, outputs: names as string[] | undefined };
}

function optional(value: unknown): ModelTensor | undefined {
  return value === undefined ? undefined : model.tensor(value);
}

export function integer(value: unknown, low: number, high: number, byDefault: number): number {
  if (value === undefined) return byDefault;
  expect(model.isInteger(value, low, high), 'an integer in range');
  return value;
}

export const isTame = (...tensors: (ModelTensor | undefined)[]) =>
  tensors.every(
    (tensor) => !tensor || tensor.values.every((value) => Math.abs(value) < 100 || value === -Infinity),
  );

const attributeNames = [
  ...['is_causal', 'kv_num_heads', 'left_window_size', 'q_num_heads', 'qk_matmul_output_mode'],
  ...['right_window_size', 'scale', 'softcap', 'softmax_precision'],
];

/** Determines the axes of heads and steps, and checks that all of them match. */
function expectShapes(Q: ModelTensor, K: ModelTensor, V: ModelTensor, given: Record<string, unknown>) {
  const axes = Q.dims.length;
  expect((axes === 3 || axes === 4) && K.dims.length === axes && V.dims.length === axes, 'axes');
  const { q_num_heads: queryHeads, kv_num_heads: keyHeads } = given;
  const split = ({ dims }: ModelTensor, heads: unknown) => {
    if (axes === 4) return { batch: dims[0], heads: dims[1], steps: dims[2], width: dims[3] };
    expect(model.isInteger(heads, 1, 2 ** 31 - 1) && dims[2] % heads === 0, 'heads');
    return { batch: dims[0], heads, steps: dims[1], width: dims[2] / heads };
  };
  if (axes === 4) expect(queryHeads === undefined && keyHeads === undefined, 'no counts of heads');
  const [q, k, v] = [split(Q, queryHeads), split(K, keyHeads), split(V, keyHeads)];
  expect(k.batch === q.batch && v.batch === q.batch && v.heads === k.heads && v.steps === k.steps, 'shapes');
  expect(k.width === q.width && k.heads >= 1 && q.heads >= 1 && q.heads % k.heads === 0, 'groups');
  for (const width of [q.width, v.width]) expect(width >= 1 && width <= 512, 'a width');
  return { q, k, v };
}

/** The expected result of onnx attention(inputs, attributes, options). */
export function onnxAttentionModel(args: readonly unknown[]): Record<string, Expected> {
  expect(args[0] !== undefined, 'inputs');
  const names = ['Q', 'K', 'V', 'attn_mask', 'past_key', 'past_value', 'nonpad_kv_seqlen'];
  const inputs = model.options(args[0], names);
  const given = model.options(args[1], attributeNames);
  const { opset, outputs } = readOptions(args[2], ['Y', 'present_key', 'present_value', 'qk_matmul_output']);
  const [Q, K, V] = [inputs.Q, inputs.K, inputs.V].map(model.floatTensor);
  const mask = optional(inputs.attn_mask);
  const [past_key, past_value] = [optional(inputs.past_key), optional(inputs.past_value)];
  const lengths = optional(inputs.nonpad_kv_seqlen);
  const { q, k, v } = expectShapes(Q, K, V, given);
  expect(K.type === Q.type, 'one type');
  expect((past_key === undefined) === (past_value === undefined), 'both pasts or none');
  let past = 0;
  if (past_key && past_value) {
    expect(past_key.dims.length === 4 && past_key.type === K.type && past_value.type === V.type, 'a past');
    past = past_key.dims[2];
    expect(model.sameDims(past_key.dims, [q.batch, k.heads, past, q.width]), 'past keys');
    expect(model.sameDims(past_value.dims, [q.batch, k.heads, past, v.width]), 'past values');
  }
  const total = past + k.steps;
  if (lengths) {
    expect(opset >= 24 && !past_key && lengths.type === 'int64', 'lengths');
    expect(model.sameDims(lengths.dims, [q.batch]), 'one length for each');
    expect(
      lengths.values.every((length) => length >= 0 && length <= k.steps),
      'lengths in range',
    );
    expect(!outputs?.some((name) => name.startsWith('present')), 'no present outputs');
  }
  if (mask) expectMask(mask, [q.batch, q.heads, q.steps, total], opset, lengths);
  const scale = given.scale === undefined ? 1 / Math.sqrt(q.width) : model.finite(given.scale);
  const softcap = given.softcap === undefined ? 0 : model.finite(given.softcap);
  expect(scale >= 0 && (softcap === 0 || softcap >= 2 ** -126), 'a scale and a softcap');
  expect([undefined, 1, 10, 11, 16].includes(given.softmax_precision as number), 'a precision');
  for (const side of ['left_window_size', 'right_window_size']) {
    expect(given[side] === undefined || opset === 25, 'a window');
  }
  const attributes = {
    scale,
    softcap,
    is_causal: integer(given.is_causal, 0, 1, 0),
    qk_matmul_output_mode: integer(given.qk_matmul_output_mode, 0, 3, 0),
    left_window_size: integer(given.left_window_size, -1, Number.MAX_SAFE_INTEGER, -1),
    right_window_size: integer(given.right_window_size, -1, Number.MAX_SAFE_INTEGER, -1),
    ...(Q.dims.length === 3 && { q_num_heads: q.heads, kv_num_heads: k.heads }),
  };
  const right = attentionOracle(
    {
      Q,
      K,
      V,
      ...(mask && { attn_mask: opset === 23 && mask.dims.at(-1) === 1 ? spread(mask, total) : mask }),
      ...(past_key && past_value && { past_key, past_value }),
      ...(lengths && { nonpad_kv_seqlen: lengths }),
    },
    attributes,
  );
  const loose = scale > 50 || softcap > 1000 || !isTame(Q, K, V, mask, past_key, past_value);
  const wanted = new Set(['Y', ...(outputs ?? (past_key ? ['present_key', 'present_value'] : []))]);
  return Object.fromEntries(
    Object.entries(right)
      .filter(([name]) => wanted.has(name))
      .map(([name, array]) => [name, { ...array, type: name === 'present_value' ? V.type : Q.type, loose }]),
  );
}

/** In the first operator set, a mask's last axis broadcasts like the others. */
function spread(mask: ModelTensor, total: number): ModelTensor {
  const values = Float64Array.from(
    { length: mask.values.length * total },
    (_, index) => mask.values[Math.floor(index / total)],
  );
  return { ...mask, dims: [...mask.dims.slice(0, -1), total], values };
}

function expectMask(
  mask: ModelTensor,
  target: readonly number[],
  opset: number,
  lengths?: ModelTensor,
): void {
  expect(mask.bool || model.floats.includes(mask.type), 'a mask');
  expect(mask.dims.length >= 1 && mask.dims.length <= 4, 'axes of a mask');
  const skipped = 4 - mask.dims.length;
  const outer = mask.dims.slice(0, -1);
  expect(
    outer.every((length, axis) => length === 1 || length === target[axis + skipped]),
    'a mask that broadcasts',
  );
  const covered = mask.dims.at(-1) ?? 0;
  expect(covered === target[3] || (opset === 23 ? covered === 1 : covered < target[3]), 'keys of a mask');
  expect(opset === 23 || !lengths?.values.some((length) => length > covered), 'a mask over all valid keys');
}

/** The expected result of onnx rotaryEmbedding(inputs, attributes, options). */
export function rotaryModel(args: readonly unknown[]): Record<string, Expected> {
  expect(args[0] !== undefined, 'inputs');
  const inputs = model.options(args[0], ['input', 'cos_cache', 'sin_cache', 'position_ids']);
  const given = model.options(args[1], ['interleaved', 'rotary_embedding_dim', 'num_heads']);
  readOptions(args[2], ['output']);
  const [input, cos_cache, sin_cache] = [inputs.input, inputs.cos_cache, inputs.sin_cache].map(
    model.floatTensor,
  );
  const position_ids = optional(inputs.position_ids);
  expect(
    input.type !== 'float64' && cos_cache.type === input.type && sin_cache.type === input.type,
    'one type',
  );
  const axes = input.dims.length;
  expect(axes === 3 || axes === 4, 'axes');
  const num_heads = integer(given.num_heads, 0, 2 ** 31 - 1, 0);
  expect(axes === 4 || (num_heads > 0 && input.dims[2] % num_heads === 0), 'heads');
  const [batch, steps, width] =
    axes === 4
      ? [0, 2, 3].map((axis) => input.dims[axis])
      : [...input.dims.slice(0, 2), input.dims[2] / num_heads];
  const dim = integer(given.rotary_embedding_dim, 0, width, 0);
  const rotated = dim === 0 ? width : dim;
  expect(rotated % 2 === 0, 'pairs');
  if (position_ids) {
    expect(position_ids.type === 'int64' && model.sameDims(position_ids.dims, [batch, steps]), 'positions');
    expect(cos_cache.dims.length === 2 && cos_cache.dims[1] === rotated / 2, 'a cache');
    expect(
      position_ids.values.every((position) => position >= 0 && position < cos_cache.dims[0]),
      'positions in the caches',
    );
  } else {
    expect(model.sameDims(cos_cache.dims, [batch, steps, rotated / 2]), 'a cache');
  }
  expect(model.sameDims(sin_cache.dims, cos_cache.dims), 'caches alike');
  const attributes = {
    interleaved: integer(given.interleaved, 0, 1, 0),
    rotary_embedding_dim: dim,
    num_heads,
  };
  const right = rotaryEmbeddingOracle(
    { input, cos_cache, sin_cache, ...(position_ids && { position_ids }) },
    attributes,
  );
  return { output: { ...right, type: input.type, loose: !isTame(input, cos_cache, sin_cache) } };
}
