/**
 * What models say in config.json, as transformers 4 and 5 write it, and what that means for some of their layers. The
 * values are those of published models, or smaller.
 */

/** The options of a layer, by the prefix of its tensors. */
type Layers = Readonly<Record<string, object>>;

export interface Configuration {
  readonly what: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly layers: Layers;
  /** The width of a head that the file says. */
  readonly width?: number;
  /** Fields that count for nothing because of others. */
  readonly overruled?: readonly string[];
}

const at = (index: number) => `model.layers.${index}.self_attn.`;
/** The same options for any layer. */
const all = (options: object): Layers => ({ [at(0)]: options, [at(3)]: options, '': options });

/** Fields that every file has. */
const general = {
  architectures: ['SomeModel'],
  attention_dropout: 0.1,
  bos_token_id: 1,
  hidden_act: 'silu',
  initializer_range: 0.02,
  max_position_embeddings: 4096,
  num_hidden_layers: 12,
  torch_dtype: 'bfloat16',
  transformers_version: '4.57.0',
  use_cache: true,
  vocab_size: 32_000,
};

const llama = {
  ...general,
  model_type: 'llama',
  attention_bias: false,
  head_dim: 64,
  hidden_size: 512,
  mlp_bias: false,
  num_attention_heads: 8,
  num_key_value_heads: 2,
  pretraining_tp: 1,
  rms_norm_eps: 1e-5,
  rope_scaling: null,
  rope_theta: 500_000,
};
const { rope_theta: _theta, rope_scaling: _scaling, ...withoutRope } = llama;
const llamaOptions = {
  heads: 8,
  keyValueHeads: 2,
  causal: true,
  normEpsilon: 1e-5,
  rotary: { theta: 500_000 },
};

const gemma3 = {
  model_type: 'gemma3_text',
  hidden_size: 1152,
  num_attention_heads: 4,
  num_key_value_heads: 1,
  query_pre_attn_scalar: 64,
  sliding_window: 512,
};
const gemma3Options = { heads: 4, keyValueHeads: 1, causal: true, normEpsilon: 1e-6, scale: 1 / 8 };
const gemma3Full = { ...gemma3Options, rotary: { theta: 1e6, scaling: { type: 'linear', factor: 8 } } };
const gemma3Local = { ...gemma3Options, rotary: { theta: 10_000 }, window: { left: 511 } };

const modernbert = {
  ...general,
  model_type: 'modernbert',
  hidden_size: 768,
  num_attention_heads: 12,
  position_embedding_type: 'absolute',
  layer_norm_eps: 1e-5,
  deterministic_flash_attn: false,
};
const modernbertLayers = (theta: number, localTheta: number, half: number): Layers => ({
  'layers.0.attn.': { heads: 12, causal: false, rotary: { theta } },
  'layers.1.attn.': {
    heads: 12,
    causal: false,
    rotary: { theta: localTheta },
    window: { left: half, right: half },
  },
  'layers.3.attn.': { heads: 12, causal: false, rotary: { theta } },
});

const factors = { short_factor: [1, 1.5, 2, 3], long_factor: [1, 2, 4, 8] };
const phi3 = {
  ...general,
  model_type: 'phi3',
  hidden_size: 32,
  num_attention_heads: 4,
  num_key_value_heads: 4,
  original_max_position_embeddings: 1024,
  rms_norm_eps: 1e-5,
  rope_theta: 10_000,
  sliding_window: 2047,
};
const longrope = {
  type: 'longrope',
  shortFactor: factors.short_factor,
  longFactor: factors.long_factor,
  originalMaxPositionEmbeddings: 1024,
};
const phi3Options = (rotary: object) =>
  all({
    heads: 4,
    keyValueHeads: 4,
    causal: true,
    normEpsilon: 1e-5,
    window: { left: 2046 },
    rotary: { theta: 10_000, ...rotary },
  });

const qwen = {
  ...general,
  model_type: 'qwen2',
  hidden_size: 512,
  max_window_layers: 2,
  num_attention_heads: 8,
  num_key_value_heads: 2,
  rms_norm_eps: 1e-6,
  rope_theta: 1e6,
  sliding_window: 1024,
  use_mrope: false,
  use_sliding_window: false,
};
const qwenOptions = { heads: 8, keyValueHeads: 2, causal: true, normEpsilon: 1e-6, rotary: { theta: 1e6 } };
const windowed = { window: { left: 1023 } };

