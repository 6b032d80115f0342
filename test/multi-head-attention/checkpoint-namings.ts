/** The names and layouts of a layer's tensors in checkpoints of each kind. */
import assert from 'node:assert/strict';
import type { CheckpointNaming } from '../../lib/multi-head-attention/checkpoint-conventions.js';
import type { MultiHeadAttentionWeights } from '../../lib/multi-head-attention/multi-head-attention.js';
import { Tensor } from '../../lib/tensor/tensor.js';

export type Tensors = Record<string, Tensor>;

/** Concatenates the rows of tensors of equal width. */
export function stack(...tensors: Tensor[]): Tensor {
  const elements = tensors.flatMap((tensor) => Array.from(tensor.data, Number));
  const { type, dims } = tensors[0];
  const rows = tensors.reduce((sum, tensor) => sum + tensor.dims[0], 0);
  const data = type === 'float32' ? Float32Array.from(elements) : Uint16Array.from(elements);
  return new Tensor(type, data, [rows, ...dims.slice(1)]);
}

function transposed(tensor: Tensor): Tensor {
  const [rows, columns] = tensor.dims;
  const result = Tensor.zeros(tensor.type, [columns, rows]);
  for (let i = 0; i < tensor.size; i++)
    result.data[(i % columns) * rows + Math.floor(i / columns)] = tensor.data[i];
  return result;
}

interface Part {
  readonly weight: Tensor;
  readonly bias: Tensor | undefined;
}

/** The linear maps of a layer, as plain tensors. */
export interface Parts {
  readonly q: Part;
  readonly k: Part;
  readonly v: Part;
  readonly o: Part;
}

export function partsOf(weights: MultiHeadAttentionWeights): Parts {
  const part = (name: 'query' | 'key' | 'value' | 'output') => {
    const linear = weights[name];
    assert.ok(linear);
    return { weight: linear.weight as Tensor, bias: linear.bias as Tensor | undefined };
  };
  return { q: part('query'), k: part('key'), v: part('value'), o: part('output') };
}

/** How many heads share the rows of a tensor. */
export interface HeadCounts {
  readonly heads: number;
  readonly keyValueHeads?: number;
}

/** Query, key and value in one tensor, and the biases, if any, in another. */
function fused(
  weight: string,
  bias: string,
  { q, k, v }: Parts,
  turn = (tensor: Tensor) => tensor,
  join = stack,
): Tensors {
  return {
    [weight]: turn(join(q.weight, k.weight, v.weight)),
    ...(q.bias && k.bias && v.bias && { [bias]: join(q.bias, k.bias, v.bias) }),
  };
}

/** The rows of one head, or of several. */
function headRows(tensor: Tensor, width: number, first: number, count: number): Tensor {
  const [rows, ...rest] = tensor.dims;
  const size = tensor.size / rows;
  const data = tensor.data.slice(first * width * size, (first + count) * width * size);
  return new Tensor(tensor.type, data, [count * width, ...rest]);
}

/** For each key head: the query heads that share it, itself, and its value head. */
const inBlocks =
  ({ heads, keyValueHeads = heads }: HeadCounts) =>
  (q: Tensor, k: Tensor, v: Tensor): Tensor => {
    const width = k.dims[0] / keyValueHeads;
    const group = heads / keyValueHeads;
    const blocks = Array.from({ length: keyValueHeads }, (_, i) => [
      headRows(q, width, i * group, group),
      headRows(k, width, i, 1),
      headRows(v, width, i, 1),
    ]);
    return stack(...blocks.flat());
  };

function one(name: string, { weight, bias }: Part, turn = (tensor: Tensor) => tensor): Tensors {
  return { [`${name}.weight`]: turn(weight), ...(bias && { [`${name}.bias`]: bias }) };
}

export type Naming = (parts: Parts, counts: HeadCounts) => Tensors;

const named =
  (...names: string[]): Naming =>
  ({ q, k, v, o }) =>
    Object.assign({}, ...[q, k, v, o].map((part, i) => one(names[i], part)));

