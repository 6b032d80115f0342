/**
 * Small random models of every family: what they are, for the plain reference, and the folder that stands for them. Names of
 * tensors and fields are those that transformers writes, put down here a second time.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { save } from '../../lib/safetensors.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import type { Random } from '../support/random.js';
import type { PlainAttention, PlainBlock, PlainMap, PlainModel, PlainNorm, Rows } from './plain-model.js';

/** @param vocabulary how many tokens; default: a few */
export type MakeModel = (random: Random, vocabulary?: number) => RandomModel;

export interface RandomModel {
  readonly plain: PlainModel;
  readonly config: Readonly<Record<string, unknown>>;
  readonly tensors: Readonly<Record<string, Tensor>>;
  readonly vocabulary: number;
}

/** Writes a model as it would be found, in one file or in several with an index. */
export async function writeModel(
  folder: string,
  { config, tensors }: Pick<RandomModel, 'config' | 'tensors'>,
  files = 1,
): Promise<string> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  if (files === 1) {
    await save(join(folder, 'model.safetensors'), tensors);
    return folder;
  }
  const map: Record<string, string> = {};
  const names = Object.keys(tensors);
  for (let file = 0; file < files; file++) {
    const name = `model-${file + 1}-of-${files}.safetensors`;
    const own = names.filter((_, i) => i % files === file);
    for (const tensor of own) map[tensor] = name;
    await save(join(folder, name), Object.fromEntries(own.map((tensor) => [tensor, tensors[tensor]])));
  }
  await writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }));
  return folder;
}

/** Random parts, whose numbers are exactly those of float32. */
class Parts {
  constructor(readonly random: Random) {}

  vector(length: number, deviation: number, mean = 0): Float64Array {
    return Float64Array.from({ length }, () => Math.fround(mean + deviation * this.random.normal()));
  }

  rows(count: number, width: number, deviation = 1): Rows {
    return Array.from({ length: count }, () => this.vector(width, deviation));
  }

  map(columns: number, inner: number, hasBias: boolean): PlainMap {
    return {
      weight: this.rows(columns, inner, 1 / Math.sqrt(inner)),
      ...(hasBias && { bias: this.vector(columns, 0.3) }),
    };
  }

  norm(width: number, style: Pick<PlainNorm, 'type' | 'epsilon' | 'offset'>): PlainNorm {
    return {
      ...style,
      weight: this.vector(width, 0.2, 1 - style.offset),
      ...(style.type === 'layer' && { bias: this.vector(width, 0.2) }),
    };
  }
}

function matrix({ weight }: PlainMap, transposed = false): Tensor {
  const rows = transposed ? weight[0].length : weight.length;
  const columns = transposed ? weight.length : weight[0].length;
  const at = (row: number, column: number) => (transposed ? weight[column][row] : weight[row][column]);
  return new Tensor(
    Float32Array.from({ length: rows * columns }, (_, i) => at(Math.floor(i / columns), i % columns)),
    [rows, columns],
  );
}

const vector = (numbers: Float64Array) => new Tensor(Float32Array.from(numbers), [numbers.length]);
const table = (weight: Rows) => matrix({ weight });

/** One under the other. */
function joined(...maps: PlainMap[]): PlainMap {
  const biases = maps.flatMap(({ bias }) => (bias ? [...bias] : []));
  return {
    weight: maps.flatMap(({ weight }) => weight),
    ...(biases.length > 0 && { bias: Float64Array.from(biases) }),
  };
}

class Names {
  readonly tensors: Record<string, Tensor> = {};

  constructor(readonly root: string) {}

  map(name: string, map: PlainMap, transposed = false): void {
    this.tensors[`${this.root}${name}.weight`] = matrix(map, transposed);
    if (map.bias) this.tensors[`${this.root}${name}.bias`] = vector(map.bias);
  }

