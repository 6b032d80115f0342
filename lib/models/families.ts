/**
 * The families of models that heed runs: a row each, with all that differs between them. What their attention layers
 * differ in is in lib/multi-head-attention/model-families.ts and checkpoint-conventions.ts; defaults are those of
 * Hugging Face's transformers.
 */
import type { FieldValues } from '../multi-head-attention/config-fields.js';
import type { BlockForm } from '../transformer-block/transformer-block.js';

/** How a family normalises. */
export interface NormStyle {
  readonly type: 'rms' | 'layer';
  /** The field of config.json that has epsilon, or epsilon itself. */
  readonly epsilon: string | number;
  /** Added to the weight. Default 0. */
  readonly offset?: number;
}

/** The names of a block's norms, relative to the block; what is not there is not normalised. */
export type BlockNormNames = {
  readonly [Name in
    | 'attentionNorm'
    | 'attentionOutputNorm'
    | 'feedForwardNorm'
    | 'feedForwardOutputNorm']?: string;
};

/** The tensors between the residual sums of a block, relative to the block. */
export interface FeedForwardNames {
  readonly gate?: string;
  readonly up: string;
  readonly down: string;
  /** Gate and up are one weight, the gate's rows first. */
  readonly fused?: true;
  /** Weights are kept [in, out], as GPT-2's Conv1D does. */
  readonly transposed?: true;
}

/** What turns tokens into rows. Names are relative to the root. */
export interface EmbeddingNames {
  readonly tokens: string;
  /** A row for each position, from this row on. */
  readonly positions?: { readonly table: string; readonly first?: (padding: number) => number };
  /** A row for each type of token; heed takes the first for all. */
  readonly types?: string;
  readonly norm?: string;
  /** A linear map behind the norm. */
  readonly map?: string;
  /** Token rows are multiplied by √width. */
  readonly scaled?: true;
}

export interface ModelFamily {
  readonly kind: 'decoder' | 'encoder';
  /** As people write it. */
  readonly name: string;
  readonly modelTypes: readonly string[];
  /** Values of fields that a file lacks. */
  readonly defaults: FieldValues;
  /** Other names of fields, and the names that are used here. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** The field of the activation between the maps of the feed-forward part. */
  readonly activation: string;
  /** Values of fields that change nothing. */
  readonly accepted?: Readonly<Record<string, readonly unknown[]>>;
  /** What names of the model's tensors may begin with: the first of these that its tokens are found under. */
  readonly roots: readonly string[];
  readonly embeddings: EmbeddingNames;
  /** Of block i, relative to the root: `layers.{i}.`. Where blocks share weights, i counts their groups. */
  readonly block: string;
  /** What has to be between a block's prefix and the names of its attention layer, and what names of that begin with. */
  readonly attention: { readonly prefix: string; readonly scope: string };
  readonly norm: NormStyle;
  readonly form: BlockForm;
  readonly norms: BlockNormNames;
  readonly feedForward: FeedForwardNames;
  /** The norm behind the last block, relative to the root. */
  readonly lastNorm?: string;
  /** For decoders: whether logits are products with the rows of the tokens is said by `tie_word_embeddings`. */
  readonly logits?: { readonly map: string; readonly softcap?: string };
  /** Names, relative to the root, of tensors that nothing here depends on. */
  readonly unread?: RegExp;
}

/** Sizes are of the first model of a family, as in transformers; only what the tensors do not say is here. */
const rms: NormStyle = { type: 'rms', epsilon: 'rms_norm_eps' };
const layer: NormStyle = { type: 'layer', epsilon: 'layer_norm_eps' };

