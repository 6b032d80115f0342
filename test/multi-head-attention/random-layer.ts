/** Random layers and inputs for them. */
import type { Selection } from '../../lib/attention/options.js';
import {
  type HeadNormWeights,
  type Linear,
  MultiHeadAttention,
  type MultiHeadAttentionOptions,
  type MultiHeadAttentionWeights,
  type RelativeBiasOptions,
} from '../../lib/multi-head-attention/multi-head-attention.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import type { FloatType } from '../../lib/tensor/types.js';
import type { TestedBackend } from '../support/backends.js';
import { type Random, tensorOf } from '../support/random.js';
import { randomRotary } from '../support/random-rotary.js';
import { randomScore, type ScoreName, scoreNames } from '../support/random-score.js';

export interface LayerSizes {
  readonly type?: FloatType;
  readonly heads?: number;
  readonly keyValueHeads?: number;
  readonly width?: number;
  readonly valueWidth?: number;
  readonly embed?: number;
  readonly contextEmbed?: number;
  /** 0 for a layer without an output map. */
  readonly out?: number;
  readonly biases?: boolean;
  /** Norms of queries and keys: those of Qwen3, or of any kind. Default: none. */
  readonly norms?: boolean | 'any';
}

/** Layers that plain JavaScript can make although TypeScript forbids them. */
export function makeUntyped(weights: unknown, options: unknown): MultiHeadAttention {
  return new MultiHeadAttention(weights as MultiHeadAttentionWeights, options as MultiHeadAttentionOptions);
}

/** Weights that roughly preserve the magnitude of numbers. */
export function randomLinear(
  random: Random,
  type: FloatType,
  out: number,
  inner: number,
  bias: boolean,
): Linear {
  const weight = random.tensor(type, [out, inner], 1 / Math.sqrt(Math.max(inner, 1)));
  return bias ? { weight, bias: random.tensor(type, [out], 0.5) } : { weight };
}

export function randomNorm(random: Random, heads: number, width: number): HeadNormWeights {
  const together = random.chance(0.3);
  const dims = together ? [heads * width] : random.chance(0.5) ? [width] : [heads, width];
  return {
    weight: random.tensor('float32', dims),
    ...(together && { together }),
    ...(random.chance(0.3) && { bias: random.tensor('float32', dims) }),
    ...(random.chance(0.5) && { type: random.pick(['rms', 'layer'] as const) }),
  };
}

export function randomWeights(random: Random, sizes: LayerSizes = {}): MultiHeadAttentionWeights {
  const { type = 'float32', heads = 4, width = 8, embed = 24, biases = true } = sizes;
  const { keyValueHeads = heads, valueWidth = width, contextEmbed = embed, out = embed } = sizes;
  return {
    query: randomLinear(random, type, heads * width, embed, biases),
    key: randomLinear(random, type, keyValueHeads * width, contextEmbed, biases),
    value: randomLinear(random, type, keyValueHeads * valueWidth, contextEmbed, biases),
    ...(sizes.norms === true && {
      queryNorm: { weight: random.tensor(type, [width]) },
      keyNorm: { weight: random.tensor(type, [width]) },
    }),
    ...(sizes.norms === 'any' && {
      queryNorm: randomNorm(random, heads, width),
      keyNorm: randomNorm(random, keyValueHeads, width),
    }),
    ...(out > 0 && { output: randomLinear(random, type, out, heads * valueWidth, biases) }),
  };
}

export function randomSizes(random: Random, type: FloatType): Required<LayerSizes> {
  const keyValueHeads = random.integer(1, 3);
  const embed = random.integer(1, 40);
  return {
    type,
    heads: keyValueHeads * random.integer(1, 3),
    keyValueHeads,
    width: random.integer(1, 24),
    valueWidth: random.integer(1, 24),
    embed,
    contextEmbed: random.chance(0.5) ? embed : random.integer(1, 40),
    out: random.chance(0.7) ? random.integer(1, 40) : 0,
    biases: random.chance(0.5),
    norms: random.chance(0.4) && 'any',
  };
}