  norm(name: string, norm: PlainNorm | undefined, formerly = false): void {
    if (norm === undefined) throw new TypeError(`no norm for ${name}`);
    this.tensors[`${this.root}${name}.${formerly ? 'gamma' : 'weight'}`] = vector(norm.weight);
    if (norm.bias) this.tensors[`${this.root}${name}.${formerly ? 'beta' : 'bias'}`] = vector(norm.bias);
  }

  table(name: string, rows: Rows): void {
    this.tensors[`${this.root}${name}.weight`] = table(rows);
  }
}

interface Sizes {
  readonly vocabulary: number;
  readonly embed: number;
  readonly inner: number;
  readonly layers: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly width: number;
  readonly longest: number;
}

function sizesOf(
  random: Random,
  { grouped = true, ownWidth = false }: Pick<Traits, 'grouped' | 'ownWidth'>,
  vocabulary = random.integer(20, 60),
): Sizes {
  const keyValueHeads = random.integer(1, 3);
  const heads = keyValueHeads * (grouped ? random.integer(1, 3) : 1);
  const width = 2 * random.integer(2, 8);
  return {
    vocabulary,
    embed: ownWidth ? 4 * random.integer(4, 9) : heads * width,
    inner: random.integer(10, 50),
    layers: random.integer(2, 4),
    ...{ heads, keyValueHeads, width },
    longest: random.integer(40, 60),
  };
}

const fieldsOf = ({ vocabulary, embed, inner, layers, heads, longest }: Sizes) => ({
  vocab_size: vocabulary,
  hidden_size: embed,
  intermediate_size: inner,
  num_hidden_layers: layers,
  num_attention_heads: heads,
  max_position_embeddings: longest,
});

interface Traits {
  readonly grouped?: boolean;
  readonly ownWidth?: boolean;
  readonly biases?: readonly ('attention' | 'output' | 'feed-forward')[];
  readonly offset?: number;
  readonly headNorms?: 'each' | 'together';
  readonly norms: 'before' | 'after' | 'both';
  readonly fused?: boolean;
  readonly activation?: 'silu' | 'gelu-tanh';
  readonly scaled?: boolean;
  readonly tied?: boolean;
  /** The traits of a layer, and the fields that say them. */
  readonly extra?: (
    sizes: Sizes,
    random: Random,
  ) => {
    readonly fields?: Readonly<Record<string, unknown>>;
    readonly softcap?: number;
    readonly layer?: (index: number) => Partial<PlainAttention>;
  };
}

