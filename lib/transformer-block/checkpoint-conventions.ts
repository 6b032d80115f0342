/**
 * How checkpoints name and lay out the tensors of a block: one table, a row per naming. Names are relative to the prefix that
 * the caller gives.
 */
import type { NormType } from '../multi-head-attention/linear.js';
import type { CheckpointNaming } from '../multi-head-attention/multi-head-attention.js';
import type { BlockForm, normNames } from './forms.js';

/** One map by the name of its tensors, without .weight and .bias. */
type MapName = string;

export interface BlockConvention {
  readonly name: string;
  /** Where this naming is found, for the documents. */
  readonly models: string;
  readonly form: BlockForm;
  /** With an epsilon where config.json says none. */
  readonly norm: { readonly type: NormType; readonly offset?: number; readonly epsilon?: number };
  readonly norms: { readonly [Name in (typeof normNames)[number]]?: MapName };
  /** Norms that some blocks lack. */
  readonly optionalNorms?: readonly (typeof normNames)[number][];
  readonly attention: {
    /** Before the names of attention. */
    readonly prefix: string;
    /** Where the tensors do not say it. */
    readonly naming?: CheckpointNaming;
    /** Names that belong to attention start with it; where it has no prefix of its own. */
    readonly scope?: string;
  };
  readonly feedForward: {
    readonly gate?: MapName;
    readonly up?: MapName;
    /** Gate and up in one, one after the other. */
    readonly gateAndUp?: MapName;
    readonly down: MapName;
  };
  /** Weights are kept [in, out], as GPT-2's Conv1D does. */
  readonly transposed?: true;
  /** The names alone do not identify this naming: the caller gives it, or config.json has one of these model types. */
  readonly modelTypes?: readonly string[];
}

const gatedMap = { gate: 'mlp.gate_proj', up: 'mlp.up_proj', down: 'mlp.down_proj' };
const inputAndPost = { attentionNorm: 'input_layernorm', feedForwardNorm: 'post_attention_layernorm' };
const sandwiched = {
  attentionNorm: 'input_layernorm',
  attentionOutputNorm: 'post_attention_layernorm',
  feedForwardNorm: 'pre_feedforward_layernorm',
  feedForwardOutputNorm: 'post_feedforward_layernorm',
};

const table = [
  {
    name: 'Llama',
    models: 'Llama, Mistral, Qwen2, Qwen3, SmolLM',
    form: 'pre-norm',
    norm: { type: 'rms' },
    norms: inputAndPost,
    attention: { prefix: 'self_attn.' },
    feedForward: gatedMap,
  },
  {
    name: 'Gemma',
    models: 'Gemma',
    form: 'pre-norm',
    norm: { type: 'rms', offset: 1 },
    norms: inputAndPost,
    attention: { prefix: 'self_attn.' },
    feedForward: gatedMap,
    modelTypes: ['gemma'],
  },
  {
    name: 'Gemma 2',
    models: 'Gemma 2',
    form: 'sandwich',
    norm: { type: 'rms', offset: 1 },
    norms: sandwiched,
    attention: { prefix: 'self_attn.' },
    feedForward: gatedMap,
  },
  {
    name: 'Gemma 3',
    models: 'Gemma 3',
    form: 'sandwich',
    norm: { type: 'rms', offset: 1 },
    norms: sandwiched,
    attention: { prefix: 'self_attn.', naming: 'Gemma 3' },
    feedForward: gatedMap,
    modelTypes: ['gemma3', 'gemma3_text'],
  },
  {
    name: 'OLMo 2',
    models: 'OLMo 2',
    form: 'sandwich',
    norm: { type: 'rms' },
    norms: {
      attentionOutputNorm: 'post_attention_layernorm',
      feedForwardOutputNorm: 'post_feedforward_layernorm',
    },
    attention: { prefix: 'self_attn.' },
    feedForward: gatedMap,
  },
  {
    name: 'Phi-3',
    models: 'Phi-3, Phi-4',
    form: 'pre-norm',
    norm: { type: 'rms' },
    norms: inputAndPost,
    attention: { prefix: 'self_attn.' },
    feedForward: { gateAndUp: 'mlp.gate_up_proj', down: 'mlp.down_proj' },
  },
  {
    name: 'Phi-2',
    models: 'Phi-1.5, Phi-2',
    form: 'parallel',
    norm: { type: 'layer' },
    norms: { attentionNorm: 'input_layernorm' },
    attention: { prefix: 'self_attn.' },
    feedForward: { up: 'mlp.fc1', down: 'mlp.fc2' },
  },
  {
    name: 'GPT-2',
    models: 'GPT-2',
    form: 'pre-norm',
    norm: { type: 'layer' },
    norms: { attentionNorm: 'ln_1', feedForwardNorm: 'ln_2' },
    attention: { prefix: 'attn.' },
    feedForward: { up: 'mlp.c_fc', down: 'mlp.c_proj' },
    transposed: true,
  },
  {
    name: 'GPT-NeoX',
    models: 'GPT-NeoX, Pythia',
    form: 'parallel',
    norm: { type: 'layer' },
    norms: inputAndPost,
    attention: { prefix: 'attention.', naming: 'GPT-NeoX' },
    feedForward: { up: 'mlp.dense_h_to_4h', down: 'mlp.dense_4h_to_h' },
  },
  {
    name: 'BERT',
    models: 'BERT, RoBERTa, XLM-RoBERTa, CamemBERT, ELECTRA',
    form: 'post-norm',
    norm: { type: 'layer' },
    norms: { attentionNorm: 'attention.output.LayerNorm', feedForwardNorm: 'output.LayerNorm' },
    attention: { prefix: '', naming: 'BERT', scope: 'attention.' },
    feedForward: { up: 'intermediate.dense', down: 'output.dense' },
  },
  {
    name: 'DistilBERT',
    models: 'DistilBERT',
    form: 'post-norm',
    norm: { type: 'layer', epsilon: 1e-12 },
    norms: { attentionNorm: 'sa_layer_norm', feedForwardNorm: 'output_layer_norm' },
    attention: { prefix: 'attention.' },
    feedForward: { up: 'ffn.lin1', down: 'ffn.lin2' },
  },
  {
    name: 'ModernBERT',
    models: 'ModernBERT',
    form: 'pre-norm',
    norm: { type: 'layer' },
    norms: { attentionNorm: 'attn_norm', feedForwardNorm: 'mlp_norm' },
    optionalNorms: ['attentionNorm'],
    attention: { prefix: 'attn.', naming: 'ModernBERT' },
    feedForward: { gateAndUp: 'mlp.Wi', down: 'mlp.Wo' },
  },
] as const satisfies readonly BlockConvention[];

/** The names of how checkpoints call the tensors of a block, for the option `naming`. */
export type BlockNaming = (typeof table)[number]['name'];

export const blockConventions: readonly BlockConvention[] = table;

export const blockNamings = table.map(({ name }) => name);
