/** Layers drawn at random, and inputs for them. */
import type {
  Linear,
  MultiHeadAttentionOptions,
  MultiHeadAttentionWeights,
} from '../../lib/multi-head-attention.js';
import type { Tensor } from '../../lib/tensor.js';
import type { FloatType } from '../../lib/tensor-type.js';
import { type Random, tensorOf } from '../support/random.js';

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
}

/** Weights that leave the size of numbers about as it is. */
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

export function randomWeights(random: Random, sizes: LayerSizes = {}): MultiHeadAttentionWeights {
  const { type = 'float32', heads = 4, width = 8, embed = 24, biases = true } = sizes;
  const { keyValueHeads = heads, valueWidth = width, contextEmbed = embed, out = embed } = sizes;
  return {
    query: randomLinear(random, type, heads * width, embed, biases),
    key: randomLinear(random, type, keyValueHeads * width, contextEmbed, biases),
    value: randomLinear(random, type, keyValueHeads * valueWidth, contextEmbed, biases),
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
  };
}

export function randomOptions(
  random: Random,
  { heads, keyValueHeads }: Required<LayerSizes>,
): MultiHeadAttentionOptions {
  const perHead = (low: number, high: number) =>
    Float64Array.from({ length: heads }, () => random.uniform(low, high));
  return {
    heads,
    keyValueHeads,
    ...(random.chance(0.5) && { causal: random.chance(0.5) }),
    ...(random.chance(0.3) && { window: { left: random.integer(0, 8), right: random.integer(0, 8) } }),
    ...(random.chance(0.3) && { softcap: random.uniform(0.5, 4) }),
    ...(random.chance(0.3) && { scale: random.uniform(0.1, 1) }),
    ...(random.chance(0.3) && { alibiSlopes: perHead(0, 0.5) }),
    ...(random.chance(0.3) && { sinks: perHead(-1, 1) }),
  };
}

export interface RandomCall {
  context?: Tensor;
  mask?: Tensor;
  kvLengths?: number[];
}

export function randomCall(
  random: Random,
  { type, heads, embed, contextEmbed }: Required<LayerSizes>,
  [batch, steps]: readonly number[],
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
  if (random.chance(0.3)) call.kvLengths = Array.from({ length: batch }, () => random.integer(0, keys));
  return call;
}
