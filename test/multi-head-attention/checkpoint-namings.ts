/** The names and layouts of a layer's tensors in checkpoints of each kind. */
import assert from 'node:assert/strict';
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

/** Query, key and value in one tensor, and the biases, if any, in another. */
function fused(weight: string, bias: string, { q, k, v }: Parts, turn = (tensor: Tensor) => tensor): Tensors {
  return {
    [weight]: turn(stack(q.weight, k.weight, v.weight)),
    ...(q.bias && k.bias && v.bias && { [bias]: stack(q.bias, k.bias, v.bias) }),
  };
}

function one(name: string, { weight, bias }: Part, turn = (tensor: Tensor) => tensor): Tensors {
  return { [`${name}.weight`]: turn(weight), ...(bias && { [`${name}.bias`]: bias }) };
}

const named =
  (names: readonly string[]) =>
  ({ q, k, v, o }: Parts): Tensors =>
    Object.assign({}, ...[q, k, v, o].map((part, i) => one(names[i], part)));

export const namings = {
  heed: named(['query', 'key', 'value', 'output']),
  'nn.MultiheadAttention': (parts: Parts) => ({
    ...fused('in_proj_weight', 'in_proj_bias', parts),
    ...one('out_proj', parts.o),
  }),
  'nn.MultiheadAttention with kdim and vdim': ({ q, k, v, o }: Parts): Tensors => ({
    q_proj_weight: q.weight,
    k_proj_weight: k.weight,
    v_proj_weight: v.weight,
    ...(q.bias && k.bias && v.bias && { in_proj_bias: stack(q.bias, k.bias, v.bias) }),
    ...one('out_proj', o),
  }),
  BERT: named([
    'attention.self.query',
    'attention.self.key',
    'attention.self.value',
    'attention.output.dense',
  ]),
  'GPT-2': (parts: Parts) => ({
    ...fused('c_attn.weight', 'c_attn.bias', parts, transposed),
    ...one('c_proj', parts.o, transposed),
  }),
  Llama: named(['q_proj', 'k_proj', 'v_proj', 'o_proj']),
  'Phi-3': (parts: Parts) => ({
    ...fused('qkv_proj.weight', 'qkv_proj.bias', parts),
    ...one('o_proj', parts.o),
  }),
} satisfies Record<string, (parts: Parts) => Tensors>;
