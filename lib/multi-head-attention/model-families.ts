/**
 * The families of models whose config.json heed reads: a row each, with the defaults of Hugging Face's transformers, and
 * which fields say what of an attention layer.
 */
import { type ConfigFields, type FieldValues, isSuspicious, isUnset } from './config-fields.js';
import { type RotarySource, readRotaryFields, rotaryFields } from './config-rotary.js';
import type { LayerOptionName } from './options.js';

/** One option of a layer, from the fields that say it. */
interface Reader<Value = unknown> {
  readonly fields: readonly string[];
  readonly read: (fields: ConfigFields) => Value;
}

export interface Family {
  readonly modelTypes: readonly string[];
  /** Values of fields that a file lacks. */
  readonly defaults: FieldValues;
  /** Other names of fields, and the names that are used here. */
  readonly aliases?: Readonly<Record<string, string>>;
  readonly options: { readonly [Name in LayerOptionName]?: Reader };
  /** Whether queries and keys are normalised, where that is certain. */
  readonly norms?: Reader<boolean>;
  /** What a file says of relative biases, whose table is a tensor. */
  readonly relativeBias?: Reader<RelativeBiasFields>;
  /** Values of fields that change nothing. */
  readonly accepted?: Readonly<Record<string, readonly unknown[]>>;
  /** Fields that transformers does not read for this family. */
  readonly ignored?: readonly string[];
}

/** Which keys a layer attends: transformers' names. */
export type LayerKind = 'full_attention' | 'sliding_attention';
const layerKinds: readonly unknown[] = ['full_attention', 'sliding_attention'] satisfies LayerKind[];

/** The kind of a layer, for an option that depends on it. */
interface Kinds {
  readonly fields: readonly string[];
  readonly read: (fields: ConfigFields, option: LayerOptionName) => LayerKind;
  /** Whether every layer is of one kind, which a file must not contradict. */
  readonly alike?: true;
  /** Whether layers have windows at all. Default: they have. */
  readonly slide?: (fields: ConfigFields) => boolean;
}

function listedKind(fields: ConfigFields, option: LayerOptionName): LayerKind | undefined {
  const list = fields.list('layer_types');
  if (list === undefined) return undefined;
  const other = list.find((kind) => !layerKinds.includes(kind));
  if (other !== undefined) {
    throw fields.ask(option, `heed does not know the value ${JSON.stringify(other)} of layer_types`);
  }
  return fields.ofLayer(list, option, 'layer_types') as LayerKind;
}

/** All layers are alike; a list of kinds, which transformers does not read here, must agree. */
function alike(field: string | undefined): Kinds {
  return {
    fields: ['layer_types', ...(field === undefined ? [] : [field])],
    alike: true,
    read(fields, option) {
      const slides = field !== undefined && windowOf(fields, field) !== undefined;
      const kind = slides ? 'sliding_attention' : 'full_attention';
      const listed = listedKind(fields, option);
      if (listed === undefined || listed === kind) return kind;
      throw fields.ask(
        option,
        `layers of a ${fields.modelType} are all alike, but layer_types says otherwise`,
      );
    },
  };
}

/** `layer_types` if there, else every so many layers one with full attention: the last of them, or the first. */
function everyFew(period: string | number, full: 'last' | 'first'): Kinds {
  const field = typeof period === 'string' ? period : 'layer_types';
  return {
    fields: ['layer_types', field],
    read(fields, option) {
      const listed = listedKind(fields, option);
      if (listed !== undefined) return listed;
      const few = typeof period === 'number' ? period : (fields.number(field, 1) ?? 1);
      if (few === 1) return 'full_attention';
      const index = fields.layerIndex(option, field);
      return (full === 'last' ? index + 1 : index) % few === 0 ? 'full_attention' : 'sliding_attention';
    },
  };
}

const slidesIfUsed = (fields: ConfigFields) =>
  fields.flag('use_sliding_window') && windowOf(fields, 'sliding_window') !== undefined;

