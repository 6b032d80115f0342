/**
 * How checkpoints name the tensors of an attention layer: one table per convention, as data. Names
 * are relative to the prefix that the caller gives.
 */

/** The tensors of one linear map in a checkpoint. */
export interface Place {
  readonly weight: string;
  /** Optional, because layers without biases are common. */
  readonly bias: string;
  /** This map is that part of a weight or bias which holds query, key and value end to end. */
  readonly weightPart?: FusedPart;
  readonly biasPart?: FusedPart;
}

/** One of the parts of a weight that holds all three. */
export type FusedPart = 'query' | 'key' | 'value';

export interface Convention {
  readonly name: string;
  readonly query: Place;
  readonly key: Place;
  readonly value: Place;
  readonly output: Place;
  /** Weights of the norms of queries and keys, if the checkpoint has them. */
  readonly queryNorm?: string;
  readonly keyNorm?: string;
  /** Whether layers without an output map exist in this convention. */
  readonly outputOptional?: true;
  /** Weights are kept [in, out], as GPT-2's Conv1D does, in place of [out, in]. */
  readonly transposed?: true;
  /** All tensors whose names start with these belong to the layer, and must be in this table. */
  readonly scope: string;
  /** Tensors with the layer's prefix that are not part of multi-head attention, or are not learnt. */
  readonly ignored: readonly string[];
}

const plain = (name: string): Place => ({ weight: `${name}.weight`, bias: `${name}.bias` });

const fused = (part: FusedPart, weight: string, bias: string): Place => ({
  weight,
  bias,
  weightPart: part,
  biasPart: part,
});

export const conventions: readonly Convention[] = [
  {
    name: 'heed',
    query: plain('query'),
    key: plain('key'),
    value: plain('value'),
    output: plain('output'),
    queryNorm: 'queryNorm.weight',
    keyNorm: 'keyNorm.weight',
    outputOptional: true,
    scope: '',
    ignored: [],
  },
  {
    name: 'nn.MultiheadAttention',
    query: fused('query', 'in_proj_weight', 'in_proj_bias'),
    key: fused('key', 'in_proj_weight', 'in_proj_bias'),
    value: fused('value', 'in_proj_weight', 'in_proj_bias'),
    output: plain('out_proj'),
    scope: '',
    ignored: [],
  },
  {
    name: 'nn.MultiheadAttention with kdim or vdim',
    query: { weight: 'q_proj_weight', bias: 'in_proj_bias', biasPart: 'query' },
    key: { weight: 'k_proj_weight', bias: 'in_proj_bias', biasPart: 'key' },
    value: { weight: 'v_proj_weight', bias: 'in_proj_bias', biasPart: 'value' },
    output: plain('out_proj'),
    scope: '',
    ignored: [],
  },
  {
    name: 'BERT',
    query: plain('attention.self.query'),
    key: plain('attention.self.key'),
    value: plain('attention.self.value'),
    output: plain('attention.output.dense'),
    scope: 'attention.',
    ignored: ['weight', 'bias', 'gamma', 'beta'].map((name) => `attention.output.LayerNorm.${name}`),
  },
  {
    name: 'GPT-2',
    query: fused('query', 'c_attn.weight', 'c_attn.bias'),
    key: fused('key', 'c_attn.weight', 'c_attn.bias'),
    value: fused('value', 'c_attn.weight', 'c_attn.bias'),
    output: plain('c_proj'),
    transposed: true,
    scope: '',
    // The causal mask and its fill value, which early checkpoints kept as buffers.
    ignored: ['bias', 'masked_bias'],
  },
  {
    name: 'Llama',
    query: plain('q_proj'),
    key: plain('k_proj'),
    value: plain('v_proj'),
    output: plain('o_proj'),
    queryNorm: 'q_norm.weight',
    keyNorm: 'k_norm.weight',
    scope: '',
    // The frequencies of rotary positions, a buffer of early checkpoints.
    ignored: ['rotary_emb.inv_freq'],
  },
  {
    name: 'Phi-3',
    query: fused('query', 'qkv_proj.weight', 'qkv_proj.bias'),
    key: fused('key', 'qkv_proj.weight', 'qkv_proj.bias'),
    value: fused('value', 'qkv_proj.weight', 'qkv_proj.bias'),
    output: plain('o_proj'),
    scope: '',
    ignored: [],
  },
];
