/** Tests that blocks load from checkpoints of every naming, with and without config.json. */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FeedForwardWeights } from '../../lib/feed-forward/feed-forward.js';
import type { Linear } from '../../lib/multi-head-attention/multi-head-attention.js';
import type { Activation } from '../../lib/problem/problem.js';
import { save } from '../../lib/safetensors.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { transpose } from '../../lib/tensor/transpose.js';
import { blockConventions } from '../../lib/transformer-block/checkpoint-conventions.js';
import { normNames } from '../../lib/transformer-block/forms.js';
import { TransformerBlock } from '../../lib/transformer-block/transformer-block.js';
import { namings, partsOf, stack, type Tensors } from '../multi-head-attention/checkpoint-namings.js';
import { randomLinear, randomWeights } from '../multi-head-attention/random-layer.js';
import { expectClose } from '../support/compare.js';
import { toNumbers } from '../support/numbers.js';
import { Random } from '../support/random.js';
import { rejectsHeed } from '../support/rejects.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { type BlockCase, blockOracle } from './block-oracle.js';

const embed = 24;
const heads = 4;
const hidden = 40;
const epsilon = 1e-3;

/** What config.json says of a model of each naming. */
const configs: Readonly<Record<string, { fields: object; activation: Activation }>> = {
  Llama: {
    fields: { model_type: 'llama', hidden_act: 'silu', rms_norm_eps: epsilon, num_key_value_heads: heads },
    activation: 'silu',
  },
  Gemma: {
    fields: {
      model_type: 'gemma',
      hidden_activation: 'gelu_pytorch_tanh',
      hidden_act: 'gelu',
      rms_norm_eps: epsilon,
      num_key_value_heads: heads,
      head_dim: embed / heads,
    },
    activation: 'gelu-tanh',
  },
  BERT: { fields: { model_type: 'bert', hidden_act: 'gelu', layer_norm_eps: epsilon }, activation: 'gelu' },
};

