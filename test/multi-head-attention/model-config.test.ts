/** Tests what config.json says of a layer. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { HeedError } from '../../lib/errors.js';
import { interpret, type ModelConfig } from '../../lib/multi-head-attention/model-config.js';
import { composites, families } from '../../lib/multi-head-attention/model-families.js';
import { checkLayerOptions } from '../../lib/multi-head-attention/options.js';
import { packageRoot } from '../../lib/package-root.js';
import { Random } from '../support/random.js';
import { throwsHeed } from '../support/rejects.js';
import { type Configuration, configurations } from './model-configurations.js';

type Fields = Record<string, unknown>;

describe('config.json', () => {
  const random = new Random('config.json');

  /** As the file would say it: JSON has no undefined. */
  function read(config: object, prefix: string, given: object = {}): ModelConfig {
    return interpret(
      JSON.parse(JSON.stringify(config)) as Fields,
      'config.json',
      prefix,
      given,
      checkLayerOptions,
    );
  }

  for (const { what, config, layers, width, beside } of configurations) {
    it(`says what ${what} computes`, () => {
      for (const [prefix, options] of Object.entries(layers)) {
        const said = read(config, prefix);
        expectAlike(said.options, options, prefix);
        if (width !== undefined) assert.equal(said.width, width);
        for (const [name, value] of Object.entries(beside ?? {})) {
          assert.deepEqual(said[name as keyof ModelConfig], value);
        }
      }
    });
  }

  /** What a file means for all layers of the table, or which message refuses it. */
  function meaning(config: object, { layers }: Configuration): unknown[] {
    const said: unknown[] = [];
    for (const prefix of [...Object.keys(layers), 'model.layers.1.self_attn.', 'model.layers.2.self_attn.']) {
      try {
        const { path: _, modelType: __, ...rest } = read(config, prefix);
        said.push(rest);
      } catch (error) {
        assert.ok(error instanceof HeedError, String(error));
        said.push(error.message);
      }
    }
    return said;
  }

  for (const configuration of configurations) {
    it(`has no field that could change without being noticed, for ${configuration.what}`, () => {
      const before = meaning(configuration.config, configuration);
      for (const { path, value } of fieldsOf(configuration.config)) {
        if (path.some((name) => withoutEffect.has(name) || configuration.overruled?.includes(name))) continue;
        if (path.at(-1) === 'hidden_size' && configuration.width !== undefined) continue;
        const changed = replaced(configuration.config, path, altered(value, random));
        const after = meaning(changed, configuration);
        const where = `${path.join('.')}: ${JSON.stringify(value)}`;
        assert.notDeepEqual(after, before, `${where} changes the result, or is refused`);
      }
    });
  }

  it('gives options or a HeedError, whatever its values are', () => {
    const hostile = [
      null,
      true,
      false,
      '',
      'x',
      -1,
      0,
      0.5,
      3,
      1e308,
      [],
      {},
      [null, 7],
      { a: 1 },
      [[1]],
      [{}],
    ];
    for (const configuration of configurations) {
      for (const { path } of fieldsOf(configuration.config)) {
        for (let i = 0; i < 4; i++) {
          meaning(replaced(configuration.config, path, random.pick(hostile)), configuration);
        }
      }
    }
  });

  it('is refused with a field that would change numbers, which is named', () => {
    const strange: Fields = {
      alibi: true,
      attention_chunk_size: 8192,
      attention_multiplier: 0.5,
      attention_scale: 0.5,
      attn_logit_softcapping: 30,
      attn_temperature_tuning: true,
      clip_qkv: 8,
      head_scale: 2,
      is_causal: false,
      key_scale: 3,
      position_embedding_type: 'relative_key',
      pruned_heads: { 0: [1] },
      qk_layernorm: true,
      query_pre_attn_scalar: 100,
      rel_pos: true,
      relative_attention_num_buckets: 32,
      rope_interleaved: true,
      rotary_dim: 16,
      rotary_ndims: 8,
      softmax_scale: 0.1,
      use_qk_norm: true,
      window_size: 16,
    };
    for (const { config, layers } of configurations) {
      for (const [name, value] of Object.entries(strange)) {
        const part = 'text_config' in config ? { ...config, text_config: { [name]: value } } : undefined;
        if (Object.hasOwn(config, name) || part !== undefined || isKnown(config.model_type, name)) continue;
        const [prefix] = Object.keys(layers);
        throwsHeed(
          () => read({ ...config, [name]: value }, prefix),
          'HEED_INVALID_ARGUMENT',
          new RegExp(`^Expected ${name} in config\\.json to be left out or .*, received `),
        );
        // What is switched off, or null, changes nothing.
        read({ ...config, [name]: null }, prefix);
      }
    }
  });

  it('is refused with scaling that heed does not know, unless rotary is given', () => {
    const llama = { model_type: 'llama', max_position_embeddings: 64 };
    const wrong: [object, string][] = [
      [{ rope_type: 'proportional' }, "heed does not support rotary scaling of type 'proportional'"],
      [{ rope_type: 'default', mrope_section: [2, 2] }, "mrope_section of rotary scaling 'default'"],
      [{ type: 'linear', factor: 2, attention_factor: 3 }, "attention_factor of rotary scaling 'linear'"],
      [{ type: 'linear', rope_type: 'dynamic', factor: 2 }, 'type and rope_type of the scaling disagree'],
      [
        { type: 'dynamic', factor: 2, original_max_position_embeddings: 32 },
        'original_max_position_embeddings says otherwise',
      ],
      [
        { sliding_attention: { rope_type: 'default', rope_theta: 5 } },
        'rope_parameters has nothing for layers of the kind full_attention',
      ],
      [
        { full_attention: { rope_type: 'default', rope_theta: 5 }, rope_theta: 7 },
        'rope_parameters has rope_theta beside kinds of layers',
      ],
    ];
    for (const [rope_parameters, message] of wrong) {
      throwsHeed(
        () => read({ ...llama, rope_parameters }, ''),
        'HEED_INVALID_ARGUMENT',
        new RegExp(`^Expected options.rotary to be given, since .*${message} in `),
      );
      const { options } = read({ ...llama, rope_parameters }, '', { rotary: {} });
      assert.equal(options.rotary, undefined);
    }
    const rope_scaling = { type: 'linear', factor: 2 };
    throwsHeed(
      () => read({ ...llama, rope_scaling, rope_parameters: { ...rope_scaling, factor: 3 } }, ''),
      'HEED_INVALID_ARGUMENT',
      'rope_parameters and rope_scaling disagree about factor',
    );
  });

  it('asks for what differs by layer, where the prefix names none', () => {
    const asked: [object, string, string][] = [
      [{ model_type: 'gemma2' }, 'window', 'layer_types differs by layer'],
      [{ model_type: 'gemma3_text' }, 'rotary', 'sliding_window_pattern differs by layer'],
      [{ model_type: 'smollm3' }, 'rotary', 'no_rope_layer_interval differs by layer'],
      [{ model_type: 'smollm3', no_rope_layers: [1, 0] }, 'rotary', 'no_rope_layers differs by layer'],
      [{ model_type: 'qwen2', use_sliding_window: true }, 'window', 'max_window_layers differs by layer'],
      [{ model_type: 'gpt2', scale_attn_by_inverse_layer_idx: true }, 'scale', 'differs by layer'],
      [{ model_type: 'bart' }, 'heads', 'options.prefix names neither encoder nor decoder'],
      [
        { model_type: 'qwen3_moe', use_sliding_window: true },
        'window',
        'versions of transformers disagree about the layers that use_sliding_window means',
      ],
      [{ model_type: 'cohere' }, 'rotary', 'versions of transformers disagree about rope_theta'],
      [
        { model_type: 'gpt_oss', rope_scaling: null },
        'rotary',
        'versions of transformers disagree about a rope_scaling of null',
      ],
    ];
    for (const [config, option, why] of asked) {
      const given = { rotary: {}, window: {}, scale: 1, heads: 64, causal: true };
      const { [option as 'heads']: _, ...others } = given;
      throwsHeed(
        () => read(config, 'self_attn.', others),
        'HEED_INVALID_ARGUMENT',
        new RegExp(`^Expected options.${option} to be given, since .*${why}`),
      );
      read(config, 'self_attn.', given);
    }
    for (const type of ['clip', 'llava', 'gemma3']) {
      throwsHeed(
        () => read({ model_type: type, text_config: {} }, 'layers.0.'),
        'HEED_INVALID_ARGUMENT',
        'Expected options.prefix to say with text_model, language_model',
      );
    }
    const kinds = ['full_attention', 'chunked_attention'];
    throwsHeed(
      () => read({ model_type: 'gemma2', layer_types: kinds }, 'layers.0.'),
      'HEED_INVALID_ARGUMENT',
      'heed does not know the value "chunked_attention" of layer_types',
    );
  });

  it('is refused with values that make no sense', () => {
    const wrong: [object, string][] = [
      [{ model_type: 'mistral', sliding_window: 0 }, 'sliding_window to be a number of at least 1'],
      [{ model_type: 'mistral', sliding_window: 'yes' }, 'sliding_window to be a number'],
      [{ model_type: 'mistral', sliding_window: 2.5 }, 'sliding_window to be an integer'],
      [{ model_type: 'bert', is_decoder: 1 }, 'is_decoder to be true or false'],
      [{ model_type: 'llama', rope_scaling: 'linear' }, 'rope_scaling to be an object'],
      [
        { model_type: 'llama', partial_rotary_factor: 2 },
        'partial_rotary_factor to be a number greater than 0',
      ],
      [{ model_type: 'gemma2', layer_types: 'full' }, 'layer_types to be a list'],
      [{ model_type: 'gemma2', query_pre_attn_scalar: 0 }, 'query_pre_attn_scalar to be a positive number'],
      [{ model_type: 'smollm3', no_rope_layers: [1, 2, 3, 4] }, 'no_rope_layers to be a list of 0 and 1'],
      [
        { model_type: 'smollm3', no_rope_layers: [1, 0] },
        'no_rope_layers to be a list with an element for layer 3',
      ],
      [{ model_type: 'bloom', n_head: 4, num_attention_heads: 8 }, 'num_attention_heads to equal n_head'],
      [{ model_type: 'bloom', n_head: 0 }, 'num_attention_heads to be'],
      [{ model_type: 'llava', text_config: 7 }, 'text_config to be an object'],
      [{ model_type: 'phi', hidden_size: null }, 'hidden_size to be a number, received null'],
      [{ model_type: 'llama', num_attention_heads: null }, 'options.heads'],
      [{ model_type: 'llama', rms_norm_eps: null }, 'options.normEpsilon'],
    ];
    for (const [config, message] of wrong) {
      throwsHeed(
        () => read(config, 'language_model.layers.3.'),
        'HEED_MALFORMED_FILE',
        new RegExp(`^Malformed file config\\.json: .*${message}`),
      );
    }
    const hostile = JSON.parse('{"model_type": "bert", "__proto__": {"num_attention_heads": 3}}');
    assert.equal(read(hostile, '').options.heads, 12);
  });

  it('is of the types that the guide lists', () => {
    const guide = readFileSync(join(packageRoot, 'docs/guides/layers.md'), 'utf8');
    const list = guide.split('heed knows\n\n')[1].split('\n\n')[0];
    const known = [...families.flatMap(({ modelTypes }) => modelTypes), ...Object.keys(composites)];
    assert.deepEqual([...new Set(list.match(/(?<=`)[\w-]+(?=`)/g))].sort(), known.sort());
  });
});

