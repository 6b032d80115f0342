import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type LoadOptions,
  MultiHeadAttention,
  type MultiHeadAttentionOptions,
} from '../../lib/multi-head-attention/multi-head-attention.js';
import { save } from '../../lib/safetensors.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { expectSameBits } from '../support/compare.js';
import { Random } from '../support/random.js';
import { rejectsHeed } from '../support/rejects.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { randomWeights } from './random-layer.js';

const embed = 24;
const prefix = 'model.layers.1.self_attn.';

describe('MultiHeadAttention.load of a model', () => {
  const pathOf = temporaryDirectory();
  const random = new Random('MultiHeadAttention.load of a model');
  const weights = randomWeights(random, {
    heads: 4,
    keyValueHeads: 2,
    width: 8,
    embed,
    biases: false,
    norms: true,
  });
  const parts = {
    q_proj: 'query',
    k_proj: 'key',
    v_proj: 'value',
    o_proj: 'output',
    q_norm: 'queryNorm',
    k_norm: 'keyNorm',
  };
  const tensors = Object.fromEntries(
    Object.entries(parts).map(([name, part]) => [
      `${prefix}${name}.weight`,
      weights[part as keyof typeof weights]?.weight as Tensor,
    ]),
  );
  const input = random.tensor('float32', [2, 9, embed]);
  let count = 0;

  async function directory(config?: unknown): Promise<string> {
    const path = pathOf(`model-${count++}`);
    await mkdir(path);
    await save(join(path, 'model.safetensors'), tensors);
    if (config !== undefined) {
      await writeFile(
        join(path, 'config.json'),
        typeof config === 'string' ? config : JSON.stringify(config),
      );
    }
    return path;
  }

  const llama = {
    model_type: 'llama',
    hidden_size: embed,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: 8,
    rms_norm_eps: 1e-3,
    rope_theta: 500,
    max_position_embeddings: 6,
    rope_scaling: null,
    sliding_window: 3,
  };
  const plain = { heads: 4, keyValueHeads: 2, normEpsilon: 1e-3, causal: true, rotary: { theta: 500 } };
  const { rope_theta: _, ...renewed } = llama;

  const configurations: [string, object, MultiHeadAttentionOptions][] = [
    ['Llama', llama, plain],
    ['Mistral', { ...llama, model_type: 'mistral' }, { ...plain, window: { left: 2 } }],
    ['Mistral without a window', { ...llama, model_type: 'mistral', sliding_window: null }, plain],
    ['Qwen3', { ...llama, model_type: 'qwen3', use_sliding_window: false }, plain],
    [
      'Phi-3, which rotates a part of each head',
      { ...llama, model_type: 'phi3', partial_rotary_factor: 0.5, sliding_window: 100 },
      { ...plain, window: { left: 99 }, rotary: { theta: 500, dims: 4 } },
    ],
    [
      'linear scaling',
      { ...llama, rope_scaling: { type: 'linear', factor: 4 } },
      { ...plain, rotary: { theta: 500, scaling: { type: 'linear', factor: 4 } } },
    ],
    [
      'dynamic scaling',
      { ...llama, rope_scaling: { rope_type: 'dynamic', factor: 2 } },
      {
        ...plain,
        rotary: { theta: 500, scaling: { type: 'dynamic', factor: 2, originalMaxPositionEmbeddings: 6 } },
      },
    ],
    [
      'YaRN',
      {
        ...llama,
        rope_scaling: {
          rope_type: 'yarn',
          factor: 4,
          original_max_position_embeddings: 20,
          beta_fast: 8,
          mscale_all_dim: null,
        },
      },
      {
        ...plain,
        rotary: {
          theta: 500,
          scaling: { type: 'yarn', factor: 4, originalMaxPositionEmbeddings: 20, betaFast: 8 },
        },
      },
    ],
    [
      'Llama 3.1, as newer files have it',
      {
        ...renewed,
        rope_parameters: {
          rope_type: 'llama3',
          rope_theta: 500,
          factor: 8,
          low_freq_factor: 1,
          high_freq_factor: 4,
          original_max_position_embeddings: 64,
        },
      },
      {
        ...plain,
        rotary: {
          theta: 500,
          scaling: {
            type: 'llama3',
            factor: 8,
            lowFreqFactor: 1,
            highFreqFactor: 4,
            originalMaxPositionEmbeddings: 64,
          },
        },
      },
    ],
    [
      'no scaling, as newer files have it',
      { ...renewed, rope_parameters: { rope_type: 'default', rope_theta: 500 } },
      plain,
    ],
  ];
  for (const [what, config, options] of configurations) {
    it(`takes from config.json what it says of ${what}`, async () => {
      using loaded = await MultiHeadAttention.load(await directory(config), { prefix });
      using expected = new MultiHeadAttention(weights, options);
      expectSameBits(await loaded.forward(input), await expected.forward(input));
    });
  }

  it('knows the heads and masks of BERT and GPT-2', async () => {
    const square = randomWeights(random, { heads: 3, width: 8, embed });
    const own = {
      'query.weight': square.query.weight as Tensor,
      'key.weight': square.key.weight as Tensor,
      'value.weight': square.value.weight as Tensor,
    };
    const bare = {
      query: { weight: square.query.weight },
      key: { weight: square.key.weight },
      value: { weight: square.value.weight },
    };
    for (const [config, causal] of [
      [{ model_type: 'bert', num_attention_heads: 3 }, false],
      [{ model_type: 'gpt2', n_head: 3 }, true],
    ] as const) {
      const path = await directory(config);
      await save(join(path, 'model.safetensors'), own);
      using loaded = await MultiHeadAttention.load(path);
      using expected = new MultiHeadAttention(bare, { heads: 3, causal });
      expectSameBits(await loaded.forward(input), await expected.forward(input));
    }
  });

  it('lets options win over config.json', async () => {
    const options = {
      causal: false,
      rotary: { interleaved: true },
      normEpsilon: 0.1,
      softcap: 2,
      window: { left: 4 },
    };
    using loaded = await MultiHeadAttention.load(await directory(llama), { ...options, prefix });
    using expected = new MultiHeadAttention(weights, { ...plain, ...options });
    expectSameBits(await loaded.forward(input), await expected.forward(input));
  });

  it('does not look for config.json when it is given a file', async () => {
    const path = join(await directory(llama), 'model.safetensors');
    using loaded = await MultiHeadAttention.load(path, { heads: 4, keyValueHeads: 2, prefix });
    using expected = new MultiHeadAttention(weights, { heads: 4, keyValueHeads: 2 });
    expectSameBits(await loaded.forward(input), await expected.forward(input));
    await rejectsHeed(
      () => MultiHeadAttention.load(path, { prefix }),
      'HEED_INVALID_ARGUMENT',
      'options.heads',
    );
  });

  it('reads a layer from the shards that have it', async () => {
    const path = pathOf('sharded');
    await mkdir(path);
    const names = Object.keys(tensors);
    const map: Record<string, string> = {};
    for (const [i, own] of [names.slice(0, 2), names.slice(2)].entries()) {
      const shard = `shard-${i}.safetensors`;
      await save(join(path, shard), Object.fromEntries(own.map((name) => [name, tensors[name]])));
      for (const name of own) map[name] = shard;
    }
    const index = join(path, 'model.safetensors.index.json');
    await writeFile(index, JSON.stringify({ metadata: {}, weight_map: map }));
    await writeFile(join(path, 'config.json'), JSON.stringify(llama));
    using whole = await MultiHeadAttention.load(path, { prefix });
    using expected = new MultiHeadAttention(weights, plain);
    expectSameBits(await whole.forward(input), await expected.forward(input));
    using alone = await MultiHeadAttention.load(index, { ...plain, prefix });
    expectSameBits(await alone.forward(input), await expected.forward(input));
    // What other layers need may be missing, what this one needs may not, be it optional as a bias is.
    const elsewhere = { 'model.layers.2.self_attn.q_proj.weight': 'missing.safetensors' };
    await writeFile(index, JSON.stringify({ weight_map: { ...map, ...elsewhere } }));
    using beside = await MultiHeadAttention.load(path, { prefix });
    expectSameBits(await beside.forward(input), await expected.forward(input));
    for (const optional of ['q_proj.bias', 'q_norm.weight']) {
      const needed = { ...map, [`${prefix}${optional}`]: 'missing.safetensors' };
      await writeFile(index, JSON.stringify({ weight_map: needed }));
      await rejectsHeed(
        () => MultiHeadAttention.load(path, { prefix }),
        'HEED_FILE_ERROR',
        `to hold "missing.safetensors", which ${index} names for "${prefix}${optional}"`,
      );
    }
    await writeFile(index, JSON.stringify({ metadata: {}, weight_map: map }));
    await rejectsHeed(
      () => MultiHeadAttention.load(index, { ...plain, prefix: 'model.layers.2.self_attn.' }),
      'HEED_UNKNOWN_TENSOR',
      `Expected ${index} to hold one of "model.layers.2.self_attn.query.weight" (heed)`,
    );
  });

  it('says what of a config.json it cannot follow, and takes an option instead', async () => {
    const refused: [object, string, LoadOptions][] = [
      [
        { ...llama, rope_scaling: { type: 'proportional' } },
        "options.rotary to be given, since heed does not support rotary scaling of type 'proportional' in ",
        { rotary: {} },
      ],
      [
        { ...llama, model_type: 'qwen3_moe', use_sliding_window: true },
        'options.window to be given, since versions of transformers disagree',
        { window: {} },
      ],
    ];
    for (const [config, message, instead] of refused) {
      const path = await directory(config);
      await rejectsHeed(
        () => MultiHeadAttention.load(path, { prefix }),
        'HEED_INVALID_ARGUMENT',
        `Expected ${message}`,
      );
      (await MultiHeadAttention.load(path, { ...instead, prefix })).dispose();
    }
  });

  it('reads what differs by layer for the layer that it loads', async () => {
    const config = {
      ...{ ...llama, model_type: 'smollm3', rope_theta: undefined, use_sliding_window: true },
      no_rope_layers: [0, 1],
      rope_parameters: { full_attention: { rope_type: 'linear', rope_theta: 700, factor: 4 } },
    };
    const path = await directory(config);
    const common = { heads: 4, keyValueHeads: 2, normEpsilon: 1e-3, causal: true };
    const full = { ...common, rotary: { theta: 700, scaling: { type: 'linear', factor: 4 } } } as const;
    const local = { ...common, window: { left: 2 } };
    for (const [index, options] of [local, full].entries()) {
      const own = `model.layers.${index}.self_attn.`;
      await save(
        join(path, 'model.safetensors'),
        Object.fromEntries(
          Object.entries(tensors).map(([name, tensor]) => [name.replace(prefix, own), tensor]),
        ),
      );
      using loaded = await MultiHeadAttention.load(path, { prefix: own });
      using expected = new MultiHeadAttention(weights, options);
      expectSameBits(await loaded.forward(input), await expected.forward(input));
    }
  });

  it('refuses a config.json that is of other heads than the tensors', async () => {
    for (const change of [{ num_attention_heads: 2 }, { head_dim: 4 }, { head_dim: null, hidden_size: 64 }]) {
      const path = await directory({ ...llama, ...change });
      await rejectsHeed(
        () => MultiHeadAttention.load(path, { prefix }),
        'HEED_SHAPE_MISMATCH',
        /^Expected the query's weight to have \d heads of \d+ rows, as .*config.json says, received dims \[32, 24\]/,
      );
      // Heads that the caller gives are the caller's.
      (await MultiHeadAttention.load(path, { prefix, heads: 4 })).dispose();
    }
  });

  it('says what a directory lacks', async () => {
    const empty = pathOf('empty');
    await mkdir(empty);
    for (const options of [{}, { heads: 4 }]) {
      await rejectsHeed(
        () => MultiHeadAttention.load(empty, options),
        'HEED_FILE_ERROR',
        `Expected the directory ${empty} to hold model.safetensors or model.safetensors.index.json, found no files`,
      );
    }
    const bare = await directory();
    await rejectsHeed(
      () => MultiHeadAttention.load(bare, { prefix }),
      'HEED_INVALID_ARGUMENT',
      `Expected options.heads to be given, since ${bare} has no config.json that says how many there are`,
    );
    const weightless = pathOf('weightless');
    await mkdir(weightless);
    await writeFile(join(weightless, 'config.json'), JSON.stringify(llama));
    await rejectsHeed(
      () => MultiHeadAttention.load(weightless, { prefix }),
      'HEED_FILE_ERROR',
      'to hold model.safetensors or model.safetensors.index.json, found "config.json"',
    );
  });

  it('refuses a config.json that makes no sense', async () => {
    const load = async (config: unknown, options: LoadOptions = {}) =>
      MultiHeadAttention.load(await directory(config), { prefix, ...options });
    await rejectsHeed(() => load('{'), 'HEED_MALFORMED_FILE', 'expected the configuration to be JSON');
    await rejectsHeed(
      () => load('[]'),
      'HEED_MALFORMED_FILE',
      'expected the configuration to start with "{"',
    );
    await rejectsHeed(
      () => load({ ...llama, num_attention_heads: 'four' }),
      'HEED_MALFORMED_FILE',
      /^Malformed file .*config\.json: Expected options\.heads to be an integer/,
    );
    await rejectsHeed(
      () => load({ ...llama, num_key_value_heads: 3 }),
      'HEED_MALFORMED_FILE',
      'options.keyValueHeads',
    );
    await rejectsHeed(
      () => load({ ...llama, rope_theta: -1 }),
      'HEED_MALFORMED_FILE',
      'options.rotary.theta',
    );
    await rejectsHeed(
      () => load({ ...llama, rope_scaling: { type: 'llama3', factor: 8 } }),
      'HEED_MALFORMED_FILE',
      'options.rotary.scaling.lowFreqFactor',
    );
    await rejectsHeed(
      () => load({ model_type: 'mamba' }),
      'HEED_INVALID_ARGUMENT',
      /Expected model_type in .*config\.json to be one of bert, .*, received 'mamba'/,
    );
    await rejectsHeed(() => load(undefined), 'HEED_INVALID_ARGUMENT', 'options.heads');
    assert.ok(await load(undefined, { heads: 4, keyValueHeads: 2 }));
  });
});
