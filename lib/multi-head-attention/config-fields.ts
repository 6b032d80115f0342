/** The fields of a model's config.json: their values with the family's defaults, and which of them may be unknown. */
import { describe } from '../checks/values.js';
import { HeedError } from '../errors.js';
import { isObject, malformed } from '../safetensors/json.js';
import type { LayerOptionName } from './options.js';

export type FieldValues = Readonly<Record<string, unknown>>;

/** What the prefix of a layer's tensors says of its place in the model. */
export interface LayerPlace {
  readonly prefix: string;
  /** The names that dots separate. */
  readonly segments: readonly string[];
  /** Counted from 0; undefined where the prefix has no number. */
  readonly index: number | undefined;
}

/** As in 'model.layers.3.self_attn.', whose layer is 3. The first number counts: T5 has others behind it. */
export function placeOf(prefix: string): LayerPlace {
  const segments = prefix.split('.').filter((segment) => segment !== '');
  const number = segments.find((segment) => /^\d+$/.test(segment));
  return { prefix, segments, index: number === undefined ? undefined : Number(number) };
}

/** A value of JSON that switches nothing on. */
export function isUnset(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

/** The fields of one model. Fields that the file lacks have the family's defaults; null is a value of its own. */
export class ConfigFields {
  readonly path: string;
  readonly modelType: string;
  readonly place: LayerPlace;
  readonly #values: FieldValues;
  readonly #defaults: FieldValues;

  constructor(
    path: string,
    modelType: string,
    place: LayerPlace,
    values: FieldValues,
    defaults: FieldValues,
  ) {
    this.path = path;
    this.modelType = modelType;
    this.place = place;
    this.#values = values;
    this.#defaults = defaults;
  }

  /** Whether the file itself has a value. */
  has(name: string): boolean {
    return Object.hasOwn(this.#values, name) && this.#values[name] !== null;
  }

  get(name: string): unknown {
    return Object.hasOwn(this.#values, name) ? this.#values[name] : this.#defaults[name];
  }

  /** Undefined where the value is null, or missing without a default. */
  number(name: string, least = 0): number | undefined {
    const value = this.get(name) ?? undefined;
    if (value === undefined) return undefined;
    if (typeof value !== 'number' || !(value >= least)) {
      throw this.wrong(name, least === 0 ? 'a non-negative number' : `a number of at least ${least}`, value);
    }
    return value;
  }

  /** False where the value is null, or missing without a default. */
  flag(name: string): boolean {
    const value = this.get(name) ?? false;
    if (typeof value !== 'boolean') throw this.wrong(name, 'true or false', value);
    return value;
  }

  /** Undefined where the value is null, or missing without a default. */
  object(name: string): FieldValues | undefined {
    const value = this.get(name) ?? undefined;
    if (value === undefined) return undefined;
    if (!isObject(value)) throw this.wrong(name, 'an object', value);
    return value;
  }

  /** Undefined where the value is null, or missing without a default. */
  list(name: string): readonly unknown[] | undefined {
    const value = this.get(name) ?? undefined;
    if (value === undefined) return undefined;
    if (!Array.isArray(value)) throw this.wrong(name, 'a list', value);
    return value;
  }

  /** The width of each of so many heads; undefined where no field says it. */
  width(heads: number): number | undefined {
    const own = this.number('head_dim', 1);
    if (own !== undefined) return own;
    const hidden = this.number('hidden_size', 1);
    return hidden === undefined ? undefined : Math.floor(hidden / heads);
  }

  /** The layer's number, for a field that differs by layer. */
  layerIndex(option: LayerOptionName, field: string): number {
    const { index } = this.place;
    if (index !== undefined) return index;
    throw this.ask(option, `${field} differs by layer, and options.prefix has no number of one,`);
  }

  /** The element of a list that has one for each layer. */
  ofLayer(list: readonly unknown[], option: LayerOptionName, field: string): unknown {
    if (list.every((element) => element === list[0])) return list[0];
    const index = this.layerIndex(option, field);
    if (index < list.length) return list[index];
    throw this.wrong(field, `a list with an element for layer ${index}`, `${list.length} elements`);
  }

  wrong(name: string, expectation: string, value: unknown): HeedError {
    return malformed(this.path, `expected ${name} to be ${expectation}, received ${describe(value)}`);
  }

  /** What the file does not say in a way that an option of a layer can have. */
  ask(option: LayerOptionName, why: string): HeedError {
    return new HeedError(
      'HEED_INVALID_ARGUMENT',
      `Expected options.${option} to be given, since ${why} in ${this.path}`,
    );
  }

  /** A field that would change numbers in a way that heed does not know. */
  refuse(name: string, expectation: string): HeedError {
    return new HeedError(
      'HEED_INVALID_ARGUMENT',
      `Expected ${name} in ${this.path} to be ${expectation}, received ${describe(this.get(name))}: give the path of the tensors instead of the directory, and options`,
    );
  }
}

/**
 * Names of fields that may say something of attention. One of these that no family knows is refused; any other has to do with
 * a different part of the model, or with its training.
 */
const suspicious =
  /attn|attention|head|rope|rotary|posit|(^|_)pos(_|$)|alibi|window|slid|scal|multiplier|softcap|logit_cap|softmax|(^|_)[qk]_|qk|kv|query|key|causal|bidirection|sink|clip|theta|relativ|layer_types|interleav|yarn|ntk|base_freq|freq_base|gqa|mqa/i;

/** Fields with such a name that change no number of an attention layer, or whose effect its tensors show. */
const harmless =
  /dropout|pdrop|_drop$|_implementation|flash|^(max_(position_embed|source_posit|target_posit)|pooler_|n_positions$)/;

const harmlessNames = new Set([
  // Biases: a layer has those that its tensors have.
  ...['attention_bias', 'attention_out_bias', 'qkv_bias', 'add_qkv_bias'],
  // Other parts of the model: embeddings, residuals, logits, feed-forward, pooling.
  ...[
    'logit_scale',
    'logit_scale_init_value',
    'logits_scaling',
    'final_logit_softcapping',
    'scale_embedding',
  ],
  ...['embedding_multiplier', 'residual_multiplier', 'layer_scale_init_value', 'routed_scaling_factor'],
  ...['sinusoidal_pos_embds', 'static_position_embeddings', 'extra_pos_embeddings', 'parallel_attn'],
  ...['num_ln_in_parallel_attn'],
  // Outputs, precision and other layers.
  ...['output_attentions', 'reorder_and_upcast_attn', 'cross_attention_hidden_size', 'add_cross_attention'],
  ...['lm_head_bias', 'alignment_heads', 'attention_softmax_in_fp32'],
]);

/** Switches that have to be off where a family does not know them. */
const switches = [
  ...['alibi', 'use_alibi', 'clip_qkv', 'qk_layernorm', 'use_qk_norm', 'qk_norm', 'rope_interleaved'],
  ...['use_mrope', 'pruned_heads', 'use_bidirectional_attention', 'use_sliding_window'],
];

/** Values that change nothing, for families that say no more of these fields. */
export const accepted: Readonly<Record<string, readonly unknown[]>> = {
  ...Object.fromEntries(switches.map((name) => [name, [false]])),
  position_embedding_type: ['absolute'],
};

/** Whether heed knows nothing of a field that may change numbers. */
export function isSuspicious(name: string): boolean {
  return suspicious.test(name) && !harmless.test(name) && !harmlessNames.has(name);
}