/** Qwen's layers from `max_window_layers` on slide, if any do. */
const qwenKinds: Kinds = {
  fields: ['layer_types', 'use_sliding_window', 'sliding_window', 'max_window_layers'],
  slide: slidesIfUsed,
  read(fields, option) {
    const listed = listedKind(fields, option);
    if (listed !== undefined) return listed;
    const most = fields.number('max_window_layers') ?? 0;
    if (!slidesIfUsed(fields)) return 'full_attention';
    if (most === 0) return 'sliding_attention';
    return fields.layerIndex(option, 'max_window_layers') < most ? 'full_attention' : 'sliding_attention';
  },
};

const qwenMoeKinds: Kinds = {
  fields: qwenKinds.fields,
  slide: slidesIfUsed,
  read(fields, option) {
    const listed = listedKind(fields, option);
    if (listed !== undefined) return listed;
    if (!slidesIfUsed(fields)) return 'full_attention';
    throw fields.ask(
      option,
      'versions of transformers disagree about the layers that use_sliding_window means',
    );
  },
};

const smolKinds: Kinds = {
  fields: ['layer_types', 'use_sliding_window', 'sliding_window', 'no_rope_layers', 'no_rope_layer_interval'],
  slide: slidesIfUsed,
  read(fields, option) {
    const listed = listedKind(fields, option);
    if (listed !== undefined) return listed;
    return !slidesIfUsed(fields) || rotates(fields, option) ? 'full_attention' : 'sliding_attention';
  },
};

/** SmolLM3's list has 1, not 0, for layers that rotate; without it every few layers one does not. */
function rotates(fields: ConfigFields, option: LayerOptionName): boolean {
  const list = fields.list('no_rope_layers');
  if (list !== undefined) {
    const value = fields.ofLayer(list, option, 'no_rope_layers');
    if (value !== 0 && value !== 1) throw fields.wrong('no_rope_layers', 'a list of 0 and 1', value);
    return value === 1;
  }
  const few = fields.number('no_rope_layer_interval', 1) ?? 1;
  return (fields.layerIndex(option, 'no_rope_layer_interval') + 1) % few !== 0;
}

/** How many keys a window has, the query's own among them; undefined for no window. */
function windowOf(fields: ConfigFields, field: string): number | undefined {
  const keys = fields.number(field, 1);
  if (keys !== undefined && !Number.isInteger(keys)) throw fields.wrong(field, 'an integer', keys);
  return keys;
}

const numberFrom = (field: string): Reader => ({ fields: [field], read: (fields) => fields.get(field) });
const always = <Value>(value: Value): Reader<Value> => ({ fields: [], read: () => value });

/** As many as heads where the value is null. */
const keyValueHeadsFrom = (field = 'num_key_value_heads'): Reader => ({
  fields: [field],
  read: (fields) => fields.get(field) ?? undefined,
});

/** A query attends itself and those before it, so many keys in all. */
const windowFrom = (kinds: Kinds): Reader => ({
  fields: [...kinds.fields, 'sliding_window'],
  read(fields) {
    if (kinds.slide?.(fields) === false) return undefined;
    if (kinds.read(fields, 'window') === 'full_attention') return undefined;
    const keys = windowOf(fields, 'sliding_window');
    return keys === undefined ? undefined : { left: keys - 1 };
  },
});

const rotaryFrom = (
  kinds: Kinds,
  source: RotarySource = {},
  isTurned: (fields: ConfigFields) => boolean = () => true,
): Reader => ({
  fields: [...kinds.fields, ...rotaryFields(source)],
  read(fields) {
    const kind = () => kinds.read(fields, 'rotary');
    if (kinds.alike) kind();
    return isTurned(fields) ? readRotaryFields(fields, source, kind) : undefined;
  },
});

