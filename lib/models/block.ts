/** One block of a model: attention and feed-forward, each with its residual sum. */
import type { KeyValueCache } from '../key-value-cache/key-value-cache.js';
import type { MultiHeadAttention } from '../multi-head-attention/multi-head-attention.js';
import { norm } from '../norm/norm.js';
import type { QuantisedType } from '../problem/quantised-weight.js';
import { packWeight } from '../projection/packed-weight.js';
import { project } from '../projection/project.js';
import { Tensor } from '../tensor/tensor.js';
import type { Weights } from './checkpoint.js';
import type { Activation } from './config.js';

export interface NormWeights extends Weights {
  readonly type: 'rms' | 'layer';
  readonly epsilon: number;
  readonly offset: number;
}

export interface BlockParts {
  readonly attention: MultiHeadAttention;
  readonly gate: Weights | undefined;
  readonly up: Weights;
  readonly down: Weights;
  readonly activation: Activation;
  readonly weights: QuantisedType | undefined;
  readonly norms: {
    readonly [Name in
      | 'beforeAttention'
      | 'beforeFeedForward'
      | 'afterAttention'
      | 'afterFeedForward'
      | 'ofAttentionSum'
      | 'ofFeedForwardSum']?: NormWeights;
  };
}

const functions: Record<Activation, (x: number) => number> = {
  gelu: (x) => {
    if (Math.abs(x) > 8) return x > 0 ? x : 0;
    let term = x;
    let sum = x;
    for (let n = 3; Math.abs(term) > 1e-18 * Math.abs(sum); n += 2) {
      term *= (x * x) / n;
      sum += term;
    }
    return x * (0.5 + (sum * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI));
  },
  'gelu-tanh': (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  relu: (x) => Math.max(x, 0),
  silu: (x) => x / (1 + Math.exp(-x)),
};

export class Block implements Disposable {
  readonly attention: MultiHeadAttention;
  readonly #parts: BlockParts;
  readonly #up;
  readonly #gate;
  readonly #down;

  constructor(parts: BlockParts) {
    this.#parts = parts;
    this.attention = parts.attention;
    const pack = (w: Weights) => packWeight(w.weight, parts.weights && { type: parts.weights });
    this.#up = pack(parts.up);
    this.#gate = parts.gate && pack(parts.gate);
    this.#down = pack(parts.down);
  }

  async forward(
    x: Tensor,
    options: { queryStarts: readonly number[]; caches?: readonly KeyValueCache[]; signal?: AbortSignal },
  ): Promise<Tensor> {
    const { norms } = this.#parts;
    const apply = async (t: Tensor, by: NormWeights | undefined) => (by ? await norm(t, by) : t);
    const attended = await this.attention.forward(await apply(x, norms.beforeAttention), options);
    const middle = await apply(add(x, await apply(attended, norms.afterAttention)), norms.ofAttentionSum);
    const input = await apply(middle, norms.beforeFeedForward);
    const { up, gate, down, activation } = this.#parts;
    const hidden = await project(input, this.#up, up.bias);
    const f = functions[activation];
    if (this.#gate) {
      const gated = await project(input, this.#gate, gate?.bias);
      for (let i = 0; i < hidden.data.length; i++)
        (hidden.data as Float32Array)[i] *= f((gated.data as Float32Array)[i]);
    } else
      for (let i = 0; i < hidden.data.length; i++)
        (hidden.data as Float32Array)[i] = f((hidden.data as Float32Array)[i]);
    const fed = await project(hidden, this.#down, down.bias);
    return await apply(add(middle, await apply(fed, norms.afterFeedForward)), norms.ofFeedForwardSum);
  }

  [Symbol.dispose](): void {
    this.attention.dispose();
    this.#up.dispose();
    this.#gate?.dispose();
    this.#down.dispose();
  }
}

function add(x: Tensor, y: Tensor): Tensor {
  const sum = (x.data as Float32Array).map((v, i) => v + (y.data as Float32Array)[i]);
  return new Tensor(sum, x.dims);
}
