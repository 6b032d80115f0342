/**
 * How checkpoints name the tensors of an attention layer: one table per convention, as data. Names
 * are relative to the prefix that the caller gives.
 */

/** Where a checkpoint keeps one linear map. */
export interface Place {
  readonly weight: string;
  /** Read where the checkpoint has it: layers without biases are common. */
  readonly bias: string;
  /** This map is the given third of a weight or bias that holds query, key and value end to end. */
  readonly weightThird?: 0 | 1 | 2;
  readonly biasThird?: 0 | 1 | 2;
}

export interface Convention {
  readonly name: string;
  readonly query: Place;
  readonly key: Place;
  readonly value: Place;
  readonly output: Place;
  /** A layer without an output map exists in this convention. */
  readonly outputOptional?: true;
  /** Weights are kept [in, out], as GPT-2's Conv1D does, in place of [out, in]. */
  readonly transposed?: true;
  /** Everything that starts so belongs to the layer, and must be known to this table. */
  readonly scope: string;
  /** Tensors of the layer's scope that do not belong to multi-head attention, or hold nothing learnt. */
  readonly ignored: readonly string[];
}

const plain = (name: string): Place => ({ weight: `${name}.weight`, bias: `${name}.bias` });

const third = (index: 0 | 1 | 2, weight: string, bias: string): Place => ({
  weight,
  bias,
  weightThird: index,
  biasThird: index,
});

export const conventions: readonly Convention[] = [
  {
    name: 'heed',
    query: plain('query'),
    key: plain('key'),
    value: plain('value'),
    output: plain('output'),
    outputOptional: true,
    scope: '',
    ignored: [],
  },
  {
    name: 'nn.MultiheadAttention',
    query: third(0, 'in_proj_weight', 'in_proj_bias'),
    key: third(1, 'in_proj_weight', 'in_proj_bias'),
    value: third(2, 'in_proj_weight', 'in_proj_bias'),
    output: plain('out_proj'),
    scope: '',
    ignored: [],
  },
  {
    name: 'nn.MultiheadAttention with kdim or vdim',
    query: { weight: 'q_proj_weight', bias: 'in_proj_bias', biasThird: 0 },
    key: { weight: 'k_proj_weight', bias: 'in_proj_bias', biasThird: 1 },
    value: { weight: 'v_proj_weight', bias: 'in_proj_bias', biasThird: 2 },
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
    query: third(0, 'c_attn.weight', 'c_attn.bias'),
    key: third(1, 'c_attn.weight', 'c_attn.bias'),
    value: third(2, 'c_attn.weight', 'c_attn.bias'),
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
    scope: '',
    // The frequencies of rotary positions, a buffer of early checkpoints.
    ignored: ['rotary_emb.inv_freq'],
  },
];
