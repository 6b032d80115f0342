/**
 * Loads checkpoints of each naming into heed, and compares the results with onnxruntime running the same
 * layer. heed does not depend on onnxruntime: `npm run test:peers` installs it in bench/ and runs this test.
 */
import assert from 'node:assert/strict';
import {
  MultiHeadAttention,
  type MultiHeadAttentionOptions,
  type MultiHeadAttentionWeights,
  type RotaryOptions,
} from '../../lib/multi-head-attention/multi-head-attention.js';
import { save } from '../../lib/safetensors.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { namings, partsOf, type Tensors } from '../../test/multi-head-attention/checkpoint-namings.js';
import {
  type LayerSizes,
  randomLinear,
  randomWeights,
} from '../../test/multi-head-attention/random-layer.js';
import { eachBackend } from '../../test/support/backends.js';
import { expectClose } from '../../test/support/compare.js';
import { Random } from '../../test/support/random.js';
import { rotaryFactor } from '../../test/support/rotary-oracle.js';
import { temporaryDirectory } from '../../test/support/temporary-directory.js';
import { onnxLayer } from '../peers/onnx-layer.js';
import { onnxruntime } from '../peers/onnxruntime.js';

const embed = 48;
const steps = 19;
const batch = 2;

interface Checkpoint {
  readonly naming: keyof typeof namings;
  readonly sizes: LayerSizes;
  readonly options: MultiHeadAttentionOptions;
  readonly contextSteps?: number;
  /** Query, key and value have biases; the output has none. */
  readonly qkvBiases?: true;
}

const square: LayerSizes = { heads: 6, width: 8, embed };
const grouped: LayerSizes = { heads: 6, keyValueHeads: 2, width: 16, embed, biases: false };
const llama = { heads: 6, keyValueHeads: 2, causal: true };

const checkpoints: Record<string, Checkpoint> = {
  'nn.MultiheadAttention': { naming: 'nn.MultiheadAttention', sizes: square, options: { heads: 6 } },
  'nn.MultiheadAttention without biases': {
    naming: 'nn.MultiheadAttention',
    sizes: { ...square, biases: false },
    options: { heads: 6, causal: true },
  },
  'nn.MultiheadAttention with kdim and vdim': {
    naming: 'nn.MultiheadAttention with kdim or vdim',
    sizes: { ...square, contextEmbed: 20 },
    options: { heads: 6 },
    contextSteps: 11,
  },
  BERT: { naming: 'BERT', sizes: square, options: { heads: 6 } },
  'GPT-2': { naming: 'GPT-2', sizes: square, options: { heads: 6, causal: true } },
  Llama: { naming: 'Llama', sizes: grouped, options: { ...llama, rotary: {} } },
  'Llama 3.1': {
    naming: 'Llama',
    sizes: grouped,
    options: {
      ...llama,
      rotary: {
        theta: 500_000,
        scaling: {
          type: 'llama3',
          factor: 8,
          lowFreqFactor: 1,
          highFreqFactor: 4,
          originalMaxPositionEmbeddings: 64,
        },
      },
    },
  },
  Mistral: {
    naming: 'Llama',
    sizes: grouped,
    options: { ...llama, rotary: { theta: 1e6 }, window: { left: 4 } },
  },
  Qwen2: {
    naming: 'Llama',
    sizes: { ...grouped, biases: true },
    options: { ...llama, rotary: { theta: 1e6 } },
    qkvBiases: true,
  },
  'Qwen2 with YaRN': {
    naming: 'Llama',
    sizes: { ...grouped, biases: true },
    options: {
      ...llama,
      rotary: { theta: 1e6, scaling: { type: 'yarn', factor: 4, originalMaxPositionEmbeddings: 64 } },
    },
    qkvBiases: true,
  },
  Qwen3: {
    naming: 'Llama',
    sizes: { ...grouped, norms: true },
    options: { ...llama, rotary: { theta: 1e6 } },
  },
  ALBERT: { naming: 'ALBERT', sizes: square, options: { heads: 6 } },
  DistilBERT: { naming: 'DistilBERT', sizes: square, options: { heads: 6 } },
  ViT: { naming: 'ViT', sizes: square, options: { heads: 6 } },
  'ViT of timm': { naming: 'timm', sizes: square, options: { heads: 6 } },
  ModernBERT: {
    naming: 'ModernBERT',
    sizes: square,
    options: { heads: 6, rotary: { theta: 160_000 }, window: { left: 3, right: 3 } },
  },
  BART: { naming: 'BART', sizes: square, options: { heads: 6, causal: true } },
  'GPT-NeoX': {
    naming: 'GPT-NeoX',
    sizes: square,
    options: { heads: 6, causal: true, rotary: { dims: 2 } },
  },
  'Falcon with one key head': {
    naming: 'Falcon',
    sizes: { ...grouped, keyValueHeads: 1 },
    options: { heads: 6, keyValueHeads: 1, causal: true, rotary: {} },
  },
  'Falcon with grouped heads': {
    naming: 'Falcon',
    sizes: grouped,
    options: { ...llama, rotary: {} },
  },
  'Phi-2': {
    naming: 'Phi-2',
    sizes: square,
    options: { heads: 6, causal: true, rotary: { dims: 4 } },
  },
  'Phi-3': { naming: 'Phi-3', sizes: grouped, options: { ...llama, rotary: { dims: 12 } } },
  'Phi-3 with LongRoPE, at the length in training': phi3WithLongRope(steps),
  'Phi-3 with LongRoPE, beyond it': phi3WithLongRope(steps - 1),
  'Llama with frequencies of its own': {
    naming: 'Llama',
    sizes: grouped,
    options: { ...llama, rotary: { inverseFrequencies: [1, 0.7, 0.3, 0, 0.05, 2, 0.01, 0.001] } },
  },
  'Llama with pairs of neighbours': {
    naming: 'heed',
    sizes: grouped,
    options: { ...llama, rotary: { interleaved: true } },
  },
};