/** Query, key and value in one tensor of this name. */
const joined =
  (qkv: string, output: string, turn = (tensor: Tensor) => tensor): Naming =>
  (parts) => ({ ...fused(`${qkv}.weight`, `${qkv}.bias`, parts, turn), ...one(output, parts.o, turn) });

const blocks: Naming = (parts, counts) => ({
  ...fused('query_key_value.weight', 'query_key_value.bias', parts, (tensor) => tensor, inBlocks(counts)),
  ...one('dense', parts.o),
});

/** Of layers in the naming of T5: few buckets, so that short inputs reach the last. */
export const relativeBiasOf = (heads: number): Tensor =>
  new Tensor(
    Float32Array.from({ length: 8 * heads }, (_, i) => Math.sin(i * i)),
    [8, heads],
  );

/** Of layers in the naming of gpt-oss. */
export const sinksOf = (heads: number): number[] => Array.from({ length: heads }, (_, i) => 1 - i / 2);

/** By the names that `naming` takes. */
export const namings = {
  heed: named('query', 'key', 'value', 'output'),
  'nn.MultiheadAttention': (parts) => ({
    ...fused('in_proj_weight', 'in_proj_bias', parts),
    ...one('out_proj', parts.o),
  }),
  'nn.MultiheadAttention with kdim or vdim': ({ q, k, v, o }) => ({
    q_proj_weight: q.weight,
    k_proj_weight: k.weight,
    v_proj_weight: v.weight,
    ...(q.bias && k.bias && v.bias && { in_proj_bias: stack(q.bias, k.bias, v.bias) }),
    ...one('out_proj', o),
  }),
  BERT: named('attention.self.query', 'attention.self.key', 'attention.self.value', 'attention.output.dense'),
  ALBERT: named('query', 'key', 'value', 'dense'),
  DistilBERT: named('q_lin', 'k_lin', 'v_lin', 'out_lin'),
  ViT: named(
    'attention.attention.query',
    'attention.attention.key',
    'attention.attention.value',
    'attention.output.dense',
  ),
  timm: joined('qkv', 'proj'),
  ModernBERT: joined('Wqkv', 'Wo'),
  MPT: joined('Wqkv', 'out_proj'),
  'GPT-2': joined('c_attn', 'c_proj', transposed),
  'GPT-NeoX': blocks,
  BLOOM: blocks,
  Falcon: blocks,
  ChatGLM2: joined('query_key_value', 'dense'),
  Llama: named('q_proj', 'k_proj', 'v_proj', 'o_proj'),
  'Gemma 3': named('q_proj', 'k_proj', 'v_proj', 'o_proj'),
  Cohere: named('q_proj', 'k_proj', 'v_proj', 'o_proj'),
  'gpt-oss': (parts, { heads }) => ({
    ...named('q_proj', 'k_proj', 'v_proj', 'o_proj')(parts, { heads }),
    sinks: new Tensor(Float32Array.from(sinksOf(heads)), [heads]),
  }),
  'Phi-2': named('q_proj', 'k_proj', 'v_proj', 'dense'),
  'Phi-3': joined('qkv_proj', 'o_proj'),
  BART: named('q_proj', 'k_proj', 'v_proj', 'out_proj'),
  T5: (parts, { heads }) => ({
    ...named('SelfAttention.q', 'SelfAttention.k', 'SelfAttention.v', 'SelfAttention.o')(parts, { heads }),
    'SelfAttention.relative_attention_bias.weight': relativeBiasOf(heads),
  }),
  'T5 cross attention': named(
    'EncDecAttention.q',
    'EncDecAttention.k',
    'EncDecAttention.v',
    'EncDecAttention.o',
  ),
} satisfies Record<CheckpointNaming, Naming>;

/** Whose names alone do not identify them. */
export const unrecognised: readonly CheckpointNaming[] = [
  'GPT-NeoX',
  'BLOOM',
  'Falcon',
  'ChatGLM2',
  'Gemma 3',
  'Cohere',
];