const cohere2Options = { heads: 8, keyValueHeads: 2, causal: true };
const smol = {
  ...general,
  model_type: 'smollm3',
  hidden_size: 512,
  num_attention_heads: 8,
  num_key_value_heads: 2,
  rms_norm_eps: 1e-6,
  rope_theta: 5e6,
  max_window_layers: 28,
  use_sliding_window: false,
  sliding_window: null,
};
const smolOptions = { heads: 8, keyValueHeads: 2, causal: true, normEpsilon: 1e-6 };

const oss = {
  ...general,
  model_type: 'gpt_oss',
  attention_bias: true,
  head_dim: 64,
  hidden_size: 2880,
  initial_context_length: 4096,
  num_attention_heads: 64,
  num_key_value_heads: 8,
  rms_norm_eps: 1e-5,
  sliding_window: 128,
};
const ossYarn = {
  type: 'yarn',
  factor: 32,
  betaFast: 32,
  betaSlow: 1,
  truncate: false,
  originalMaxPositionEmbeddings: 4096,
};
const ossFile = {
  rope_type: 'yarn',
  ...{ factor: 32, beta_fast: 32, beta_slow: 1, truncate: false, original_max_position_embeddings: 4096 },
};
const ossOptions = {
  heads: 64,
  keyValueHeads: 8,
  causal: true,
  normEpsilon: 1e-5,
  rotary: { theta: 150_000, scaling: ossYarn },
};
const ossLayers = { [at(0)]: { ...ossOptions, window: { left: 127 } }, [at(1)]: ossOptions };

/** Slopes for 2^n heads are the powers of one number. */
const slopes = (heads: number) =>
  Array.from({ length: heads }, (_, i) => Math.exp((-8 * Math.LN2 * (i + 1)) / heads));

const encoderPrefix = 'encoder.layer.3.attention.';
const encoder = (heads: number): Layers => ({ [encoderPrefix]: { heads, causal: false } });
const bert = { ...general, hidden_size: 768, layer_norm_eps: 1e-12, num_attention_heads: 12 };

const translation = { ...general, encoder_attention_heads: 8, decoder_attention_heads: 16, d_model: 256 };
const bothStacks: Layers = {
  'model.encoder.layers.1.self_attn.': { heads: 8, causal: false },
  'model.decoder.layers.1.self_attn.': { heads: 16, causal: true },
  'model.decoder.layers.1.encoder_attn.': { heads: 16, causal: false },
};