/** 1/√ of a number. */
const scaleFrom = (field: string): Reader => ({
  fields: [field],
  read(fields) {
    const number = fields.number(field);
    if (!number) throw fields.wrong(field, 'a positive number', fields.get(field));
    return 1 / Math.sqrt(number);
  },
});

/** Whether a layer attends the output of another stack of layers. */
const isCross = ({ place }: ConfigFields) => /cross|encoder_attn|encdecattention/i.test(place.prefix);

/** Which stack of layers a layer of an encoder-decoder is in. */
function stackOf(fields: ConfigFields, option: LayerOptionName): 'encoder' | 'decoder' {
  const { segments } = fields.place;
  if (segments.includes('decoder')) return 'decoder';
  if (segments.includes('encoder')) return 'encoder';
  throw fields.ask(option, 'options.prefix names neither encoder nor decoder, which differ');
}

/** What T5 says of its table of biases. */
export interface RelativeBiasFields {
  readonly buckets: number | undefined;
  readonly maxDistance: number | undefined;
}

const relativeBias: Reader<RelativeBiasFields> = {
  fields: ['relative_attention_num_buckets', 'relative_attention_max_distance'],
  read: (fields) => ({
    buckets: fields.number('relative_attention_num_buckets', 1),
    maxDistance: fields.number('relative_attention_max_distance', 1),
  }),
};

const flagFrom = (field: string): Reader<boolean> => ({
  fields: [field],
  read: (fields) => fields.flag(field),
});

/** What has to be so in MPT's object of settings of attention, where it is given. */
const mptSettings: FieldValues = {
  alibi_bias_max: 8,
  attn_type: 'multihead_attention',
  attn_uses_sequence_id: false,
  prefix_lm: false,
  qk_ln: false,
};

/** One of MPT's settings; refuses what heed does not know among the others. */
const mptSetting = (name: 'alibi' | 'softmax_scale', fields: ConfigFields): unknown => {
  const settings = fields.object('attn_config') ?? {};
  for (const [other, value] of Object.entries(settings)) {
    if (['alibi', 'softmax_scale', 'attn_impl'].includes(other) || isUnset(value)) continue;
    const isKnown = Object.hasOwn(mptSettings, other);
    if (isKnown ? value === mptSettings[other] : !isSuspicious(other)) continue;
    const expectation = isKnown ? JSON.stringify(mptSettings[other]) : 'left out or null';
    throw fields.refuse(`attn_config.${other}`, expectation, value);
  }
  return settings[name];
};

const causalIn = (isCausal: (fields: ConfigFields) => boolean, ...names: string[]): Reader => ({
  fields: names,
  read: (fields) => isCausal(fields) && !isCross(fields),
});

/** The slopes of Press et al. 2022 (ALiBi): 2^(−8i / n) for a power of two n, and between them for further heads. */
function alibiSlopes(heads: number): number[] {
  const power = 2 ** Math.floor(Math.log2(heads));
  const slopes = Array.from({ length: power }, (_, i) => 2 ** ((-8 * (i + 1)) / power));
  for (let i = 0; slopes.length < heads; i++) slopes.push(2 ** ((-4 * (2 * i + 1)) / power));
  return slopes;
}

function headsOf(fields: ConfigFields): number {
  const heads = fields.number('num_attention_heads', 1) ?? 0;
  if (!Number.isInteger(heads) || heads < 1 || heads > 65536) {
    throw fields.wrong(
      'num_attention_heads',
      'an integer from 1 to 65536',
      fields.get('num_attention_heads'),
    );
  }
  return heads;
}

const widthOf = (fields: ConfigFields) => fields.width(headsOf(fields));

/** The fields that {@link ConfigFields.width} and {@link headsOf} read. */
export const widthFields = ['head_dim', 'hidden_size', 'num_attention_heads'];

const uniform = alike(undefined);
const windowed = alike('sliding_window');