/** Llama, and what has descended from it. */
function llamaLike(modelType: string, traits: Traits): MakeModel {
  return (random, given) => {
    const parts = new Parts(random);
    const sizes = sizesOf(random, traits, given);
    const { vocabulary, embed, inner, heads, keyValueHeads, width } = sizes;
    const epsilon = random.pick([1e-6, 1e-5, 1e-3]);
    const theta = random.pick([100, 10_000, 500_000]);
    const style = { type: 'rms', epsilon, offset: traits.offset ?? 0 } as const;
    const { fields, softcap = 0, layer } = traits.extra?.(sizes, random) ?? {};
    const has = (part: 'attention' | 'output' | 'feed-forward') => traits.biases?.includes(part) ?? false;
    const isTied = traits.tied ?? random.chance(0.5);
    const normFor = (where: 'before' | 'after') =>
      traits.norms === where || traits.norms === 'both' ? parts.norm(embed, style) : undefined;
    const headNorm = (count: number) =>
      traits.headNorms && parts.norm(traits.headNorms === 'each' ? width : count * width, style);
    const blocks = Array.from({ length: sizes.layers }, (_, i): PlainBlock => {
      const [queryNorm, keyNorm] = [headNorm(heads), headNorm(keyValueHeads)];
      return {
        attention: {
          query: parts.map(heads * width, embed, has('attention')),
          key: parts.map(keyValueHeads * width, embed, has('attention')),
          value: parts.map(keyValueHeads * width, embed, has('attention')),
          output: parts.map(embed, heads * width, has('output')),
          ...{ heads, keyValueHeads, causal: true, window: undefined, softcap: 0, theta },
          scale: 1 / Math.sqrt(width),
          ...(queryNorm && keyNorm && { queryNorm, keyNorm }),
          ...layer?.(i),
        },
        gate: parts.map(inner, embed, has('feed-forward')),
        up: parts.map(inner, embed, has('feed-forward')),
        down: parts.map(embed, inner, has('feed-forward')),
        activation: traits.activation ?? 'silu',
        before: [normFor('before'), normFor('before')],
        after: [normFor('after'), normFor('after')],
        ofSum: [],
      };
    });
    const tokens = parts.rows(vocabulary, embed);
    const head = isTied ? tokens : parts.rows(vocabulary, embed, 1 / Math.sqrt(embed));
    const lastNorm = parts.norm(embed, style);

    const names = new Names('model.');
    names.table('embed_tokens', tokens);
    names.norm('norm', lastNorm);
    blocks.forEach((block, i) => {
      const { query, key, value, output, queryNorm, keyNorm } = block.attention;
      const own = `layers.${i}.`;
      if (traits.fused) names.map(`${own}self_attn.qkv_proj`, joined(query, key, value));
      else {
        names.map(`${own}self_attn.q_proj`, query);
        names.map(`${own}self_attn.k_proj`, key);
        names.map(`${own}self_attn.v_proj`, value);
      }
      names.map(`${own}self_attn.o_proj`, output);
      if (queryNorm) names.norm(`${own}self_attn.q_norm`, queryNorm);
      if (keyNorm) names.norm(`${own}self_attn.k_norm`, keyNorm);
      const { gate, up, down } = block;
      if (traits.fused) names.map(`${own}mlp.gate_up_proj`, joined(gate as PlainMap, up));
      else {
        names.map(`${own}mlp.gate_proj`, gate as PlainMap);
        names.map(`${own}mlp.up_proj`, up);
      }
      names.map(`${own}mlp.down_proj`, down);
      if (block.before[0]) names.norm(`${own}input_layernorm`, block.before[0]);
      if (block.after[0]) names.norm(`${own}post_attention_layernorm`, block.after[0]);
      const second = block.after[1] ? 'pre_feedforward_layernorm' : 'post_attention_layernorm';
      if (block.before[1]) names.norm(own + second, block.before[1]);
      if (block.after[1]) names.norm(`${own}post_feedforward_layernorm`, block.after[1]);
    });
    if (!isTied) names.tensors['lm_head.weight'] = table(head);
    const config = {
      model_type: modelType,
      ...fieldsOf(sizes),
      num_key_value_heads: keyValueHeads,
      rms_norm_eps: epsilon,
      rope_theta: theta,
      tie_word_embeddings: isTied,
      ...(traits.ownWidth && { head_dim: width }),
      ...(!modelType.startsWith('gemma') && { hidden_act: 'silu' }),
      ...fields,
    };
    const plain = {
      ...{ tokens, blocks, lastNorm, head, softcap, firstPosition: 0 },
      scale: traits.scaled ? Math.sqrt(embed) : 1,
    };
    return { plain, config, tensors: names.tensors, vocabulary };
  };
}