export const configurations: readonly Configuration[] = [
  {
    what: 'BERT',
    config: { ...bert, model_type: 'bert', pooler_num_attention_heads: 12 },
    layers: encoder(12),
  },
  {
    what: 'BERT as a decoder',
    config: { ...bert, model_type: 'bert', is_decoder: true, position_embedding_type: 'absolute' },
    layers: {
      'encoder.layer.0.': { heads: 12, causal: true },
      'encoder.layer.0.crossattention.': { heads: 12, causal: false },
    },
  },
  { what: 'BERT without a size', config: { model_type: 'bert' }, layers: encoder(12) },
  { what: 'RoBERTa', config: { ...bert, model_type: 'roberta' }, layers: encoder(12) },
  { what: 'XLM-RoBERTa', config: { ...bert, model_type: 'xlm-roberta' }, layers: encoder(12) },
  { what: 'CamemBERT', config: { ...bert, model_type: 'camembert' }, layers: encoder(12) },
  {
    what: 'DistilBERT',
    config: { ...general, model_type: 'distilbert', dim: 768, n_heads: 6, sinusoidal_pos_embds: false },
    layers: encoder(6),
  },
  {
    what: 'ViT',
    config: { ...bert, model_type: 'vit', qkv_bias: true, image_size: 224 },
    layers: encoder(12),
  },
  {
    what: 'ModernBERT of transformers 4',
    config: {
      ...modernbert,
      global_attn_every_n_layers: 3,
      global_rope_theta: 80_000,
      local_attention: 64,
      local_rope_theta: 5000,
    },
    layers: modernbertLayers(80_000, 5000, 32),
  },
  {
    what: 'ModernBERT of transformers 5',
    config: {
      ...modernbert,
      layer_types: ['full_attention', 'sliding_attention', 'sliding_attention', 'full_attention'],
      local_attention: 128,
      rope_parameters: {
        full_attention: { rope_type: 'default', rope_theta: 160_000 },
        sliding_attention: { rope_type: 'default', rope_theta: 10_000 },
      },
    },
    layers: modernbertLayers(160_000, 10_000, 64),
  },
  {
    what: 'ModernBERT that says little',
    config: { model_type: 'modernbert' },
    layers: modernbertLayers(160_000, 10_000, 64),
  },
  {
    what: 'CLIP',
    config: {
      model_type: 'clip',
      logit_scale_init_value: 2.6592,
      projection_dim: 512,
      text_config: { model_type: 'clip_text_model', num_attention_heads: 4, hidden_size: 256, top_k: 50 },
      vision_config: { num_attention_heads: 16, hidden_size: 1024, pruned_heads: {} },
    },
    layers: {
      'text_model.encoder.layers.0.self_attn.': { heads: 4, causal: true },
      'vision_model.encoder.layers.0.self_attn.': { heads: 16, causal: false },
    },
  },
  {
    what: 'CLIP with its defaults',
    config: { model_type: 'clip', text_config: {}, vision_config: null },
    layers: {
      'text_model.encoder.layers.0.self_attn.': { heads: 8, causal: true },
      'vision_model.encoder.layers.0.self_attn.': { heads: 12, causal: false },
    },
  },
  {
    what: 'BART',
    config: { ...translation, model_type: 'bart', scale_embedding: false },
    layers: bothStacks,
  },
  {
    what: 'Whisper',
    config: { ...translation, model_type: 'whisper', max_source_positions: 1500, mask_time_length: 10 },
    layers: bothStacks,
  },
  {
    what: 'OPT',
    config: { ...general, model_type: 'opt', hidden_size: 768, num_attention_heads: 12, enable_bias: true },
    layers: { 'decoder.layers.0.self_attn.': { heads: 12, causal: true } },
  },
  {
    what: 'GPT-2',
    config: { model_type: 'gpt2', n_head: 12, n_embd: 768, n_ctx: 1024, n_positions: 1024, attn_pdrop: 0.1 },
    layers: { 'h.5.attn.': { heads: 12, causal: true } },
  },
  {
    what: 'GPT-2 that scales by the layer',
    config: { model_type: 'gpt2', n_head: 12, n_embd: 768, scale_attn_by_inverse_layer_idx: true },
    layers: {
      'h.0.attn.': { heads: 12, causal: true, scale: 1 / 8 },
      'h.5.attn.': { heads: 12, causal: true, scale: 1 / 48 },
    },
  },
  {
    what: 'GPT-2 that scales by the layer alone',
    config: { model_type: 'gpt2', scale_attn_weights: false, scale_attn_by_inverse_layer_idx: true },
    layers: { 'h.3.attn.': { heads: 12, causal: true, scale: 1 / 4 } },
  },
  {
    what: 'GPT-NeoX of transformers 4',
    config: {
      ...general,
      model_type: 'gpt_neox',
      hidden_size: 512,
      num_attention_heads: 8,
      rotary_emb_base: 20_000,
      rotary_pct: 0.5,
      use_parallel_residual: true,
    },
    layers: all({ heads: 8, causal: true, rotary: { theta: 20_000, dims: 32 } }),
  },
  {
    what: 'GPT-NeoX of transformers 5',
    config: {
      ...general,
      model_type: 'gpt_neox',
      hidden_size: 512,
      num_attention_heads: 8,
      rope_parameters: { rope_type: 'default', rope_theta: 10_000, partial_rotary_factor: 0.25 },
    },
    layers: all({ heads: 8, causal: true, rotary: { theta: 10_000, dims: 16 } }),
  },
  {
    what: 'GPT-NeoX that says little',
    config: { model_type: 'gpt_neox' },
    layers: all({ heads: 64, causal: true, rotary: { theta: 10_000, dims: 24 } }),
  },
  {
    what: 'BLOOM',
    config: {
      model_type: 'bloom',
      hidden_size: 64,
      n_head: 8,
      num_attention_heads: 8,
      attention_softmax_in_fp32: true,
      masked_softmax_fusion: true,
      offset_alibi: 100,
      apply_residual_connection_post_layernorm: false,
    },
    layers: all({ heads: 8, causal: true, alibiSlopes: slopes(8) }),
  },
  {
    what: 'BLOOM with heads between powers of two',
    config: { model_type: 'bloom', n_embed: 64, n_head: 6 },
    layers: all({
      heads: 6,
      causal: true,
      alibiSlopes: [1 / 4, 1 / 16, 1 / 64, 1 / 256, 1 / 2, 1 / 8],
    }),
  },
  {
    what: 'Falcon',
    config: {
      model_type: 'falcon',
      hidden_size: 4544,
      num_attention_heads: 71,
      num_kv_heads: 71,
      multi_query: true,
      new_decoder_architecture: false,
      alibi: false,
      bias: false,
      parallel_attn: true,
    },
    layers: all({ heads: 71, keyValueHeads: 1, causal: true, rotary: { theta: 10_000 } }),
    overruled: ['num_kv_heads'],
  },
  {
    what: 'Falcon 40B, in transformers 5',
    config: {
      model_type: 'falcon',
      hidden_size: 8192,
      num_attention_heads: 128,
      num_kv_heads: 8,
      multi_query: true,
      new_decoder_architecture: true,
      rope_parameters: { rope_type: 'default', rope_theta: 20_000 },
    },
    layers: all({ heads: 128, keyValueHeads: 8, causal: true, rotary: { theta: 20_000 } }),
    overruled: ['multi_query'],
  },
  {
    what: 'Falcon with ALiBi',
    config: {
      model_type: 'falcon',
      hidden_size: 512,
      num_attention_heads: 8,
      multi_query: false,
      alibi: true,
    },
    layers: all({ heads: 8, causal: true, alibiSlopes: slopes(8).map((slope) => slope / 8) }),
  },
  {
    what: 'Phi-2',
    config: {
      ...general,
      model_type: 'phi',
      hidden_size: 2560,
      num_attention_heads: 32,
      num_key_value_heads: 32,
      partial_rotary_factor: 0.4,
      qk_layernorm: false,
      rope_theta: 10_000,
    },
    layers: all({ heads: 32, keyValueHeads: 32, causal: true, rotary: { theta: 10_000, dims: 32 } }),
  },
  {
    what: 'Phi that says little',
    config: { model_type: 'phi' },
    layers: all({ heads: 32, causal: true, rotary: { theta: 10_000, dims: 32 } }),
  },
  { what: 'Phi-3', config: { ...phi3, rope_scaling: null }, layers: phi3Options({}) },
  {
    what: 'Phi-3 for long texts',
    config: { ...phi3, rope_scaling: { ...factors, type: 'longrope' } },
    layers: phi3Options({ scaling: { ...longrope, factor: 4 } }),
  },
  {
    what: 'an early Phi-3 for long texts',
    config: { ...phi3, rope_scaling: { ...factors, type: 'su' } },
    layers: phi3Options({ scaling: { ...longrope, factor: 4 } }),
  },
  {
    what: 'Phi-4 mini',
    config: {
      ...phi3,
      hidden_size: 64,
      partial_rotary_factor: 0.5,
      full_attn_mod: 1,
      lm_head_bias: false,
      rope_scaling: { ...factors, type: 'longrope' },
    },
    layers: phi3Options({ dims: 8, scaling: { ...longrope, factor: 4 } }),
  },
  {
    what: 'Phi-3 of transformers 5',
    config: {
      ...phi3,
      rope_theta: undefined,
      rope_parameters: {
        ...{ ...factors, rope_type: 'longrope', rope_theta: 10_000, partial_rotary_factor: 1 },
        ...{ original_max_position_embeddings: 1024, attention_factor: 1.2 },
      },
    },
    layers: phi3Options({ scaling: { ...longrope, factor: 4, attentionFactor: 1.2 } }),
  },
  { what: 'Llama', config: llama, layers: all(llamaOptions), width: 64 },
  {
    what: 'Llama with a window, which it does not use',
    config: { ...llama, sliding_window: 4096, rope_interleaved: false, tie_word_embeddings: true },
    layers: all(llamaOptions),
    overruled: ['sliding_window'],
    width: 64,
  },
  {
    what: 'Llama that says little',
    config: { model_type: 'llama' },
    layers: all({ heads: 32, causal: true, normEpsilon: 1e-6, rotary: { theta: 10_000 } }),
    width: 128,
  },
  {
    what: 'Llama 3.1 of transformers 5',
    config: {
      ...withoutRope,
      rope_parameters: {
        ...{ rope_type: 'llama3', rope_theta: 500_000, factor: 8, low_freq_factor: 1, high_freq_factor: 4 },
        original_max_position_embeddings: 1024,
      },
    },
    layers: all({
      ...llamaOptions,
      rotary: {
        theta: 500_000,
        scaling: {
          ...{ type: 'llama3', factor: 8, lowFreqFactor: 1, highFreqFactor: 4 },
          originalMaxPositionEmbeddings: 1024,
        },
      },
    }),
    width: 64,
  },
  {
    what: 'Llama with parameters by the kind of layer',
    config: {
      ...withoutRope,
      rope_parameters: {
        full_attention: { rope_type: 'linear', factor: 4, rope_theta: 500 },
        sliding_attention: { rope_type: 'default', rope_theta: 600 },
      },
    },
    layers: all({ ...llamaOptions, rotary: { theta: 500, scaling: { type: 'linear', factor: 4 } } }),
    width: 64,
    overruled: ['sliding_attention'],
  },
  {
    what: 'Llama with dynamic scaling',
    config: { ...llama, rope_scaling: { type: 'dynamic', factor: 2 } },
    layers: all({
      ...llamaOptions,
      rotary: {
        theta: 500_000,
        scaling: { type: 'dynamic', factor: 2, originalMaxPositionEmbeddings: 4096 },
      },
    }),
    width: 64,
  },
  {
    what: 'Mistral',
    config: { ...llama, model_type: 'mistral', sliding_window: 1024 },
    layers: all({ ...llamaOptions, ...windowed }),
    width: 64,
  },
  {
    what: 'Mistral without a window',
    config: { ...llama, model_type: 'mistral', sliding_window: null },
    layers: all(llamaOptions),
    width: 64,
  },
  {
    what: 'Mistral that says little',
    config: { model_type: 'mistral' },
    layers: all({
      heads: 32,
      keyValueHeads: 8,
      causal: true,
      normEpsilon: 1e-6,
      rotary: { theta: 10_000 },
      window: { left: 4095 },
    }),
  },
  {
    what: 'Yarn-Mistral',
    config: {
      ...{ ...llama, model_type: 'mistral', sliding_window: 1024, rope_theta: 10_000 },
      rope_scaling: { factor: 8, finetuned: true, original_max_position_embeddings: 512, type: 'yarn' },
    },
    layers: all({
      ...{ ...llamaOptions, ...windowed },
      rotary: {
        theta: 10_000,
        scaling: { type: 'yarn', factor: 8, originalMaxPositionEmbeddings: 512 },
      },
    }),
    width: 64,
  },
  {
    what: 'Mixtral that says little',
    config: { model_type: 'mixtral', num_local_experts: 8 },
    layers: all({ heads: 32, keyValueHeads: 8, causal: true, normEpsilon: 1e-5, rotary: { theta: 1e6 } }),
  },
  {
    what: 'Mistral behind LLaVA',
    config: {
      model_type: 'llava',
      text_config: { ...llama, model_type: 'mistral' },
      vision_config: { model_type: 'clip_vision_model', num_attention_heads: 16 },
      projector_hidden_act: 'gelu',
    },
    layers: {
      'language_model.model.layers.0.self_attn.': { ...llamaOptions, window: { left: 4095 } },
      'model.vision_tower.vision_model.encoder.layers.0.self_attn.': { heads: 16, causal: false },
    },
    overruled: ['hidden_size'],
  },
  { what: 'Qwen2', config: qwen, layers: all(qwenOptions), overruled: ['sliding_window'] },
  {
    what: 'Qwen2 with windows from a layer on',
    config: { ...qwen, use_sliding_window: true },
    layers: { [at(1)]: qwenOptions, [at(2)]: { ...qwenOptions, ...windowed } },
  },
  {
    what: 'Qwen2 with a list of windows',
    config: {
      ...{ ...qwen, use_sliding_window: true },
      layer_types: ['full_attention', 'sliding_attention', 'full_attention', 'sliding_attention'],
    },
    layers: { [at(0)]: qwenOptions, [at(1)]: { ...qwenOptions, ...windowed }, [at(2)]: qwenOptions },
  },
  {
    what: 'Qwen2 that says little',
    config: { model_type: 'qwen2' },
    layers: all({ heads: 32, keyValueHeads: 32, causal: true, normEpsilon: 1e-6, rotary: { theta: 10_000 } }),
  },
  {
    what: 'Qwen3',
    config: { ...qwen, model_type: 'qwen3', head_dim: 128, attention_bias: false },
    layers: all(qwenOptions),
    width: 128,
    overruled: ['hidden_size', 'sliding_window'],
  },
  {
    what: 'Qwen3 without a width',
    config: { ...qwen, model_type: 'qwen3', partial_rotary_factor: 0.5 },
    layers: all({ ...qwenOptions, rotary: { theta: 1e6, dims: 64 } }),
    width: 128,
    overruled: ['hidden_size', 'sliding_window'],
  },
  {
    what: 'Qwen2 of experts',
    config: { ...qwen, model_type: 'qwen2_moe', norm_topk_prob: true },
    layers: all(qwenOptions),
    overruled: ['sliding_window'],
  },
  {
    what: 'Qwen3 of experts that says little',
    config: { model_type: 'qwen3_moe' },
    layers: all({ heads: 32, keyValueHeads: 4, causal: true, normEpsilon: 1e-6, rotary: { theta: 10_000 } }),
  },
  {
    what: 'OLMo 2',
    config: { ...llama, model_type: 'olmo2', head_dim: undefined },
    layers: all(llamaOptions),
  },
  {
    what: 'Gemma that says little',
    config: { model_type: 'gemma', partial_rotary_factor: 0.5 },
    layers: all({
      ...{ heads: 16, keyValueHeads: 16, causal: true, normEpsilon: 1e-6 },
      rotary: { theta: 10_000, dims: 128 },
    }),
    width: 256,
  },
  {
    what: 'Gemma that looks both ways',
    config: { model_type: 'gemma', use_bidirectional_attention: true },
    layers: all({
      ...{ heads: 16, keyValueHeads: 16, causal: false, normEpsilon: 1e-6 },
      rotary: { theta: 10_000 },
    }),
  },
  {
    what: 'Gemma 2',
    config: {
      ...{ ...llama, model_type: 'gemma2', query_pre_attn_scalar: 144, attn_logit_softcapping: 30 },
      ...{ final_logit_softcapping: 20, sliding_window: 1024, sliding_window_size: 1024 },
    },
    layers: {
      [at(0)]: { ...llamaOptions, scale: 1 / 12, softcap: 30, ...windowed },
      [at(1)]: { ...llamaOptions, scale: 1 / 12, softcap: 30 },
    },
    width: 64,
  },
  {
    what: 'Gemma 2 without a cap',
    config: { model_type: 'gemma2', attn_logit_softcapping: null },
    layers: {
      [at(3)]: {
        ...{ heads: 8, keyValueHeads: 4, causal: true, normEpsilon: 1e-6, scale: 1 / 16 },
        rotary: { theta: 10_000 },
      },
    },
  },
  {
    what: 'Gemma 2 that says little',
    config: { model_type: 'gemma2' },
    layers: {
      [at(2)]: {
        ...{ heads: 8, keyValueHeads: 4, causal: true, normEpsilon: 1e-6, scale: 1 / 16, softcap: 50 },
        rotary: { theta: 10_000 },
        window: { left: 4095 },
      },
    },
  },
  {
    what: 'Gemma 3 of transformers 4, the text of a model of images',
    config: {
      model_type: 'gemma3',
      mm_tokens_per_image: 256,
      text_config: {
        ...{ ...gemma3, rope_scaling: { factor: 8, rope_type: 'linear' }, sliding_window_pattern: 3 },
        ...{ attn_logit_softcapping: null, final_logit_softcapping: null, cache_implementation: 'hybrid' },
      },
      vision_config: { model_type: 'siglip_vision_model', vision_use_head: false },
    },
    layers: {
      'vision_tower.vision_model.encoder.layers.1.self_attn.': { heads: 12, causal: false },
      'language_model.model.layers.1.self_attn.': gemma3Local,
      'language_model.model.layers.2.self_attn.': gemma3Full,
    },
    overruled: ['hidden_size', 'vision_use_head'],
  },
  {
    what: 'Gemma 3 of transformers 5',
    config: {
      ...{ ...gemma3, _sliding_window_pattern: 6, use_bidirectional_attention: false },
      layer_types: ['sliding_attention', 'full_attention'],
      rope_parameters: {
        full_attention: { rope_type: 'linear', factor: 8, rope_theta: 1e6 },
        sliding_attention: { rope_type: 'default', rope_theta: 10_000 },
      },
    },
    layers: { [at(0)]: gemma3Local, [at(1)]: gemma3Full },
    width: 256,
    overruled: ['_sliding_window_pattern'],
  },
  {
    what: 'Gemma 3 with its defaults',
    config: gemma3,
    layers: { [at(4)]: gemma3Local, [at(5)]: { ...gemma3Options, rotary: { theta: 1e6 } } },
    width: 256,
  },
  {
    what: 'Gemma 3 that looks both ways',
    config: { ...gemma3, use_bidirectional_attention: true },
    layers: { [at(0)]: { ...gemma3Local, causal: false, window: { left: 256, right: 256 } } },
    width: 256,
  },
  {
    what: 'Granite',
    config: {
      ...{ ...llama, model_type: 'granite', head_dim: undefined, attention_multiplier: 0.015625 },
      ...{ embedding_multiplier: 12, logits_scaling: 8, residual_multiplier: 0.22 },
    },
    layers: all({ ...llamaOptions, scale: 0.015625 }),
  },
  {
    what: 'Granite that says little',
    config: { model_type: 'granite' },
    layers: all({ heads: 32, causal: true, normEpsilon: 1e-6, rotary: { theta: 10_000 }, scale: 1 }),
  },
  {
    what: 'SmolLM3',
    config: { ...smol, no_rope_layers: [1, 0, 1, 1], no_rope_layer_interval: 4 },
    layers: { [at(0)]: { ...smolOptions, rotary: { theta: 5e6 } }, [at(1)]: smolOptions },
    overruled: ['use_sliding_window', 'sliding_window', 'no_rope_layer_interval'],
  },
  {
    what: 'SmolLM3 without a list, and with windows',
    config: { ...smol, use_sliding_window: true, sliding_window: 1024 },
    layers: {
      [at(2)]: { ...smolOptions, rotary: { theta: 5e6 } },
      [at(3)]: { ...smolOptions, ...windowed },
    },
  },
  {
    what: 'Cohere',
    config: {
      ...{ ...general, model_type: 'cohere', hidden_size: 512, num_attention_heads: 8 },
      ...{ logit_scale: 0.0625, rope_theta: 8e6, use_qk_norm: false, layer_norm_eps: 1e-5 },
    },
    layers: all({ heads: 8, causal: true, rotary: { theta: 8e6, interleaved: true } }),
  },
  {
    what: 'Cohere 2',
    config: {
      ...{ ...general, model_type: 'cohere2', hidden_size: 512, num_attention_heads: 8 },
      ...{ num_key_value_heads: 2, logit_scale: 0.25, rope_theta: 50_000, rope_scaling: null },
      ...{ sliding_window: 1024, sliding_window_pattern: 4, order_of_interleaved_layers: 'local_attn_first' },
      ...{ position_embedding_type: 'rope_gptj', rotary_pct: 1, use_qk_norm: false },
    },
    layers: {
      [at(0)]: { ...cohere2Options, rotary: { theta: 50_000, interleaved: true }, ...windowed },
      [at(3)]: cohere2Options,
    },
  },
  {
    what: 'Cohere 2 that says little',
    config: { model_type: 'cohere2' },
    layers: {
      [at(6)]: {
        heads: 64,
        causal: true,
        rotary: { theta: 10_000, interleaved: true },
        window: { left: 4095 },
      },
      [at(7)]: { heads: 64, causal: true },
    },
  },
  {
    what: 'gpt-oss of transformers 4',
    config: {
      ...{ ...oss, rope_theta: 150_000, rope_scaling: ossFile, swiglu_limit: 7 },
      layer_types: ['sliding_attention', 'full_attention'],
    },
    layers: ossLayers,
    width: 64,
  },
  {
    what: 'gpt-oss of transformers 5',
    config: { ...oss, rope_parameters: { ...ossFile, rope_theta: 150_000 } },
    layers: ossLayers,
    width: 64,
  },
  {
    what: 'gpt-oss that says little',
    config: { model_type: 'gpt_oss' },
    layers: ossLayers,
  },
];