export function randomRelativeBias(random: Random, heads: number): RelativeBiasOptions {
  const bidirectional = random.chance(0.5);
  const side = random.integer(2, 20);
  return {
    weight: random.tensor(random.pick(['float32', 'bfloat16'] as const), [
      bidirectional ? 2 * side : side,
      heads,
    ]),
    bidirectional,
    ...(random.chance(0.5) && { maxDistance: random.integer(side, 40) }),
  };
}

/** @param backend determines the available scores */
export function randomOptions(
  random: Random,
  { type, heads, keyValueHeads, width }: Required<LayerSizes>,
  backend: TestedBackend,
): MultiHeadAttentionOptions {
  const scores = backend === 'cuda' ? (['scaled-dot', 'dot'] as const) : scoreNames;
  const perHead = (low: number, high: number) =>
    Float64Array.from({ length: heads }, () => random.uniform(low, high));
  return {
    heads,
    keyValueHeads,
    ...(random.chance(0.5) && {
      score: randomScore(random, random.pick<ScoreName>(scores), {
        type,
        heads,
        keyHeads: keyValueHeads,
        width,
        keyWidth: width,
        keys: 40,
        perHead: random.chance(0.5),
      }),
    }),
    ...(random.chance(0.5) && { causal: random.chance(0.5) }),
    ...(random.chance(0.3) && { window: { left: random.integer(0, 8), right: random.integer(0, 8) } }),
    ...(random.chance(0.3) && { softcap: random.uniform(0.5, 4) }),
    ...(random.chance(0.3) && { scale: random.uniform(0.1, 1) }),
    ...(random.chance(0.3) && {
      alibiSlopes: perHead(0, 0.5),
      ...(random.chance(0.5) && { alibiDistance: 'absolute' as const }),
    }),
    ...(random.chance(0.3) && { sinks: perHead(-1, 1) }),
    ...(random.chance(0.2) && { relativeBias: randomRelativeBias(random, heads) }),
    ...(random.chance(0.2) && { normEpsilon: random.uniform(0, 0.5) }),
    ...(width > 1 && random.chance(0.5) && { rotary: randomRotary(random, width) }),
  };
}

export interface RandomCall {
  context?: Tensor;
  mask?: Tensor;
  lengths?: number[];
  kvLengths?: number[];
  positions?: number[];
  select?: Selection;
}

export function randomCall(
  random: Random,
  { type, heads, embed, contextEmbed }: Required<LayerSizes>,
  [batch, steps]: readonly number[],
  rotates: boolean,
): RandomCall {
  const call: RandomCall = {};
  if (contextEmbed !== embed || random.chance(0.3)) {
    call.context = random.tensor(type, [batch, random.integer(1, 30), contextEmbed]);
  }
  const keys = call.context ? call.context.dims[1] : steps;
  const masked = [batch, heads, steps, keys].map((length) => (random.chance(0.5) ? length : 1));
  const kind = random.pick(['none', 'none', 'boolean', 'additive']);
  if (kind === 'boolean') call.mask = random.mask(masked, 0.7);
  if (kind === 'additive') {
    call.mask = tensorOf('float32', masked, () =>
      random.chance(0.2) ? Number.NEGATIVE_INFINITY : random.normal(),
    );
  }
  const counts = () => Array.from({ length: batch }, () => random.integer(0, keys));
  const limited = random.pick(['keys', 'keys', 'steps', 'steps', 'none', 'none', 'none'] as const);
  if (limited === 'keys') call.kvLengths = counts();
  if (limited === 'steps' && !call.context) call.lengths = counts();
  if (rotates && random.chance(0.4)) {
    const count = random.chance(0.5) ? steps : batch * steps;
    call.positions = Array.from({ length: count }, () => random.integer(0, 200));
  }
  return call;
}
