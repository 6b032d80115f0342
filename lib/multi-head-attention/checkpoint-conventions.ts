/**
 * How checkpoints name and lay out the tensors of an attention layer: one table, a row per naming. Names are
 * relative to the prefix that the caller gives.
 */

/** The tensors of one linear map in a checkpoint. */
export interface Place {
  readonly weight: string;
  /** Optional, because layers without biases are common. */
  readonly bias: string;
  /** This map is that part of a weight or bias which holds query, key and value. */
  readonly weightPart?: FusedPart;
  readonly biasPart?: FusedPart;
}

/** One of the parts of a tensor that holds all three. */
export type FusedPart = 'query' | 'key' | 'value';

/** The tensors of the norms of queries and keys, and what kind of norm they belong to. */
export interface NormPlaces {
  readonly query: NormPlace;
  readonly key: NormPlace;
  readonly type: 'rms' | 'layer';
  /** Added to the weight: Gemma stores the difference from 1. */
  readonly offset?: number;
  /** Whether there may be one without the other. */
  readonly independent?: true;
}

export interface NormPlace {
  readonly weight: string;
  readonly bias?: string;
}

export interface Convention {
  readonly name: string;
  /** Where this naming is found, for the documents. */
  readonly models: string;
  readonly query: Place;
  readonly key: Place;
  readonly value: Place;
  readonly output: Place;
  /** Models of one naming have them or not. */
  readonly norms?: NormPlaces;
  /** One logit per query head. */
  readonly sinks?: string;
  /**
   * [buckets, heads]: biases by relative positions. The first block of a model has those of all of its blocks, unless each
   * has its own.
   */
  readonly relativeBias?: string;
  /** What multiplies scores, where it is not 1/√width. */
  readonly scale?: number;
  /** Whether layers without an output map exist in this convention. */
  readonly outputOptional?: true;
  /** Weights are kept [in, out], as GPT-2's Conv1D does, in place of [out, in]. */
  readonly transposed?: true;
  /**
   * A fused tensor has a block of rows for each key head: the query heads that share it, the key head, and the value
   * head. Otherwise it has all query heads, then all key heads, then all value heads.
   */
  readonly blocks?: true;
  /**
   * The names alone do not identify this convention: the caller names it, or config.json has one of these model
   * types.
   */
  readonly modelTypes?: readonly string[];
  /** All tensors whose names start with these belong to the layer, and must be in this table. */
  readonly scope: string;
  /** Tensors with the layer's prefix that are not part of multi-head attention, or are not learnt. */
  readonly ignored: readonly string[];
}

const plain = (name: string): Place => ({ weight: `${name}.weight`, bias: `${name}.bias` });

/** Query, key and value in one weight, and their biases in one. */
const fusedIn = (weight: string, bias: string) => {
  const part = (name: FusedPart): Place => ({ weight, bias, weightPart: name, biasPart: name });
  return { query: part('query'), key: part('key'), value: part('value') };
};

const fused = (name: string) => fusedIn(`${name}.weight`, `${name}.bias`);

/** Query, key and value by name. */
const separate = (query: string, key: string, value: string) => ({
  query: plain(query),
  key: plain(key),
  value: plain(value),
});

const projections = separate('q_proj', 'k_proj', 'v_proj');

const llamaNorms = { query: { weight: 'q_norm.weight' }, key: { weight: 'k_norm.weight' } };

/** The causal mask and its fill value, which early checkpoints kept as buffers. */
const causalMask = ['bias', 'masked_bias'];

/** The frequencies of rotary positions, a buffer of early checkpoints. */
const frequencies = ['rotary_emb.inv_freq'];

const layerNorm = (prefix: string) =>
  ['weight', 'bias', 'gamma', 'beta'].map((name) => `${prefix}LayerNorm.${name}`);

