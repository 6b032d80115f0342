import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  type CheckpointNaming,
  checkpointNamings,
  conventions,
} from '../../lib/multi-head-attention/checkpoint-conventions.js';
import {
  MultiHeadAttention,
  type MultiHeadAttentionOptions,
  type MultiHeadAttentionWeights,
} from '../../lib/multi-head-attention/multi-head-attention.js';
import { packageRoot } from '../../lib/package-root.js';
import { save } from '../../lib/safetensors.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import type { FloatType } from '../../lib/tensor/types.js';
import { entry, fileBytes } from '../safetensors/file-bytes.js';
import { expectClose, expectSameBits } from '../support/compare.js';
import { toNumbers } from '../support/numbers.js';
import { Random } from '../support/random.js';
import { rejectsHeed } from '../support/rejects.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import {
  type Naming,
  namings,
  partsOf,
  relativeBiasOf,
  sinksOf,
  stack,
  type Tensors,
  unrecognised,
} from './checkpoint-namings.js';
import { layerOracle } from './layer-oracle.js';
import { randomWeights } from './random-layer.js';

const embed = 24;
const heads = 4;

describe('MultiHeadAttention.load', () => {
  const pathOf = temporaryDirectory();
  const random = new Random('MultiHeadAttention.load');

  /** Weights of a layer whose maps are all square, as plain tensors by name. */
  function draw(type: FloatType = 'float32', { biases = true, contextEmbed = embed } = {}) {
    const weights = randomWeights(random, { type, heads, width: embed / heads, embed, contextEmbed, biases });
    return { weights, ...partsOf(weights) };
  }

  const ignored: Record<string, string[]> = {
    BERT: [
      'attention.output.LayerNorm.weight',
      'attention.output.LayerNorm.bias',
      'intermediate.dense.weight',
    ],
    ALBERT: ['LayerNorm.weight', 'LayerNorm.bias'],
    ViT: ['intermediate.dense.weight'],
    'GPT-2': ['bias', 'masked_bias'],
    'GPT-NeoX': ['bias', 'masked_bias', 'rotary_emb.inv_freq'],
    Llama: ['rotary_emb.inv_freq'],
    BART: ['bias', 'masked_bias'],
  };

  const withPrefix = (prefix: string, tensors: Tensors): Tensors =>
    Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [prefix + name, tensor]));

  async function write(tensors: Tensors): Promise<string> {
    const path = pathOf('layer');
    await save(path, tensors);
    return path;
  }

  for (const [naming, name] of Object.entries(namings) as [CheckpointNaming, Naming][]) {
    describe(`in the naming of ${naming}`, () => {
      const told = unrecognised.includes(naming) && { naming };
      const own = {
        ...(naming === 'gpt-oss' && { sinks: sinksOf(heads) }),
        ...(naming === 'T5' && { relativeBias: { weight: relativeBiasOf(heads) } }),
        ...(naming.startsWith('T5') && { scale: 1 }),
      };

      it('gives the layer that its weights give', async () => {
        for (const type of ['float32', 'bfloat16'] as const) {
          for (const biases of [true, false]) {
            const drawn = draw(type, { biases });
            const options: MultiHeadAttentionOptions = { heads, causal: true, scale: 0.3 };
            const path = await write(name(drawn, options));
            using loaded = await MultiHeadAttention.load(pathToFileURL(path), { ...options, ...told });
            using named = await MultiHeadAttention.load(path, { ...options, naming });
            using expected = new MultiHeadAttention(drawn.weights, { ...own, ...options });
            assert.equal(loaded.type, type);
            assert.equal(loaded.parameters, expected.parameters);
            const input = random.tensor(type, [2, 7, embed]);
            const output = await expected.forward(input);
            expectSameBits(await loaded.forward(input), output);
            expectSameBits(await named.forward(input), output);
          }
        }
      });

      it('is found behind its prefix, among other layers', async () => {
        const [one, two] = [draw(), draw()];
        const others = ignored[naming] ?? [];
        const path = await write({
          ...withPrefix('model.0.', name(one, { heads })),
          ...withPrefix('model.1.', name(two, { heads })),
          ...Object.fromEntries(others.map((other) => [`model.1.${other}`, Tensor.zeros('float32', [3])])),
          'embedding.weight': Tensor.zeros('float32', [3]),
        });
        using loaded = await MultiHeadAttention.load(path, { heads, prefix: 'model.1.', ...told });
        using expected = new MultiHeadAttention(two.weights, { heads, ...own });
        const input = random.tensor('float32', [1, 5, embed]);
        expectSameBits(await loaded.forward(input), await expected.forward(input));
      });

      it('is not loaded with a tensor missing', async () => {
        const tensors = name(draw(), { heads });
        for (const missing of Object.keys(tensors).filter((key) => key.toLowerCase().includes('weight'))) {
          const { [missing]: _, ...rest } = tensors;
          const path = await write(withPrefix('p.', rest));
          await rejectsHeed(
            () => MultiHeadAttention.load(path, { heads, prefix: 'p.', ...told }),
            'HEED_UNKNOWN_TENSOR',
            new RegExp(`Expected ${path} to hold "p\\.${missing}", in the naming of .*, found "p\\.`),
          );
        }
      });

      it('is not loaded with a tensor of its own that nobody reads', async () => {
        const scope = conventions.find((convention) => convention.name === naming)?.scope;
        const extra = `${scope}distance_embedding.weight`;
        const path = await write({ ...name(draw(), { heads }), [extra]: Tensor.zeros('float32', [embed]) });
        await rejectsHeed(
          () => MultiHeadAttention.load(path, { heads, ...told }),
          'HEED_UNKNOWN_TENSOR',
          `found also "${extra}"`,
        );
      });
    });
  }

  it('knows all namings', () => {
    assert.deepEqual(Object.keys(namings), [...checkpointNamings]);
  });

  it('is described by the guide to layers, naming by naming', () => {
    const bare = (names: (string | undefined)[]) =>
      [...new Set(names)]
        .filter((name) => name !== undefined)
        .map((name) => `\`${name.replace(/\.weight$/, '')}\``)
        .join(', ');
    const rows = conventions.map(
      ({ name, models, query, key, value, output, norms, sinks, relativeBias }) => {
        const maps = bare([query.weight, key.weight, value.weight]);
        const besides = bare([norms?.query.weight, norms?.key.weight, sinks, relativeBias]);
        return `| ${name} | ${maps} | ${bare([output.weight])} | ${besides} | ${models} |`;
      },
    );
    const guide = readFileSync(join(packageRoot, 'docs/guides/layers.md'), 'utf8');
    const [, table] = guide.split(
      '| naming | query, key, value | output | besides | found in |\n|---|---|---|---|---|\n',
    );
    assert.deepEqual(table.split('\n\n')[0].split('\n'), rows);
  });

  it('reads fused tensors of grouped heads in the order of their naming', async () => {
    for (const naming of ['timm', 'ModernBERT', 'Falcon', 'BLOOM', 'ChatGLM2', 'Phi-3'] as const) {
      for (const keyValueHeads of [1, 2, 4]) {
        const biases = random.chance(0.5);
        const sizes = { heads, keyValueHeads, width: random.integer(1, 9), embed, biases };
        const weights = randomWeights(random, sizes);
        const path = await write(namings[naming](partsOf(weights), { heads, keyValueHeads }));
        using loaded = await MultiHeadAttention.load(path, { heads, keyValueHeads, naming });
        using expected = new MultiHeadAttention(weights, { heads, keyValueHeads });
        const input = random.tensor('float32', [1, 5, embed]);
        expectSameBits(await loaded.forward(input), await expected.forward(input));
      }
    }
  });

  it('does not guess the order of rows from names that several models share', async () => {
    const path = await write(namings.BLOOM(draw(), { heads }));
    const choices =
      "Expected options.naming to be one of 'GPT-NeoX', 'BLOOM', 'Falcon' or 'ChatGLM2', which give their tensors the same names but order the rows of query_key_value.weight differently, received undefined";
    await rejectsHeed(() => MultiHeadAttention.load(path, { heads }), 'HEED_INVALID_ARGUMENT', choices);
    await rejectsHeed(
      () => MultiHeadAttention.load(path, { heads, naming: 'GLM' as 'ChatGLM2' }),
      'HEED_INVALID_ARGUMENT',
      /Expected options.naming to be 'heed', .* or '.*', received 'GLM'/,
    );
    await rejectsHeed(
      () => MultiHeadAttention.load(path, { heads, naming: 'Llama' }),
      'HEED_UNKNOWN_TENSOR',
      '"q_proj.weight", in the naming of Llama, found',
    );
  });

  it('takes biases where a checkpoint has them', async () => {
    // Whisper's keys have none.
    const { weights, ...parts } = draw();
    const { 'k_proj.bias': _, ...tensors } = namings.BART(parts, { heads });
    using loaded = await MultiHeadAttention.load(await write(tensors), { heads });
    using expected = new MultiHeadAttention({ ...weights, key: { weight: weights.key.weight } }, { heads });
    const input = random.tensor('float32', [1, 5, embed]);
    expectSameBits(await loaded.forward(input), await expected.forward(input));
  });

  describe('with norms', () => {
    const sizes = { heads, keyValueHeads: 2, width: 6, embed, biases: false };
    const options = { heads, keyValueHeads: 2, rotary: { theta: 100 }, normEpsilon: 1e-3, causal: true };

    async function expectNorms(
      naming: CheckpointNaming | undefined,
      tensors: (weights: MultiHeadAttentionWeights) => Tensors,
      norms: Pick<MultiHeadAttentionWeights, 'queryNorm' | 'keyNorm'>,
      type: FloatType = 'float32',
    ): Promise<void> {
      const weights = randomWeights(random, { ...sizes, type });
      const path = await write({
        ...namings[naming ?? 'Llama'](partsOf(weights), options),
        ...tensors(weights),
      });
      using loaded = await MultiHeadAttention.load(path, { ...options, ...(naming && { naming }) });
      const input = random.tensor(type, [2, 6, embed]);
      const { output } = layerOracle(type, { ...weights, ...norms }, options, input);
      expectClose(await loaded.forward(input), output, type === 'float32' ? 1e-5 : 2e-2);
    }
    const drawn = (...dims: number[]) => random.tensor('float32', dims);

    it('of all heads together, as OLMo 2 has them', async () => {
      const [query, key] = [drawn(heads * 6), drawn(2 * 6)];
      await expectNorms(undefined, () => ({ 'q_norm.weight': query, 'k_norm.weight': key }), {
        queryNorm: { weight: query, together: true },
        keyNorm: { weight: key, together: true },
      });
    });

    it('that multiply by 1 + weight, as in Gemma 3', async () => {
      for (const type of ['float32', 'bfloat16'] as const) {
        const [query, key] = [random.tensor(type, [6]), random.tensor(type, [6])];
        const plus = (tensor: Tensor) =>
          new Tensor(
            Float64Array.from(toNumbers(tensor), (element) => 1 + element),
            tensor.dims,
          );
        await expectNorms(
          'Gemma 3',
          () => ({ 'q_norm.weight': query, 'k_norm.weight': key }),
          { queryNorm: { weight: plus(query) }, keyNorm: { weight: plus(key) } },
          type,
        );
      }
    });

    it('that subtract the mean, with weights for each head, as in Command R+', async () => {
      const [query, key] = [drawn(heads, 6), drawn(2, 6)];
      const tensors = { 'q_norm.weight': query, 'k_norm.weight': key };
      await expectNorms('Cohere', () => tensors, {
        queryNorm: { weight: query, type: 'layer' },
        keyNorm: { weight: key, type: 'layer' },
      });
      const path = await write({
        ...namings.Llama(partsOf(randomWeights(random, sizes)), options),
        ...tensors,
      });
      await rejectsHeed(
        () => MultiHeadAttention.load(path, options),
        'HEED_SHAPE_MISMATCH',
        "Expected q_norm.weight to have 1 axis, in the naming of Llama, received dims [4, 6]; that of Command R+ is options.naming 'Cohere'",
      );
    });

    it('that subtract the mean and have a bias, as in Phi', async () => {
      const [query, key, queryBias, keyBias] = [drawn(6), drawn(6), drawn(6), drawn(6)];
      const tensors = {
        'q_layernorm.weight': query,
        'q_layernorm.bias': queryBias,
        'k_layernorm.weight': key,
        'k_layernorm.bias': keyBias,
      };
      await expectNorms('Phi-2', () => tensors, {
        queryNorm: { weight: query, bias: queryBias, type: 'layer' },
        keyNorm: { weight: key, bias: keyBias, type: 'layer' },
      });
      const { 'k_layernorm.weight': _, ...incomplete } = tensors;
      const parts = partsOf(randomWeights(random, sizes));
      const path = await write({ ...namings['Phi-2'](parts, options), ...incomplete });
      await rejectsHeed(
        () => MultiHeadAttention.load(path, options),
        'HEED_UNKNOWN_TENSOR',
        '"k_layernorm.weight", in the naming of Phi-2',
      );
    });
  });

  it('does not load one norm where another is missing, except in the naming of heed', async () => {
    const weights = randomWeights(random, { heads, embed, width: 6 });
    const norm = random.tensor('float32', [6]);
    for (const [naming, query, key] of [
      ['Llama', 'q_norm', 'k_norm'],
      ['Phi-2', 'q_layernorm', 'k_layernorm'],
    ] as const) {
      for (const [present, missing] of [
        [query, key],
        [key, query],
      ]) {
        const path = await write({
          ...namings[naming](partsOf(weights), { heads }),
          [`${present}.weight`]: norm,
        });
        await rejectsHeed(
          () => MultiHeadAttention.load(path, { heads }),
          'HEED_UNKNOWN_TENSOR',
          `to hold "${missing}.weight", in the naming of ${naming}, found`,
        );
      }
    }
    const path = await write({ ...namings.heed(partsOf(weights), { heads }), 'keyNorm.weight': norm });
    using loaded = await MultiHeadAttention.load(path, { heads });
    using expected = new MultiHeadAttention({ ...weights, keyNorm: { weight: norm } }, { heads });
    const input = random.tensor('float32', [1, 5, embed]);
    expectSameBits(await loaded.forward(input), await expected.forward(input));
  });

  it('reads the sinks of gpt-oss, unless it is given others', async () => {
    const weights = randomWeights(random, { heads, keyValueHeads: 2, embed });
    for (const type of ['float32', 'bfloat16'] as const) {
      const sinks = random.tensor(type, [heads]);
      const path = await write({ ...namings.Llama(partsOf(weights), { heads }), sinks });
      const options = { heads, keyValueHeads: 2, causal: true };
      const input = random.tensor('float32', [2, 5, embed]);
      using loaded = await MultiHeadAttention.load(path, options);
      const { output } = layerOracle('float32', weights, { ...options, sinks: toNumbers(sinks) }, input);
      expectClose(await loaded.forward(input), output, 1e-5);
      using other = await MultiHeadAttention.load(path, { ...options, sinks: [0, 0, 1, 1] });
      using expected = new MultiHeadAttention(weights, { ...options, sinks: [0, 0, 1, 1] });
      expectSameBits(await other.forward(input), await expected.forward(input));
    }
    const path = await write({
      ...namings.Llama(partsOf(weights), { heads }),
      sinks: random.tensor('float32', [heads + 1]),
    });
    await rejectsHeed(
      () => MultiHeadAttention.load(path, { heads, keyValueHeads: 2 }),
      'HEED_SHAPE_MISMATCH',
      'Expected sinks.dims to be [4], received [5]',
    );
  });

  it('reads the relative biases of T5 from the first block of the stack', async () => {
    const weights = randomWeights(random, { heads, embed, biases: false });
    const tensors = namings.T5(partsOf(weights), { heads });
    const name = 'SelfAttention.relative_attention_bias.weight';
    const { [name]: _, ...others } = tensors;
    const biases = {
      encoder: random.tensor('float32', [8, heads]),
      decoder: random.tensor('bfloat16', [6, heads]),
    };
    const path = await write({
      ...withPrefix('encoder.block.2.layer.0.', others),
      ...withPrefix('decoder.block.2.layer.0.', others),
      [`encoder.block.0.layer.0.${name}`]: biases.encoder,
      [`decoder.block.0.layer.0.${name}`]: biases.decoder,
      ...withPrefix('alone.layer.0.', others),
    });
    const input = random.tensor('float32', [2, 9, embed]);
    for (const [stack, causal] of [
      ['encoder', false],
      ['decoder', true],
    ] as const) {
      using loaded = await MultiHeadAttention.load(path, {
        heads,
        causal,
        prefix: `${stack}.block.2.layer.0.`,
      });
      const options = { heads, causal, scale: 1, relativeBias: { weight: biases[stack] } };
      const { output } = layerOracle('float32', weights, options, input);
      expectClose(await loaded.forward(input), output, 1e-5);
    }
    await rejectsHeed(
      () => MultiHeadAttention.load(path, { heads, prefix: 'alone.layer.0.' }),
      'HEED_UNKNOWN_TENSOR',
      `"alone.layer.0.${name}", in the naming of T5, unless options.relativeBias is given, found`,
    );
    const relativeBias = { weight: biases.encoder, maxDistance: 7 };
    using given = await MultiHeadAttention.load(path, {
      heads,
      prefix: 'alone.layer.0.',
      relativeBias,
      scale: 2,
    });
    using expected = new MultiHeadAttention(weights, { heads, relativeBias, scale: 2 });
    expectSameBits(await given.forward(input), await expected.forward(input));
  });

  it('loads grouped heads, norms and positions of Llama, Mistral, Qwen and Phi-3', async () => {
    const sizes = { heads, keyValueHeads: 2, width: 10, embed };
    const options = { heads, keyValueHeads: 2, rotary: { theta: 1e6 }, normEpsilon: 1e-5, causal: true };
    const weights = randomWeights(random, { ...sizes, biases: false, norms: true });
    const tensors: Tensors = {};
    for (const [name, part] of Object.entries({
      q_proj: 'query',
      k_proj: 'key',
      v_proj: 'value',
      o_proj: 'output',
    })) {
      tensors[`${name}.weight`] = weights[part as 'query'].weight as Tensor;
    }
    const { 'q_proj.weight': q, 'k_proj.weight': k, 'v_proj.weight': v, ...rest } = tensors;
    tensors['q_norm.weight'] = weights.queryNorm?.weight as Tensor;
    tensors['k_norm.weight'] = weights.keyNorm?.weight as Tensor;
    const input = random.tensor('float32', [2, 6, embed]);
    const qwen = await MultiHeadAttention.load(await write(tensors), options);
    expectSameBits(qwen.forwardSync(input), new MultiHeadAttention(weights, options).forwardSync(input));
    const phi = await MultiHeadAttention.load(
      await write({ 'qkv_proj.weight': stack(q, k, v), ...rest }),
      options,
    );
    const { queryNorm: _, keyNorm: __, ...bare } = weights;
    expectSameBits(phi.forwardSync(input), new MultiHeadAttention(bare, options).forwardSync(input));
    assert.equal(qwen.parameters, phi.parameters + 20);
    await rejectsHeed(
      async () =>
        MultiHeadAttention.load(
          await write({ ...tensors, 'q_norm.weight': Tensor.zeros('float32', [40]) }),
          options,
        ),
      'HEED_SHAPE_MISMATCH',
      'Expected weights.queryNorm.weight.dims[0] to equal the width of a head (10), received 40',
    );
  });

  it('loads a layer without an output map', async () => {
    const { q, k, v } = draw();
    const path = await write({ 'query.weight': q.weight, 'key.weight': k.weight, 'value.weight': v.weight });
    using loaded = await MultiHeadAttention.load(path, { heads });
    using expected = new MultiHeadAttention(
      { query: { weight: q.weight }, key: { weight: k.weight }, value: { weight: v.weight } },
      { heads },
    );
    const input = random.tensor('float32', [1, 5, embed]);
    expectSameBits(loaded.forwardSync(input), expected.forwardSync(input));
  });

  it('loads keys and values of another width, and heads that share them', async () => {
    const sizes = { heads, keyValueHeads: 2, width: 6, embed, contextEmbed: 10 };
    const weights = randomWeights(random, { ...sizes, biases: false });
    const path = await write({
      q_proj_weight: weights.query.weight as Tensor,
      k_proj_weight: weights.key.weight as Tensor,
      v_proj_weight: weights.value.weight as Tensor,
      'out_proj.weight': weights.output?.weight as Tensor,
    });
    using loaded = await MultiHeadAttention.load(path, { heads, keyValueHeads: 2 });
    using expected = new MultiHeadAttention(weights, { heads, keyValueHeads: 2 });
    const input = random.tensor('float32', [1, 5, embed]);
    const context = random.tensor('float32', [1, 9, 10]);
    expectSameBits(loaded.forwardSync(input, { context }), expected.forwardSync(input, { context }));
  });

  it('casts to the type asked for', async () => {
    const drawn = draw('float16');
    const path = await write(namings.heed(drawn, { heads }));
    using loaded = await MultiHeadAttention.load(path, { heads, type: 'float32' });
    using expected = new MultiHeadAttention(drawn.weights, { heads, type: 'float32' });
    const input = random.tensor('float32', [1, 5, embed]);
    expectSameBits(loaded.forwardSync(input), expected.forwardSync(input));
  });

  it('names what was looked for, and what was found instead', async () => {
    const path = await write({ 'h.0.attn.c_attn.weight': Tensor.zeros('float32', [embed, 3 * embed]) });
    const load = (prefix?: string) =>
      MultiHeadAttention.load(path, { heads, ...(prefix !== undefined && { prefix }) });
    for (const prefix of [undefined, 'h.1.attn.']) {
      await rejectsHeed(
        () => load(prefix),
        'HEED_UNKNOWN_TENSOR',
        new RegExp(
          `"${prefix ?? ''}query.weight" \\(heed\\), .*"${prefix ?? ''}c_attn.weight" \\(GPT-2\\).*, found "h.0.attn.c_attn.weight"$`,
        ),
      );
    }
    await rejectsHeed(
      () => load('h.0.attn.'),
      'HEED_UNKNOWN_TENSOR',
      '"h.0.attn.c_proj.weight", in the naming of GPT-2',
    );
    await rejectsHeed(
      () => MultiHeadAttention.load(pathOf('nowhere'), { heads }),
      'HEED_FILE_ERROR',
      /ENOENT/,
    );
  });

  it('refuses tensors that do not have the form of their naming', async () => {
    const square = Tensor.zeros('float32', [embed, embed]);
    const load = async (tensors: Tensors) => MultiHeadAttention.load(await write(tensors), { heads });
    await rejectsHeed(
      () => load({ in_proj_weight: Tensor.zeros('float32', [71, embed]), 'out_proj.weight': square }),
      'HEED_SHAPE_MISMATCH',
      'Expected in_proj_weight to hold query, key and value of equal width for 4 + 4 + 4 heads, received dims [71, 24]',
    );
    await rejectsHeed(
      () => load({ in_proj_weight: Tensor.zeros('float32', []), 'out_proj.weight': square }),
      'HEED_SHAPE_MISMATCH',
      'in_proj_weight',
    );
    await rejectsHeed(
      () => load({ 'c_attn.weight': Tensor.zeros('float32', [embed]), 'c_proj.weight': square }),
      'HEED_SHAPE_MISMATCH',
      'Expected c_attn.weight to have 2 axes, [in, out], received dims [24]',
    );
    const integers = Tensor.zeros('int32', [embed, embed]);
    await rejectsHeed(
      () => load({ 'query.weight': integers, 'key.weight': square, 'value.weight': square }),
      'HEED_UNSUPPORTED_TYPE',
      'weights.query.weight.type',
    );
    await rejectsHeed(
      () =>
        load({
          'query.weight': square,
          'key.weight': square,
          'value.weight': Tensor.zeros('float32', [8, 8]),
        }),
      'HEED_SHAPE_MISMATCH',
      'weights.value.weight.dims[1]',
    );
  });

  it('refuses a type that heed has not', async () => {
    const header = {
      'query.weight': entry('F8_E4M3', [1, 1], [0, 1]),
      'key.weight': entry('F8_E4M3', [1, 1], [1, 2]),
      'value.weight': entry('F8_E4M3', [1, 1], [2, 3]),
    };
    const path = pathOf('quantized');
    await writeFile(path, fileBytes(JSON.stringify(header), new Uint8Array(3)));
    await rejectsHeed(
      () => MultiHeadAttention.load(path, { heads: 1 }),
      'HEED_UNSUPPORTED_TYPE',
      'received F8_E4M3',
    );
  });

  it('refuses wrong options before it looks for the file', async () => {
    const load = (options: unknown) =>
      MultiHeadAttention.load(pathOf('nowhere'), options as MultiHeadAttentionOptions);
    await rejectsHeed(() => load(undefined), 'HEED_INVALID_ARGUMENT', 'options.heads');
    await rejectsHeed(() => load({ heads, perfix: '' }), 'HEED_UNKNOWN_OPTION', "did you mean 'prefix'?");
    await rejectsHeed(
      () => load({ heads, rotary: { base: 1e4 } }),
      'HEED_UNKNOWN_OPTION',
      "Expected options.rotary to have only options that exist, received 'base'",
    );
    await rejectsHeed(
      () => load({ heads, prefix: 7 }),
      'HEED_INVALID_ARGUMENT',
      'Expected options.prefix to be a string',
    );
    await rejectsHeed(
      () => load({ heads, keyValueHeads: 3 }),
      'HEED_SHAPE_MISMATCH',
      'options.keyValueHeads',
    );
  });
});