/** What most decoders have: grouped heads, rotary positions, and an epsilon for norms of heads. */
const decoder = (kinds: Kinds, source?: RotarySource): Family['options'] => ({
  heads: numberFrom('num_attention_heads'),
  keyValueHeads: keyValueHeadsFrom(),
  causal: always(true),
  rotary: rotaryFrom(kinds, source),
  normEpsilon: numberFrom('rms_norm_eps'),
});

const bert = { num_attention_heads: 12, hidden_size: 768 };
const encoder = (isCausal: Reader): Family['options'] => ({
  heads: numberFrom('num_attention_heads'),
  causal: isCausal,
});

const everyOther = everyFew(2, 'last');
const everySo = everyFew('sliding_window_pattern', 'last');
const modernbertKinds = everyFew('global_attn_every_n_layers', 'first');

export const families: readonly Family[] = [
  {
    modelTypes: ['bert', 'roberta', 'xlm-roberta', 'camembert'],
    defaults: bert,
    options: encoder(causalIn((fields) => fields.flag('is_decoder'), 'is_decoder')),
  },
  {
    modelTypes: ['electra'],
    defaults: { num_attention_heads: 4, hidden_size: 256 },
    options: encoder(causalIn((fields) => fields.flag('is_decoder'), 'is_decoder')),
  },
  {
    modelTypes: ['albert'],
    defaults: { num_attention_heads: 64, hidden_size: 4096 },
    options: encoder(always(false)),
    // Early files have it, and no version of transformers reads it.
    accepted: { down_scale_factor: [1] },
  },
  {
    modelTypes: ['distilbert'],
    defaults: bert,
    aliases: { n_heads: 'num_attention_heads', dim: 'hidden_size' },
    options: encoder(always(false)),
  },
  { modelTypes: ['vit'], defaults: bert, options: encoder(always(false)) },
  {
    modelTypes: ['clip_vision_model', 'siglip_vision_model'],
    defaults: bert,
    options: encoder(always(false)),
    ignored: ['vision_use_head'],
  },
  {
    modelTypes: ['clip_text_model'],
    defaults: { num_attention_heads: 8, hidden_size: 512 },
    options: encoder(always(true)),
  },
  {
    modelTypes: ['modernbert'],
    defaults: {
      ...{ ...bert, global_attn_every_n_layers: 3, local_attention: 128 },
      ...{ global_rope_theta: 160_000, local_rope_theta: 10_000, max_position_embeddings: 8192 },
    },
    aliases: { rope_theta: 'global_rope_theta' },
    options: {
      ...encoder(always(false)),
      window: {
        fields: [...modernbertKinds.fields, 'local_attention'],
        read(fields) {
          if (modernbertKinds.read(fields, 'window') === 'full_attention') return undefined;
          // The number is that of a whole window, half of which lies on either side.
          const half = Math.floor((windowOf(fields, 'local_attention') ?? 0) / 2);
          return { left: half, right: half };
        },
      },
      rotary: rotaryFrom(modernbertKinds, {
        thetas: { full_attention: 'global_rope_theta', sliding_attention: 'local_rope_theta' },
      }),
    },
  },
  {
    modelTypes: ['bart'],
    defaults: { encoder_attention_heads: 16, decoder_attention_heads: 16, hidden_size: 1024 },
    aliases: { num_attention_heads: 'encoder_attention_heads', d_model: 'hidden_size' },
    options: encoderDecoder(),
  },
  {
    modelTypes: ['whisper'],
    defaults: { encoder_attention_heads: 6, decoder_attention_heads: 6, hidden_size: 384 },
    aliases: {
      num_attention_heads: 'encoder_attention_heads',
      num_key_value_heads: 'encoder_attention_heads',
      d_model: 'hidden_size',
    },
    options: encoderDecoder(),
  },
  t5(['t5'], 8),
  t5(['mt5', 'umt5'], 6),
  {
    modelTypes: ['mpt'],
    defaults: { num_attention_heads: 16, hidden_size: 2048 },
    aliases: { n_heads: 'num_attention_heads', d_model: 'hidden_size' },
    // Positions of embeddings.
    ignored: ['learned_pos_emb'],
    options: {
      ...encoder(always(true)),
      alibiSlopes: {
        fields: ['attn_config', 'num_attention_heads'],
        read(fields) {
          const alibi = mptSetting('alibi', fields) ?? true;
          if (typeof alibi !== 'boolean') throw fields.wrong('attn_config.alibi', 'true or false', alibi);
          return alibi ? alibiSlopes(headsOf(fields)) : undefined;
        },
      },
      scale: {
        fields: ['attn_config'],
        read: (fields) => mptSetting('softmax_scale', fields) ?? undefined,
      },
    },
  },
  { modelTypes: ['opt'], defaults: bert, options: encoder(always(true)) },
  {
    modelTypes: ['gpt2'],
    defaults: { ...bert, scale_attn_weights: true },
    aliases: { n_head: 'num_attention_heads', n_embd: 'hidden_size' },
    options: {
      ...encoder(causalIn(() => true)),
      scale: {
        fields: ['scale_attn_weights', 'scale_attn_by_inverse_layer_idx', ...widthFields],
        read(fields) {
          const scaled = fields.flag('scale_attn_weights');
          const byLayer = fields.flag('scale_attn_by_inverse_layer_idx');
          if (scaled && !byLayer) return undefined;
          const scale = scaled ? 1 / Math.sqrt(widthOf(fields) ?? 0) : 1;
          return byLayer
            ? scale / (fields.layerIndex('scale', 'the scale (scale_attn_by_inverse_layer_idx)') + 1)
            : scale;
        },
      },
    },
  },
  {
    modelTypes: ['gpt_neox'],
    defaults: {
      ...{ num_attention_heads: 64, hidden_size: 6144, max_position_embeddings: 2048 },
      ...{ rope_theta: 10_000, partial_rotary_factor: 0.25 },
    },
    aliases: { rotary_emb_base: 'rope_theta', rotary_pct: 'partial_rotary_factor' },
    options: {
      heads: numberFrom('num_attention_heads'),
      causal: always(true),
      rotary: rotaryFrom(uniform),
    },
  },
  {
    modelTypes: ['bloom'],
    defaults: { num_attention_heads: 8, hidden_size: 64 },
    aliases: { n_head: 'num_attention_heads', n_embed: 'hidden_size' },
    ignored: ['masked_softmax_fusion', 'offset_alibi', 'skip_bias_add_qkv'],
    options: {
      heads: numberFrom('num_attention_heads'),
      causal: always(true),
      alibiSlopes: { fields: ['num_attention_heads'], read: (fields) => alibiSlopes(headsOf(fields)) },
    },
  },
  {
    modelTypes: ['falcon'],
    defaults: {
      ...{ num_attention_heads: 71, hidden_size: 4544, max_position_embeddings: 2048 },
      ...{ multi_query: true, rope_theta: 10_000 },
    },
    aliases: { n_embed: 'hidden_size' },
    options: {
      heads: numberFrom('num_attention_heads'),
      keyValueHeads: {
        fields: ['num_kv_heads', 'multi_query', 'new_decoder_architecture'],
        read(fields) {
          const shared = fields.flag('multi_query') && !fields.flag('new_decoder_architecture');
          return shared ? 1 : (fields.get('num_kv_heads') ?? undefined);
        },
      },
      causal: always(true),
      alibiSlopes: {
        fields: ['alibi', ...widthFields],
        read(fields) {
          if (!fields.flag('alibi')) return undefined;
          // Falcon scales the sum of a product and ALiBi, where BLOOM scales the product alone.
          const scale = 1 / Math.sqrt(widthOf(fields) ?? 0);
          return alibiSlopes(headsOf(fields)).map((slope) => slope * scale);
        },
      },
      rotary: rotaryFrom(uniform, {}, (fields) => !fields.flag('alibi')),
    },
  },
  {
    modelTypes: ['phi'],
    defaults: {
      ...{ num_attention_heads: 32, hidden_size: 2048, max_position_embeddings: 2048 },
      ...{ rope_theta: 10_000, partial_rotary_factor: 0.5, layer_norm_eps: 1e-5 },
    },
    options: { ...decoder(uniform), normEpsilon: numberFrom('layer_norm_eps') },
    norms: flagFrom('qk_layernorm'),
  },
  {
    modelTypes: ['phi3'],
    defaults: {
      ...{ num_attention_heads: 32, hidden_size: 3072, rms_norm_eps: 1e-5 },
      ...{ max_position_embeddings: 4096, rope_theta: 10_000 },
    },
    options: { ...decoder(windowed, { length: 4096 }), window: windowFrom(windowed) },
    accepted: { full_attn_mod: [1] },
  },
  {
    modelTypes: ['llama'],
    defaults: {
      ...{ num_attention_heads: 32, hidden_size: 4096, rms_norm_eps: 1e-6 },
      ...{ max_position_embeddings: 2048, rope_theta: 10_000 },
    },
    options: decoder(uniform),
    ignored: ['sliding_window'],
  },
  {
    modelTypes: ['mistral'],
    defaults: {
      ...{ num_attention_heads: 32, num_key_value_heads: 8, hidden_size: 4096, rms_norm_eps: 1e-6 },
      ...{ max_position_embeddings: 131_072, rope_theta: 10_000, sliding_window: 4096 },
    },
    options: { ...decoder(windowed), window: windowFrom(windowed) },
  },
  {
    modelTypes: ['mixtral'],
    defaults: {
      ...{ num_attention_heads: 32, num_key_value_heads: 8, hidden_size: 4096, rms_norm_eps: 1e-5 },
      ...{ max_position_embeddings: 131_072, rope_theta: 1e6 },
    },
    options: { ...decoder(windowed), window: windowFrom(windowed) },
  },
  {
    modelTypes: ['qwen2'],
    defaults: {
      ...{ num_attention_heads: 32, num_key_value_heads: 32, hidden_size: 4096, rms_norm_eps: 1e-6 },
      ...{ max_position_embeddings: 32_768, rope_theta: 10_000, sliding_window: 4096, max_window_layers: 28 },
    },
    options: { ...decoder(qwenKinds), window: windowFrom(qwenKinds) },
  },
  {
    modelTypes: ['qwen2_moe'],
    defaults: {
      ...{ num_attention_heads: 16, num_key_value_heads: 16, hidden_size: 2048, rms_norm_eps: 1e-6 },
      ...{ max_position_embeddings: 32_768, rope_theta: 10_000, sliding_window: 4096 },
    },
    options: { ...decoder(qwenMoeKinds), window: windowFrom(qwenMoeKinds) },
  },
  {
    modelTypes: ['qwen3'],
    norms: always(true),
    defaults: {
      ...{ num_attention_heads: 32, num_key_value_heads: 32, head_dim: 128, hidden_size: 4096 },
      ...{ rms_norm_eps: 1e-6, max_position_embeddings: 32_768, rope_theta: 10_000 },
      ...{ sliding_window: 4096, max_window_layers: 28 },
    },
    options: { ...decoder(qwenKinds), window: windowFrom(qwenKinds) },
  },
  {
    modelTypes: ['qwen3_moe'],
    norms: always(true),
    defaults: {
      ...{ num_attention_heads: 32, num_key_value_heads: 4, hidden_size: 2048, rms_norm_eps: 1e-6 },
      ...{ max_position_embeddings: 32_768, rope_theta: 10_000, sliding_window: 4096 },
    },
    options: { ...decoder(qwenMoeKinds), window: windowFrom(qwenMoeKinds) },
  },
  {
    modelTypes: ['olmo2'],
    norms: always(true),
    defaults: {
      ...{ num_attention_heads: 32, hidden_size: 4096, rms_norm_eps: 1e-5 },
      ...{ max_position_embeddings: 2048, rope_theta: 10_000 },
    },
    options: decoder(uniform),
  },
  {
    modelTypes: ['gemma'],
    defaults: {
      ...{ num_attention_heads: 16, num_key_value_heads: 16, head_dim: 256, hidden_size: 3072 },
      ...{ rms_norm_eps: 1e-6, max_position_embeddings: 8192, rope_theta: 10_000 },
    },
    options: {
      ...decoder(uniform),
      causal: causalIn(
        (fields) => !fields.flag('use_bidirectional_attention'),
        'use_bidirectional_attention',
      ),
    },
  },
  {
    modelTypes: ['gemma2'],
    defaults: {
      ...{ num_attention_heads: 8, num_key_value_heads: 4, head_dim: 256, hidden_size: 2304 },
      ...{ rms_norm_eps: 1e-6, max_position_embeddings: 8192, rope_theta: 10_000 },
      ...{ query_pre_attn_scalar: 256, attn_logit_softcapping: 50, sliding_window: 4096 },
    },
    aliases: { sliding_window_size: 'sliding_window' },
    options: {
      ...decoder(everyOther),
      window: windowFrom(everyOther),
      scale: scaleFrom('query_pre_attn_scalar'),
      softcap: {
        fields: ['attn_logit_softcapping'],
        read: (fields) => fields.number('attn_logit_softcapping'),
      },
    },
  },
  {
    modelTypes: ['gemma3_text'],
    norms: always(true),
    defaults: {
      ...{ num_attention_heads: 8, num_key_value_heads: 4, head_dim: 256, hidden_size: 2304 },
      ...{ rms_norm_eps: 1e-6, max_position_embeddings: 131_072, rope_theta: 1e6 },
      ...{ rope_local_base_freq: 10_000, query_pre_attn_scalar: 256, sliding_window: 4096 },
      sliding_window_pattern: 6,
    },
    aliases: { _sliding_window_pattern: 'sliding_window_pattern' },
    options: {
      ...decoder(everySo, {
        thetas: { full_attention: 'rope_theta', sliding_attention: 'rope_local_base_freq' },
        scaled: ['full_attention'],
      }),
      causal: causalIn(
        (fields) => !fields.flag('use_bidirectional_attention'),
        'use_bidirectional_attention',
      ),
      window: {
        fields: [...everySo.fields, 'sliding_window', 'use_bidirectional_attention'],
        read(fields) {
          const keys = windowOf(fields, 'sliding_window');
          if (keys === undefined || everySo.read(fields, 'window') === 'full_attention') return undefined;
          const half = Math.floor(keys / 2);
          return fields.flag('use_bidirectional_attention')
            ? { left: half, right: half }
            : { left: keys - 1 };
        },
      },
      scale: scaleFrom('query_pre_attn_scalar'),
    },
  },
  {
    modelTypes: ['granite'],
    defaults: {
      ...{ num_attention_heads: 32, hidden_size: 4096, rms_norm_eps: 1e-6 },
      ...{ max_position_embeddings: 2048, rope_theta: 10_000, attention_multiplier: 1 },
    },
    options: { ...decoder(uniform), scale: numberFrom('attention_multiplier') },
  },
  {
    modelTypes: ['smollm3'],
    defaults: {
      ...{ num_attention_heads: 16, num_key_value_heads: 4, hidden_size: 2048, rms_norm_eps: 1e-6 },
      ...{ max_position_embeddings: 32_768, rope_theta: 2e6, no_rope_layer_interval: 4 },
    },
    options: {
      ...decoder(smolKinds),
      rotary: rotaryFrom(smolKinds, {}, (fields) => rotates(fields, 'rotary')),
      window: windowFrom(smolKinds),
    },
    ignored: ['max_window_layers'],
  },
  {
    modelTypes: ['cohere'],
    // Without rope_theta: transformers 4 means 10000, transformers 5 500000.
    defaults: {
      ...{ num_attention_heads: 64, hidden_size: 8192, max_position_embeddings: 8192 },
      layer_norm_eps: 1e-5,
    },
    options: {
      heads: numberFrom('num_attention_heads'),
      keyValueHeads: keyValueHeadsFrom(),
      causal: always(true),
      rotary: rotaryFrom(uniform, { interleaved: true }),
      normEpsilon: numberFrom('layer_norm_eps'),
    },
    norms: flagFrom('use_qk_norm'),
  },
  {
    modelTypes: ['cohere2'],
    defaults: {
      ...{ num_attention_heads: 64, hidden_size: 8192, max_position_embeddings: 8192 },
      ...{ rope_theta: 10_000, sliding_window: 4096, sliding_window_pattern: 4 },
    },
    aliases: { _sliding_window_pattern: 'sliding_window_pattern', rotary_pct: 'partial_rotary_factor' },
    accepted: {
      position_embedding_type: ['rope_gptj'],
      order_of_interleaved_layers: ['local_attn_first'],
    },
    options: {
      heads: numberFrom('num_attention_heads'),
      keyValueHeads: keyValueHeadsFrom(),
      causal: always(true),
      window: windowFrom(everySo),
      // Layers without a window do not rotate.
      rotary: rotaryFrom(
        everySo,
        { interleaved: true },
        (fields) =>
          windowOf(fields, 'sliding_window') !== undefined &&
          everySo.read(fields, 'rotary') === 'sliding_attention',
      ),
    },
  },
  {
    modelTypes: ['gpt_oss'],
    defaults: {
      ...{ num_attention_heads: 64, num_key_value_heads: 8, head_dim: 64, hidden_size: 2880 },
      ...{ max_position_embeddings: 131_072, rope_theta: 150_000, rms_norm_eps: 1e-5 },
      sliding_window: 128,
    },
    options: {
      ...decoder(everyOther, {
        scaling: {
          ...{ rope_type: 'yarn', factor: 32, beta_fast: 32, beta_slow: 1, truncate: false },
          original_max_position_embeddings: 4096,
        },
      }),
      window: windowFrom(everyOther),
    },
  },
];