/** Fields without an effect on attention, or whose effect the tensors show. */
const withoutEffect = new Set([
  ...['architectures', 'attention_dropout', 'bos_token_id', 'hidden_act', 'initializer_range'],
  ...[
    'num_hidden_layers',
    'torch_dtype',
    'transformers_version',
    'use_cache',
    'vocab_size',
    'pretraining_tp',
  ],
  ...['attention_bias', 'qkv_bias', 'enable_bias', 'mlp_bias', 'bias', 'lm_head_bias', 'parallel_attn'],
  ...[
    'layer_norm_eps',
    'layer_norm_epsilon',
    'deterministic_flash_attn',
    'sinusoidal_pos_embds',
    'pooler_num_attention_heads',
  ],
  ...['image_size', 'projection_dim', 'logit_scale_init_value', 'logit_scale', 'logits_scaling', 'top_k'],
  ...['scale_embedding', 'max_source_positions', 'mask_time_length', 'n_ctx', 'n_positions', 'attn_pdrop'],
  ...['use_parallel_residual', 'attention_softmax_in_fp32', 'masked_softmax_fusion', 'offset_alibi'],
  ...['embedding_multiplier', 'residual_multiplier', 'final_logit_softcapping', 'mm_tokens_per_image'],
  ...[
    'cache_implementation',
    'tie_word_embeddings',
    'num_local_experts',
    'projector_hidden_act',
    'apply_residual_connection_post_layernorm',
  ],
  ...['norm_topk_prob', 'initial_context_length', 'swiglu_limit', 'finetuned'],
  ...['d_ff', 'num_layers', 'decoder_start_token_id', 'feed_forward_proj', 'is_encoder_decoder'],
  ...['dropout_rate', 'scalable_attention', 'learned_pos_emb', 'no_bias', 'attn_impl', 'embedding_size'],
  // Read only where something else of the file says so.
  ...['max_position_embeddings', 'original_max_position_embeddings', 'max_window_layers', 'vision_config'],
]);