function gpt2(random: Random, given?: number): RandomModel {
  const parts = new Parts(random);
  const sizes = sizesOf(random, { grouped: false }, given);
  const { vocabulary, embed, inner, heads, width, layers, longest } = sizes;
  const style = { type: 'layer', epsilon: 1e-5, offset: 0 } as const;
  const blocks = Array.from(
    { length: layers },
    (): PlainBlock => ({
      attention: {
        query: parts.map(embed, embed, true),
        key: parts.map(embed, embed, true),
        value: parts.map(embed, embed, true),
        output: parts.map(embed, embed, true),
        ...{ heads, keyValueHeads: heads, causal: true, window: undefined, softcap: 0, theta: undefined },
        scale: 1 / Math.sqrt(width),
      },
      up: parts.map(inner, embed, true),
      down: parts.map(embed, inner, true),
      activation: 'gelu-tanh',
      before: [parts.norm(embed, style), parts.norm(embed, style)],
      after: [],
      ofSum: [],
    }),
  );
  const tokens = parts.rows(vocabulary, embed);
  const positions = parts.rows(longest, embed, 0.5);
  const lastNorm = parts.norm(embed, style);

  const names = new Names(random.pick(['', 'transformer.']));
  names.table('wte', tokens);
  names.table('wpe', positions);
  names.norm('ln_f', lastNorm);
  blocks.forEach(({ attention: { query, key, value, output }, up, down, before }, i) => {
    names.map(`h.${i}.attn.c_attn`, joined(query, key, value), true);
    names.map(`h.${i}.attn.c_proj`, output, true);
    names.map(`h.${i}.mlp.c_fc`, up, true);
    names.map(`h.${i}.mlp.c_proj`, down, true);
    names.norm(`h.${i}.ln_1`, before[0]);
    names.norm(`h.${i}.ln_2`, before[1]);
  });
  const config = {
    model_type: 'gpt2',
    ...{ vocab_size: vocabulary, n_embd: embed, n_head: heads, n_inner: inner, n_layer: layers },
    ...{ n_positions: longest, activation_function: 'gelu_new' },
  };
  const plain = { tokens, scale: 1, positions, firstPosition: 0, blocks, lastNorm, head: tokens, softcap: 0 };
  return { plain, config, tensors: names.tensors, vocabulary };
}

/** What encoders with norms of sums have in common. */
function encoder(
  random: Random,
  { types, mapped, groups }: { types: boolean; mapped?: boolean; groups?: number },
  given: number | undefined,
) {
  const parts = new Parts(random);
  const drawn = sizesOf(random, { grouped: false }, given);
  // Blocks that share their weights.
  const sizes = groups === undefined ? drawn : { ...drawn, layers: groups * random.integer(1, 3) };
  const { vocabulary, embed, inner, heads, width, layers, longest } = sizes;
  const style = { type: 'layer', epsilon: 1e-12, offset: 0 } as const;
  const own = mapped ? 4 * random.integer(2, 8) : embed;
  const made = Array.from(
    { length: groups ?? layers },
    (): PlainBlock => ({
      attention: {
        query: parts.map(embed, embed, true),
        key: parts.map(embed, embed, true),
        value: parts.map(embed, embed, true),
        output: parts.map(embed, embed, true),
        ...{ heads, keyValueHeads: heads, causal: false, window: undefined, softcap: 0, theta: undefined },
        scale: 1 / Math.sqrt(width),
      },
      up: parts.map(inner, embed, true),
      down: parts.map(embed, inner, true),
      activation: 'gelu',
      before: [],
      after: [],
      ofSum: [parts.norm(embed, style), parts.norm(embed, style)],
    }),
  );
  const kinds = types ? parts.rows(2, own, 0.5) : undefined;
  const plain = {
    tokens: parts.rows(vocabulary, own),
    scale: 1,
    positions: parts.rows(longest, own, 0.5),
    firstPosition: 0,
    ...(kinds && { type: kinds[0] }),
    norm: parts.norm(own, style),
    ...(mapped && { map: parts.map(embed, own, true) }),
    blocks: Array.from({ length: layers }, (_, i) => made[Math.floor((i * made.length) / layers)]),
    softcap: 0,
  } satisfies PlainModel;
  return { plain, sizes, made, kinds, own };
}