/** Both stacks, and the cross attention between them. */
function encoderDecoder(): Family['options'] {
  return {
    heads: {
      fields: ['encoder_attention_heads', 'decoder_attention_heads'],
      read: (fields) => fields.get(`${stackOf(fields, 'heads')}_attention_heads`),
    },
    causal: causalIn((fields) => stackOf(fields, 'causal') === 'decoder'),
  };
}

/** Two stacks with the names of T5. */
function t5(modelTypes: readonly string[], heads: number): Family {
  return {
    modelTypes,
    defaults: {
      ...{ num_attention_heads: heads, head_dim: 64, hidden_size: 512 },
      ...{ relative_attention_num_buckets: 32, relative_attention_max_distance: 128 },
    },
    aliases: { num_heads: 'num_attention_heads', d_kv: 'head_dim', d_model: 'hidden_size' },
    // UMT5's files have it, and no version of transformers reads it.
    ignored: ['scalable_attention'],
    options: {
      ...encoder({
        fields: [],
        // The second layer of a decoder's block attends the encoder.
        read: (fields) =>
          stackOf(fields, 'causal') === 'decoder' &&
          !isCross(fields) &&
          !/\blayer\.1\b/.test(fields.place.prefix),
      }),
      scale: always(1),
    },
    relativeBias,
  };
}

/** Models made of others: which of their fields describe which part, and its type where it says none. */
export const composites: Readonly<Record<string, { readonly text: string; readonly vision: string }>> = {
  clip: { text: 'clip_text_model', vision: 'clip_vision_model' },
  gemma3: { text: 'gemma3_text', vision: 'siglip_vision_model' },
  llava: { text: 'llama', vision: 'clip_vision_model' },
  llava_next: { text: 'llama', vision: 'clip_vision_model' },
  mistral3: { text: 'mistral', vision: 'pixtral' },
};