/** Fields that a family knows, though the table's files lack them. */
function isKnown(type: unknown, name: string): boolean {
  const known: Record<string, readonly string[]> = {
    cohere: ['use_qk_norm'],
    falcon: ['alibi'],
    phi: ['qk_layernorm'],
    t5: ['relative_attention_num_buckets'],
    umt5: ['relative_attention_num_buckets'],
    granite: ['attention_multiplier'],
    gemma2: ['attn_logit_softcapping', 'query_pre_attn_scalar'],
    gemma3_text: ['query_pre_attn_scalar'],
  };
  return known[String(type)]?.includes(name) ?? false;
}

/** Numbers that were computed in another way differ in their last bits. */
function expectAlike(actual: object, expected: object, what: string): void {
  const round = (_: string, value: unknown) =>
    typeof value === 'number' ? Number(value.toPrecision(12)) : value;
  const plain = (value: object) => JSON.parse(JSON.stringify(value, round)) as unknown;
  assert.deepEqual(plain(actual), plain(expected), what);
}

interface Field {
  readonly path: readonly string[];
  readonly value: unknown;
}

/** All fields, and those of objects in them. */
function fieldsOf(object: object, above: readonly string[] = []): Field[] {
  return Object.entries(object).flatMap(([name, value]) => {
    const path = [...above, name];
    if (value === undefined || name === 'model_type') return [];
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? fieldsOf(value, path)
      : [{ path, value }];
  });
}

function replaced(object: object, [name, ...below]: readonly string[], value: unknown): object {
  const own = (object as Fields)[name];
  return { ...object, [name]: below.length === 0 ? value : replaced(own as object, below, value) };
}

/** Another value of the same kind; a field that says nothing gets one that says something. */
function altered(value: unknown, random: Random): unknown {
  if (value === null) return random.integer(2, 60);
  if (typeof value === 'boolean') return !value;
  if (typeof value === 'number') return value === 0 || value === 1 ? value + 0.5 : 2 * value;
  if (typeof value === 'string') return `${value}_${random.integer(2, 60)}`;
  return Array.isArray(value) ? value.map((element) => altered(element, random)) : value;
}