function bert(modelType: 'bert' | 'roberta'): MakeModel {
  return (random, given) => {
    const { plain, sizes, made, kinds } = encoder(random, { types: true }, given);
    const padding = modelType === 'roberta' ? random.integer(0, 3) : 0;
    const formerly = modelType === 'bert' && random.chance(0.5);
    const names = new Names(random.pick(['', `${modelType}.`]));
    names.table('embeddings.word_embeddings', plain.tokens);
    names.table('embeddings.position_embeddings', plain.positions);
    names.table('embeddings.token_type_embeddings', kinds as Rows);
    names.norm('embeddings.LayerNorm', plain.norm, formerly);
    made.forEach(({ attention: { query, key, value, output }, up, down, ofSum }, i) => {
      const layer = `encoder.layer.${i}`;
      names.map(`${layer}.attention.self.query`, query);
      names.map(`${layer}.attention.self.key`, key);
      names.map(`${layer}.attention.self.value`, value);
      names.map(`${layer}.attention.output.dense`, output);
      names.norm(`${layer}.attention.output.LayerNorm`, ofSum[0], formerly);
      names.map(`${layer}.intermediate.dense`, up);
      names.map(`${layer}.output.dense`, down);
      names.norm(`${layer}.output.LayerNorm`, ofSum[1], formerly);
    });
    // What reads the first token's row: nothing depends on it.
    names.map('pooler.dense', { weight: plain.tokens });
    const config = {
      model_type: modelType,
      ...fieldsOf(sizes),
      ...{ hidden_act: 'gelu', layer_norm_eps: 1e-12, type_vocab_size: 2, pad_token_id: padding },
    };
    return {
      plain: { ...plain, firstPosition: modelType === 'roberta' ? padding + 1 : 0 },
      config,
      tensors: names.tensors,
      vocabulary: sizes.vocabulary,
    };
  };
}

function distilbert(random: Random, given?: number): RandomModel {
  const { plain, sizes, made } = encoder(random, { types: false }, given);
  const names = new Names(random.pick(['', 'distilbert.']));
  names.table('embeddings.word_embeddings', plain.tokens);
  names.table('embeddings.position_embeddings', plain.positions);
  names.norm('embeddings.LayerNorm', plain.norm);
  made.forEach(({ attention: { query, key, value, output }, up, down, ofSum }, i) => {
    const layer = `transformer.layer.${i}`;
    names.map(`${layer}.attention.q_lin`, query);
    names.map(`${layer}.attention.k_lin`, key);
    names.map(`${layer}.attention.v_lin`, value);
    names.map(`${layer}.attention.out_lin`, output);
    names.norm(`${layer}.sa_layer_norm`, ofSum[0]);
    names.map(`${layer}.ffn.lin1`, up);
    names.map(`${layer}.ffn.lin2`, down);
    names.norm(`${layer}.output_layer_norm`, ofSum[1]);
  });
  const { vocabulary, embed, inner, heads, layers, longest } = sizes;
  const config = {
    model_type: 'distilbert',
    ...{ vocab_size: vocabulary, dim: embed, hidden_dim: inner, n_heads: heads, n_layers: layers },
    ...{ max_position_embeddings: longest, activation: 'gelu', tie_weights_: true },
  };
  return { plain, config, tensors: names.tensors, vocabulary };
}

function albert(random: Random, given?: number): RandomModel {
  const groups = random.integer(1, 2);
  const { plain, sizes, made, kinds, own } = encoder(random, { types: true, mapped: true, groups }, given);
  const names = new Names(random.pick(['', 'albert.']));
  names.table('embeddings.word_embeddings', plain.tokens);
  names.table('embeddings.position_embeddings', plain.positions);
  names.table('embeddings.token_type_embeddings', kinds as Rows);
  names.norm('embeddings.LayerNorm', plain.norm);
  names.map('encoder.embedding_hidden_mapping_in', plain.map as PlainMap);
  made.forEach(({ attention: { query, key, value, output }, up, down, ofSum }, i) => {
    const layer = `encoder.albert_layer_groups.${i}.albert_layers.0`;
    names.map(`${layer}.attention.query`, query);
    names.map(`${layer}.attention.key`, key);
    names.map(`${layer}.attention.value`, value);
    names.map(`${layer}.attention.dense`, output);
    names.norm(`${layer}.attention.LayerNorm`, ofSum[0]);
    names.map(`${layer}.ffn`, up);
    names.map(`${layer}.ffn_output`, down);
    names.norm(`${layer}.full_layer_layer_norm`, ofSum[1]);
  });
  const config = {
    model_type: 'albert',
    ...fieldsOf(sizes),
    ...{ embedding_size: own, num_hidden_groups: groups, inner_group_num: 1, hidden_act: 'gelu' },
  };
  return { plain, config, tensors: names.tensors, vocabulary: sizes.vocabulary };
}