const table = [
  {
    name: 'heed',
    models: "heed's own",
    ...separate('query', 'key', 'value'),
    output: plain('output'),
    norms: {
      query: { weight: 'queryNorm.weight' },
      key: { weight: 'keyNorm.weight' },
      type: 'rms',
      independent: true,
    },
    outputOptional: true,
    scope: '',
    ignored: [],
  },
  {
    name: 'nn.MultiheadAttention',
    models: 'PyTorch',
    ...fusedIn('in_proj_weight', 'in_proj_bias'),
    output: plain('out_proj'),
    scope: '',
    ignored: [],
  },
  {
    name: 'nn.MultiheadAttention with kdim or vdim',
    models: 'PyTorch',
    query: { weight: 'q_proj_weight', bias: 'in_proj_bias', biasPart: 'query' },
    key: { weight: 'k_proj_weight', bias: 'in_proj_bias', biasPart: 'key' },
    value: { weight: 'v_proj_weight', bias: 'in_proj_bias', biasPart: 'value' },
    output: plain('out_proj'),
    scope: '',
    ignored: [],
  },
  {
    name: 'BERT',
    models: 'BERT, RoBERTa, XLM-RoBERTa, CamemBERT, ELECTRA',
    ...separate('attention.self.query', 'attention.self.key', 'attention.self.value'),
    output: plain('attention.output.dense'),
    scope: 'attention.',
    ignored: layerNorm('attention.output.'),
  },
  {
    name: 'ALBERT',
    models: 'ALBERT',
    ...separate('query', 'key', 'value'),
    output: plain('dense'),
    scope: '',
    ignored: layerNorm(''),
  },
  {
    name: 'DistilBERT',
    models: 'DistilBERT, XLM, FlauBERT',
    ...separate('q_lin', 'k_lin', 'v_lin'),
    output: plain('out_lin'),
    scope: '',
    ignored: [],
  },
  {
    name: 'ViT',
    models: 'ViT, DeiT, DINOv2 of transformers',
    ...separate('attention.attention.query', 'attention.attention.key', 'attention.attention.value'),
    output: plain('attention.output.dense'),
    scope: 'attention.',
    ignored: [],
  },
  {
    name: 'timm',
    models: 'ViT of timm, DINOv2',
    ...fused('qkv'),
    output: plain('proj'),
    scope: '',
    ignored: [],
  },
  {
    name: 'ModernBERT',
    models: 'ModernBERT',
    ...fused('Wqkv'),
    output: plain('Wo'),
    scope: '',
    ignored: frequencies,
  },
  {
    name: 'MPT',
    models: 'MPT',
    ...fused('Wqkv'),
    output: plain('out_proj'),
    scope: '',
    ignored: [],
  },
  {
    name: 'GPT-2',
    models: 'GPT-2',
    ...fused('c_attn'),
    output: plain('c_proj'),
    transposed: true,
    scope: '',
    ignored: causalMask,
  },
  {
    name: 'GPT-NeoX',
    models: 'GPT-NeoX, Pythia',
    ...fused('query_key_value'),
    output: plain('dense'),
    blocks: true,
    modelTypes: ['gpt_neox'],
    scope: '',
    ignored: [...causalMask, ...frequencies],
  },
  {
    name: 'BLOOM',
    models: 'BLOOM',
    ...fused('query_key_value'),
    output: plain('dense'),
    blocks: true,
    modelTypes: ['bloom'],
    scope: '',
    ignored: [],
  },
  {
    name: 'Falcon',
    models: 'Falcon',
    ...fused('query_key_value'),
    output: plain('dense'),
    // Of its three layouts, two are this one: where all heads share one key, and where each has its own.
    blocks: true,
    modelTypes: ['falcon'],
    scope: '',
    ignored: frequencies,
  },
  {
    name: 'ChatGLM2',
    models: 'ChatGLM2, ChatGLM3',
    ...fused('query_key_value'),
    output: plain('dense'),
    // The first ChatGLM, whose rows come in blocks, has the same model type.
    modelTypes: [],
    scope: '',
    ignored: frequencies,
  },
  {
    name: 'Llama',
    models: 'Llama, Mistral, Mixtral, Qwen, OLMo 2, Gemma, Gemma 2, Granite, SmolLM3',
    ...projections,
    output: plain('o_proj'),
    norms: { ...llamaNorms, type: 'rms' },
    scope: '',
    ignored: frequencies,
  },
  {
    name: 'Gemma 3',
    models: 'Gemma 3',
    ...projections,
    output: plain('o_proj'),
    norms: { ...llamaNorms, type: 'rms', offset: 1 },
    modelTypes: ['gemma3', 'gemma3_text'],
    scope: '',
    ignored: [],
  },
  {
    name: 'Cohere',
    models: 'Command R, Command R+',
    ...projections,
    output: plain('o_proj'),
    norms: { ...llamaNorms, type: 'layer' },
    modelTypes: ['cohere'],
    scope: '',
    ignored: [],
  },
  {
    name: 'gpt-oss',
    models: 'gpt-oss',
    ...projections,
    output: plain('o_proj'),
    sinks: 'sinks',
    scope: '',
    ignored: [],
  },
  {
    name: 'Phi-2',
    models: 'Phi-1.5, Phi-2',
    ...projections,
    output: plain('dense'),
    norms: {
      query: { weight: 'q_layernorm.weight', bias: 'q_layernorm.bias' },
      key: { weight: 'k_layernorm.weight', bias: 'k_layernorm.bias' },
      type: 'layer',
    },
    scope: '',
    ignored: frequencies,
  },
  {
    name: 'Phi-3',
    models: 'Phi-3, Phi-4',
    ...fused('qkv_proj'),
    output: plain('o_proj'),
    scope: '',
    ignored: [],
  },
  {
    name: 'BART',
    models: 'BART, CLIP, SigLIP, Whisper, OPT, M2M100, Marian, Pegasus, Wav2Vec2, GPT-J',
    ...projections,
    output: plain('out_proj'),
    scope: '',
    ignored: causalMask,
  },
  {
    name: 'T5',
    models: 'T5, Flan-T5, mT5, UMT5, ByT5',
    ...separate('SelfAttention.q', 'SelfAttention.k', 'SelfAttention.v'),
    output: plain('SelfAttention.o'),
    relativeBias: 'SelfAttention.relative_attention_bias.weight',
    scale: 1,
    scope: 'SelfAttention.',
    ignored: [],
  },
  {
    name: 'T5 cross attention',
    models: 'the same',
    ...separate('EncDecAttention.q', 'EncDecAttention.k', 'EncDecAttention.v'),
    output: plain('EncDecAttention.o'),
    scale: 1,
    scope: 'EncDecAttention.',
    // Early checkpoints have one that no model reads.
    ignored: ['EncDecAttention.relative_attention_bias.weight'],
  },
] as const satisfies readonly Convention[];

/** The names of how checkpoints call the tensors of a layer, for the option `naming`. */
export type CheckpointNaming = (typeof table)[number]['name'];

export const conventions: readonly Convention[] = table;

export const checkpointNamings = table.map(({ name }) => name);
