/** One layer of the model: attention, then the feed-forward part, each with a residual connection. */
import { KeyValueCache } from '../../key-value-cache/key-value-cache.js';
import { MultiHeadAttention } from '../../multi-head-attention/multi-head-attention.js';
import type { QuantisedType } from '../../problem/quantised-weight.js';
import { type PackedWeight, type PackWeightOptions, packWeight } from '../../projection/packed-weight.js';
import { project } from '../../projection/project.js';
import type { SafetensorsFile } from '../../safetensors.js';
import { Tensor } from '../../tensor/tensor.js';
import type { Configuration } from './configuration.js';

export class DecoderLayer implements Disposable {
  private constructor(
    private readonly epsilon: number,
    private readonly headWidth: number,
    private readonly attentionNorm: Float32Array,
    private readonly attention: MultiHeadAttention,
    private readonly feedForwardNorm: Float32Array,
    private readonly feedForward: FeedForward,
  ) {}

  /**
   * @param index counts layers from 0
   * @param weights what the weights of all linear maps are rounded to; without it they are float32
   */
  static async load(
    file: SafetensorsFile,
    configuration: Configuration,
    index: number,
    weights?: QuantisedType,
  ): Promise<DecoderLayer> {
    const prefix = `model.layers.${index}.`;
    const read = async (name: string) => (await file.read(`${prefix}${name}.weight`)).cast('float32');
    const attention = await MultiHeadAttention.load(file.path, {
      prefix: `${prefix}self_attn.`,
      heads: configuration.num_attention_heads,
      rotary: { theta: configuration.rope_theta },
      causal: true,
      type: 'float32',
      ...(weights && { weights }),
    });
    const [gate, up, down] = [
      await read('mlp.gate_proj'),
      await read('mlp.up_proj'),
      await read('mlp.down_proj'),
    ];
    return new DecoderLayer(
      configuration.rms_norm_eps,
      configuration.hidden_size / configuration.num_attention_heads,
      (await read('input_layernorm')).data as Float32Array,
      attention,
      (await read('post_attention_layernorm')).data as Float32Array,
      new FeedForward([gate, up, down], weights && { type: weights }),
    );
  }

  /**
   * @param x [1, steps, width]
   * @param cache of the steps before, to which these are added; without it there are none before
   */
  async forward(x: Tensor, cache?: KeyValueCache): Promise<Tensor> {
    const attended = await this.attention.forward(this.#normalized(x), cache && { cache });
    return this.#feed(add(x, attended));
  }

  /** The same, and how much every token (row) looks at every other: [1, heads, steps, steps]. */
  async examine(x: Tensor): Promise<{ output: Tensor; weights: Tensor }> {
    const { output, weights } = await this.attention.forwardDetails(this.#normalized(x), {
      include: ['weights'],
    });
    if (!weights) throw new TypeError('Expected the weights that were asked for');
    return { output: await this.#feed(add(x, output)), weights };
  }

  /** A cache for one text of at most `capacity` tokens. */
  makeCache(capacity: number): KeyValueCache {
    return new KeyValueCache({
      batch: 1,
      heads: this.attention.keyValueHeads,
      width: this.headWidth,
      capacity,
    });
  }

  #normalized(x: Tensor): Tensor {
    return new Tensor(normalize(x.data as Float32Array, this.attentionNorm, this.epsilon), x.dims);
  }

  async #feed(x: Tensor): Promise<Tensor> {
    const normalized = normalize(x.data as Float32Array, this.feedForwardNorm, this.epsilon);
    return add(x, await this.feedForward.forward(new Tensor(normalized, x.dims)));
  }

  [Symbol.dispose](): void {
    this.attention.dispose();
    this.feedForward[Symbol.dispose]();
  }
}

/** Adds into the second argument, which is not shared. */
function add(x: Tensor, result: Tensor): Tensor {
  const from = x.data as Float32Array;
  const into = result.data as Float32Array;
  for (let i = 0; i < into.length; i++) into[i] += from[i];
  return result;
}

class FeedForward implements Disposable {
  /** Gate and way up, one below the other: one product in place of two. */
  readonly #up: PackedWeight;
  readonly #down: PackedWeight;

  /** @param weights gate [inner, width], up [inner, width] and down [width, inner] */
  constructor([gate, up, down]: readonly [Tensor, Tensor, Tensor], options?: PackWeightOptions) {
    const [inner, width] = gate.dims;
    const both = new Float32Array(2 * inner * width);
    both.set(gate.data as Float32Array);
    both.set(up.data as Float32Array, inner * width);
    this.#up = packWeight(new Tensor(both, [2 * inner, width]), options);
    this.#down = packWeight(down, options);
  }

  /** down (silu(gate x) · up x), for x [1, steps, width] */
  async forward(x: Tensor): Promise<Tensor> {
    const both = await project(x, this.#up);
    const [batch, steps, columns] = both.dims;
    const inner = columns / 2;
    const data = both.data as Float32Array;
    const gated = new Float32Array(batch * steps * inner);
    for (let row = 0; row < batch * steps; row++) {
      for (let i = 0; i < inner; i++) {
        const gate = data[row * columns + i];
        gated[row * inner + i] = (gate / (1 + Math.exp(-gate))) * data[row * columns + inner + i];
      }
    }
    return await project(new Tensor(gated, [batch, steps, inner]), this.#down);
  }

  [Symbol.dispose](): void {
    this.#up.dispose();
    this.#down.dispose();
  }
}

/** Scales every row of [steps, width] to a mean square of 1, and each of its numbers by what was learnt. */
export function normalize(rows: Float32Array, weight: Float32Array, epsilon: number): Float32Array {
  const width = weight.length;
  const normalized = new Float32Array(rows.length);
  for (let start = 0; start < rows.length; start += width) {
    let squares = 0;
    for (let i = 0; i < width; i++) squares += rows[start + i] ** 2;
    const factor = 1 / Math.sqrt(squares / width + epsilon);
    for (let i = 0; i < width; i++) normalized[start + i] = rows[start + i] * factor * weight[i];
  }
  return normalized;
}