/** Buffers that early checkpoints kept. */
const frequencies = /^(layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq$/;

const llama: Omit<ModelFamily, 'name' | 'modelTypes'> = {
  kind: 'decoder',
  defaults: {
    ...{ num_hidden_layers: 32, hidden_act: 'silu', rms_norm_eps: 1e-6, tie_word_embeddings: false },
    ...{ max_position_embeddings: 2048 },
  },
  activation: 'hidden_act',
  roots: ['model.'],
  embeddings: { tokens: 'embed_tokens.weight' },
  block: 'layers.{i}.',
  attention: { prefix: 'self_attn.', scope: 'self_attn.' },
  norm: rms,
  form: 'pre-norm',
  norms: { attentionNorm: 'input_layernorm', feedForwardNorm: 'post_attention_layernorm' },
  feedForward: { gate: 'mlp.gate_proj', up: 'mlp.up_proj', down: 'mlp.down_proj' },
  lastNorm: 'norm',
  logits: { map: 'lm_head' },
  unread: frequencies,
};

const gemma: Omit<ModelFamily, 'name' | 'modelTypes'> = {
  ...llama,
  defaults: {
    ...{ num_hidden_layers: 26, hidden_activation: 'gelu_pytorch_tanh', rms_norm_eps: 1e-6 },
    ...{ tie_word_embeddings: true, final_logit_softcapping: 30, max_position_embeddings: 8192 },
  },
  activation: 'hidden_activation',
  embeddings: { tokens: 'embed_tokens.weight', scaled: true },
  norm: { ...rms, offset: 1 },
  form: 'sandwich',
  norms: {
    attentionNorm: 'input_layernorm',
    attentionOutputNorm: 'post_attention_layernorm',
    feedForwardNorm: 'pre_feedforward_layernorm',
    feedForwardOutputNorm: 'post_feedforward_layernorm',
  },
  logits: { map: 'lm_head', softcap: 'final_logit_softcapping' },
  // Of another activation, which transformers does not read here.
  accepted: { hidden_act: ['gelu', 'gelu_pytorch_tanh'] },
};

const bert: Omit<ModelFamily, 'name' | 'modelTypes'> = {
  kind: 'encoder',
  defaults: {
    ...{ num_hidden_layers: 12, hidden_act: 'gelu', layer_norm_eps: 1e-12 },
    ...{ max_position_embeddings: 512, pad_token_id: 0 },
  },
  activation: 'hidden_act',
  roots: ['bert.', ''],
  embeddings: {
    tokens: 'embeddings.word_embeddings.weight',
    positions: { table: 'embeddings.position_embeddings.weight' },
    types: 'embeddings.token_type_embeddings.weight',
    norm: 'embeddings.LayerNorm',
  },
  block: 'encoder.layer.{i}.',
  attention: { prefix: '', scope: 'attention.' },
  norm: layer,
  form: 'post-norm',
  norms: { attentionNorm: 'attention.output.LayerNorm', feedForwardNorm: 'output.LayerNorm' },
  feedForward: { up: 'intermediate.dense', down: 'output.dense' },
  accepted: { is_decoder: [false] },
  // What reads the rows of the first token, and what was trained to predict.
  unread: /^(pooler|cls|classifier|qa_outputs|lm_head)\.|^embeddings\.position_ids$/,
};

export const families: readonly ModelFamily[] = [
  { ...llama, name: 'Llama, SmolLM', modelTypes: ['llama'] },
  {
    ...llama,
    name: 'Mistral',
    modelTypes: ['mistral'],
    defaults: { ...llama.defaults, max_position_embeddings: 131_072 },
  },
  {
    ...llama,
    name: 'Qwen2, Qwen2.5',
    modelTypes: ['qwen2'],
    defaults: { ...llama.defaults, max_position_embeddings: 32_768 },
  },
  {
    ...llama,
    name: 'Qwen3',
    modelTypes: ['qwen3'],
    defaults: { ...llama.defaults, max_position_embeddings: 32_768 },
  },
  {
    ...llama,
    name: 'Phi-3',
    modelTypes: ['phi3'],
    defaults: { ...llama.defaults, rms_norm_eps: 1e-5, max_position_embeddings: 4096 },
    feedForward: { gate: 'mlp.gate_up_proj', up: 'mlp.gate_up_proj', down: 'mlp.down_proj', fused: true },
  },
  {
    ...llama,
    name: 'OLMo 2',
    modelTypes: ['olmo2'],
    defaults: { ...llama.defaults, rms_norm_eps: 1e-5 },
    form: 'sandwich',
    norms: {
      attentionOutputNorm: 'post_attention_layernorm',
      feedForwardOutputNorm: 'post_feedforward_layernorm',
    },
  },
  { ...gemma, name: 'Gemma 2', modelTypes: ['gemma2'] },
  {
    ...gemma,
    name: 'Gemma 3 (text)',
    modelTypes: ['gemma3_text'],
    defaults: { ...gemma.defaults, final_logit_softcapping: null, max_position_embeddings: 131_072 },
  },
  {
    kind: 'decoder',
    name: 'GPT-2',
    modelTypes: ['gpt2'],
    defaults: {
      ...{ num_hidden_layers: 12, activation_function: 'gelu_new', layer_norm_epsilon: 1e-5 },
      ...{ tie_word_embeddings: true, max_position_embeddings: 1024 },
    },
    aliases: {
      n_layer: 'num_hidden_layers',
      n_embd: 'hidden_size',
      n_inner: 'intermediate_size',
      n_positions: 'max_position_embeddings',
    },
    activation: 'activation_function',
    roots: ['transformer.', ''],
    embeddings: { tokens: 'wte.weight', positions: { table: 'wpe.weight' } },
    block: 'h.{i}.',
    attention: { prefix: 'attn.', scope: 'attn.' },
    norm: { type: 'layer', epsilon: 'layer_norm_epsilon' },
    form: 'pre-norm',
    norms: { attentionNorm: 'ln_1', feedForwardNorm: 'ln_2' },
    feedForward: { up: 'mlp.c_fc', down: 'mlp.c_proj', transposed: true },
    lastNorm: 'ln_f',
    logits: { map: 'lm_head' },
  },
  { ...bert, name: 'BERT', modelTypes: ['bert'] },
  {
    ...bert,
    name: 'RoBERTa',
    modelTypes: ['roberta', 'xlm-roberta', 'camembert'],
    defaults: { ...bert.defaults, pad_token_id: 1 },
    roots: ['roberta.', ''],
    embeddings: {
      ...bert.embeddings,
      positions: { table: 'embeddings.position_embeddings.weight', first: (padding) => padding + 1 },
    },
  },
  {
    ...bert,
    name: 'DistilBERT',
    modelTypes: ['distilbert'],
    defaults: { ...bert.defaults, num_hidden_layers: 6, activation: 'gelu' },
    aliases: { n_layers: 'num_hidden_layers', dim: 'hidden_size', hidden_dim: 'intermediate_size' },
    activation: 'activation',
    roots: ['distilbert.', ''],
    embeddings: {
      tokens: 'embeddings.word_embeddings.weight',
      positions: { table: 'embeddings.position_embeddings.weight' },
      norm: 'embeddings.LayerNorm',
    },
    block: 'transformer.layer.{i}.',
    attention: { prefix: 'attention.', scope: 'attention.' },
    norm: { type: 'layer', epsilon: 1e-12 },
    norms: { attentionNorm: 'sa_layer_norm', feedForwardNorm: 'output_layer_norm' },
    feedForward: { up: 'ffn.lin1', down: 'ffn.lin2' },
    // The map of what predicts, and the tokens' rows: it is not here.
    accepted: { tie_weights_: [true, false] },
    unread: /^(pre_classifier|classifier|qa_outputs|vocab_\w+)\.|^embeddings\.position_ids$/,
  },
  {
    ...bert,
    name: 'ALBERT',
    modelTypes: ['albert'],
    defaults: {
      ...{ ...bert.defaults, hidden_act: 'gelu_new', num_hidden_groups: 1, inner_group_num: 1 },
    },
    roots: ['albert.', ''],
    embeddings: { ...bert.embeddings, map: 'encoder.embedding_hidden_mapping_in' },
    block: 'encoder.albert_layer_groups.{i}.albert_layers.0.',
    attention: { prefix: 'attention.', scope: 'attention.' },
    norms: { attentionNorm: 'attention.LayerNorm', feedForwardNorm: 'full_layer_layer_norm' },
    feedForward: { up: 'ffn', down: 'ffn_output' },
    unread: /^(pooler|predictions|sop_classifier|classifier|qa_outputs)\.|^embeddings\.position_ids$/,
    accepted: { ...bert.accepted, num_memory_blocks: [0] },
  },
];