describe('TransformerBlock.load', () => {
  const pathOf = temporaryDirectory();
  const random = new Random('TransformerBlock.load');

  type Drawn = BlockCase & { tensors: Tensors };

  /** A block of a naming, as the oracle takes it and as a checkpoint has it. */
  function draw(name: string): Drawn {
    const convention = blockConventions.find((each) => each.name === name);
    assert.ok(convention);
    const { attention, feedForward, norm, norms, form, transposed } = convention;
    const biases = norm.type === 'layer';
    const weights = randomWeights(random, { heads, width: embed / heads, embed, biases });
    const attentionNaming =
      {
        Gemma: 'Llama',
        'Gemma 2': 'Llama',
        'OLMo 2': 'Llama',
        'Gemma 3': 'Llama',
      }[name] ?? name;
    const layout = namings[attentionNaming as keyof typeof namings];
    const tensors: Tensors = {};
    const counts = { heads, keyValueHeads: heads };
    for (const [key, tensor] of Object.entries(layout(partsOf(weights), counts)))
      tensors[attention.prefix + key] = tensor;
    const put = (map: string | undefined, { weight, bias }: Linear) => {
      if (map === undefined) return;
      const turned = transposed && weight.dims.length === 2;
      tensors[`${map}.weight`] = turned ? transpose(weight as Tensor, map) : (weight as Tensor);
      if (bias) tensors[`${map}.bias`] = bias as Tensor;
    };
    const linear = (out: number, inner: number) => randomLinear(random, 'float32', out, inner, biases);
    const gated = feedForward.gate !== undefined || feedForward.gateAndUp !== undefined;
    const network: FeedForwardWeights = {
      ...(gated && { gate: linear(hidden, embed) }),
      up: linear(hidden, embed),
      down: linear(embed, hidden),
    };
    put(feedForward.up, network.up);
    put(feedForward.down, network.down);
    if (network.gate) put(feedForward.gate, network.gate);
    if (feedForward.gateAndUp !== undefined && network.gate) {
      const { gate, up } = network;
      put(feedForward.gateAndUp, {
        weight: stack(gate.weight as Tensor, up.weight as Tensor),
        ...(gate.bias && up.bias && { bias: stack(gate.bias as Tensor, up.bias as Tensor) }),
      });
    }
    const drawnNorms = Object.fromEntries(
      normNames.flatMap((each) => {
        const map = norms[each];
        if (map === undefined) return [];
        const made = {
          weight: random.tensor('float32', [embed]),
          ...(biases && { bias: random.tensor('float32', [embed]) }),
        };
        put(map, made);
        return [[each, made]];
      }),
    );
    return {
      type: 'float32',
      attention: { weights, options: { heads } },
      feedForward: {
        weights: network,
        activation: random.pick(['silu', 'gelu', 'gelu-tanh', 'relu'] as const),
      },
      norms: drawnNorms,
      options: { form, norm: { ...norm, epsilon } },
      tensors,
    };
  }

  async function expectBlock(block: TransformerBlock, drawn: BlockCase): Promise<void> {
    const dims = [2, 5, embed];
    const x = random.tensor('float32', dims);
    assert.equal(block.form, drawn.options.form);
    expectClose(await block.forward(x), blockOracle(drawn, toNumbers(x), dims), 3e-5);
    block.dispose();
  }

  for (const { name, modelTypes } of blockConventions) {
    it(`reads the tensors of ${name}`, async () => {
      const drawn = draw(name);
      const path = pathOf(`${name}.safetensors`);
      const prefix = 'model.layers.7.';
      const others = { 'model.norm.weight': random.tensor('float32', [embed]) };
      const under = Object.entries(drawn.tensors).map(([key, tensor]) => [prefix + key, tensor]);
      await save(path, { ...Object.fromEntries(under), ...others });
      const { activation } = drawn.feedForward;
      const options = { prefix, attention: { heads }, activation, norm: { epsilon } };
      const naming = name as never;
      await expectBlock(await TransformerBlock.load(path, { ...options, naming }), drawn);
      // Names that several families share are those of the one that needs no model to be known.
      if (modelTypes === undefined) await expectBlock(await TransformerBlock.load(path, options), drawn);
    });
  }

  for (const [name, { fields, activation }] of Object.entries(configs)) {
    it(`asks config.json for activation and epsilon: ${name}`, async () => {
      const drawn = draw(name);
      const directory = pathOf(`${name}-model`);
      await mkdir(directory);
      await save(join(directory, 'model.safetensors'), drawn.tensors);
      const config = { ...fields, num_attention_heads: heads, hidden_size: embed };
      await writeFile(join(directory, 'config.json'), JSON.stringify(config));
      const feedForward = { ...drawn.feedForward, activation };
      const block = await TransformerBlock.load(directory, {
        attention: { causal: false, ...(name !== 'BERT' && { rotary: { inverseFrequencies: [0, 0, 0] } }) },
      });
      await expectBlock(block, { ...drawn, feedForward });
    });
  }

  it('rounds the weights of both parts', async () => {
    const path = pathOf('rounded.safetensors');
    await save(path, draw('Llama').tensors);
    const options = { attention: { heads }, activation: 'silu', norm: { epsilon }, weights: 'int8' } as const;
    const block = await TransformerBlock.load(path, options);
    assert.equal(block.attention.weights, 'int8');
    assert.equal(block.feedForward.weights, 'int8');
  });

  it('refuses what it does not know', async () => {
    const { tensors } = draw('Llama');
    const good = { attention: { heads }, activation: 'silu', norm: { epsilon } } as const;
    const write = async (name: string, written: Tensors) => {
      const path = pathOf(`${name}.safetensors`);
      await save(path, written);
      return path;
    };
    const path = await write('good', tensors);
    const { activation: _, ...silent } = good;
    await rejectsHeed(
      () => TransformerBlock.load(path, silent),
      'HEED_INVALID_ARGUMENT',
      /options\.activation/,
    );
    const { norm: __, ...without } = good;
    await rejectsHeed(
      () => TransformerBlock.load(path, without),
      'HEED_INVALID_ARGUMENT',
      /options\.norm\.epsilon/,
    );
    await rejectsHeed(
      () => TransformerBlock.load(path, { ...good, prefix: 'layers.0.' }),
      'HEED_UNKNOWN_TENSOR',
      /layers\.0\./,
    );
    const more = await write('more', {
      ...tensors,
      'mlp.router.weight': random.tensor('float32', [4, embed]),
    });
    await rejectsHeed(() => TransformerBlock.load(more, good), 'HEED_UNKNOWN_TENSOR', /mlp\.router/);
    await rejectsHeed(
      () => TransformerBlock.load(more, { ...good, naming: 'Llama' }),
      'HEED_UNKNOWN_TENSOR',
      /mlp\.router/,
    );
    const { 'mlp.down_proj.weight': ___, ...less } = tensors;
    const incomplete = await write('less', less);
    await rejectsHeed(
      () => TransformerBlock.load(incomplete, { ...good, naming: 'Llama' }),
      'HEED_UNKNOWN_TENSOR',
      /mlp\.down_proj\.weight/,
    );
    await rejectsHeed(
      () => TransformerBlock.load(path, { ...good, naming: 'llama' as never }),
      'HEED_INVALID_ARGUMENT',
      /options\.naming/,
    );
  });
});