/** Every other layer, from the first on, attends a window; 'gemma3' alternates here, too, by its list of kinds. */
const slides = (index: number) => index % 2 === 0;

export const decoders: Readonly<Record<string, MakeModel>> = {
  llama: llamaLike('llama', { norms: 'before' }),
  'llama with biases': llamaLike('llama', {
    norms: 'before',
    biases: ['attention', 'output', 'feed-forward'],
    extra: () => ({ fields: { attention_bias: true, mlp_bias: true } }),
  }),
  mistral: llamaLike('mistral', {
    norms: 'before',
    ownWidth: true,
    extra: (_, random) => {
      const window = random.integer(1, 9);
      return { fields: { sliding_window: window }, layer: () => ({ window }) };
    },
  }),
  qwen2: llamaLike('qwen2', {
    norms: 'before',
    biases: ['attention'],
    extra: () => ({ fields: { use_sliding_window: false, sliding_window: 4 } }),
  }),
  qwen3: llamaLike('qwen3', { norms: 'before', ownWidth: true, headNorms: 'each' }),
  phi3: llamaLike('phi3', { norms: 'before', fused: true }),
  olmo2: llamaLike('olmo2', { norms: 'after', headNorms: 'together' }),
  gemma2: llamaLike('gemma2', {
    ...{ norms: 'both', offset: 1, ownWidth: true, activation: 'gelu-tanh', scaled: true, tied: true },
    extra: (_, random) => {
      const [window, cap, scalar] = [random.integer(1, 6), random.uniform(1, 5), random.uniform(2, 30)];
      const softcap = random.uniform(1, 5);
      return {
        fields: {
          ...{ sliding_window: window, attn_logit_softcapping: cap, query_pre_attn_scalar: scalar },
          ...{ final_logit_softcapping: softcap, hidden_activation: 'gelu_pytorch_tanh' },
        },
        softcap,
        layer: (index) => ({
          softcap: cap,
          scale: 1 / Math.sqrt(scalar),
          ...(slides(index) && { window }),
        }),
      };
    },
  }),
  gemma3_text: llamaLike('gemma3_text', {
    ...{ norms: 'both', offset: 1, ownWidth: true, activation: 'gelu-tanh', scaled: true, tied: true },
    headNorms: 'each',
    extra: ({ layers }, random) => {
      const [window, scalar] = [random.integer(1, 6), random.uniform(2, 30)];
      const [theta, local] = [random.pick([1000, 1e6]), random.pick([50, 10_000])];
      return {
        fields: {
          ...{ sliding_window: window, query_pre_attn_scalar: scalar },
          ...{ rope_theta: theta, rope_local_base_freq: local, hidden_activation: 'gelu_pytorch_tanh' },
          layer_types: Array.from({ length: layers }, (_, i) =>
            slides(i) ? 'sliding_attention' : 'full_attention',
          ),
        },
        layer: (index) => ({
          scale: 1 / Math.sqrt(scalar),
          ...(slides(index) ? { window, theta: local } : { theta }),
        }),
      };
    },
  }),
  gpt2,
};

export const encoders: Readonly<Record<string, MakeModel>> = {
  bert: bert('bert'),
  roberta: bert('roberta'),
  distilbert,
  albert,
};

/** @param most of the tokens; at least 1 */
export function randomTokens(random: Random, vocabulary: number, most: number): number[] {
  return Array.from({ length: random.integer(1, most) }, () => random.integer(0, vocabulary - 1));
}