function phi3WithLongRope(originalMaxPositionEmbeddings: number): Checkpoint {
  const shortFactor = [1, 1.05, 1.1, 1.3, 1.7, 2];
  const longFactor = [1.2, 2, 4.5, 9, 20, 33];
  const scaling = {
    type: 'longrope',
    shortFactor,
    longFactor,
    originalMaxPositionEmbeddings,
    factor: 8,
  } as const;
  return { naming: 'Phi-3', sizes: grouped, options: { ...llama, rotary: { dims: 12, scaling } } };
}

function anglesOf(rotary: RotaryOptions, width: number) {
  const { dims = width } = rotary;
  const pairs = dims / 2;
  const table = (of: (angle: number) => number) =>
    Float32Array.from({ length: steps * pairs }, (_, i) => {
      const { magnitude, angle } = rotaryFactor(rotary, dims, i % pairs, Math.floor(i / pairs), steps);
      return magnitude * of(angle);
    });
  return { cos: table(Math.cos), sin: table(Math.sin) };
}

function tensorsOf({ naming, options }: Checkpoint, weights: MultiHeadAttentionWeights): Tensors {
  return {
    ...namings[naming](partsOf(weights), options),
    ...(weights.queryNorm && { 'q_norm.weight': weights.queryNorm.weight as Tensor }),
    ...(weights.keyNorm && { 'k_norm.weight': weights.keyNorm.weight as Tensor }),
  };
}

eachBackend('checkpoints agree with onnxruntime', (backend) => {
  const pathOf = temporaryDirectory();
  const random = new Random(`checkpoints on ${backend}`);

  for (const [name, checkpoint] of Object.entries(checkpoints)) {
    it(name, async () => {
      const { naming, sizes, options, contextSteps, qkvBiases } = checkpoint;
      const drawn = randomWeights(random, sizes);
      const { heads = 0, width = 0 } = sizes;
      const output = randomLinear(random, 'float32', embed, heads * width, false);
      const weights = qkvBiases ? { ...drawn, output } : drawn;
      const path = pathOf(name.replaceAll(' ', '-'));
      await save(path, tensorsOf(checkpoint, weights));
      using layer = await MultiHeadAttention.load(path, { ...options, naming, backend });

      const input = random.tensor('float32', [batch, steps, embed]);
      const context =
        contextSteps && random.tensor('float32', [batch, contextSteps, sizes.contextEmbed ?? embed]);
      const graph = onnxLayer({
        weights,
        options,
        batch,
        steps,
        ...(contextSteps && { contextSteps }),
        ...(options.rotary && { angles: anglesOf(options.rotary, width) }),
      });
      const memory = {
        input: input.data,
        ...(context && { context: context.data }),
        output: new Float32Array(batch * steps * embed).fill(Number.NaN),
      };
      const peer = await onnxruntime(graph, [memory], 1, 'output');
      await peer.run(0);
      const expected = peer.result();
      await peer.dispose?.();
      assert.ok(expected.every(Number.isFinite), 'onnxruntime has written everything');
      const received = await layer.forward(input, context ? { context } : {});
      expectClose(received, Array.from(expected), 1e-5, name);
    });
  }
});
