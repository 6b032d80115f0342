/** One layer of the model: attention, then the feed-forward part, each with a residual connection. */
import { KeyValueCache } from '../../key-value-cache/key-value-cache.js';
import { MultiHeadAttention } from '../../multi-head-attention/multi-head-attention.js';
import type { SafetensorsFile } from '../../safetensors.js';
import { Tensor } from '../../tensor/tensor.js';
import type { Configuration } from './configuration.js';
import { FeedForward } from './feed-forward.js';
import { normalize } from './rms-norm.js';

export class DecoderLayer implements Disposable {
  private constructor(
    private readonly epsilon: number,
    private readonly headWidth: number,
    private readonly attentionNorm: Float32Array,
    private readonly attention: MultiHeadAttention,
    private readonly feedForwardNorm: Float32Array,
    private readonly feedForward: FeedForward,
  ) {}

  /** @param index counts layers from 0 */
  static async load(
    file: SafetensorsFile,
    configuration: Configuration,
    index: number,
  ): Promise<DecoderLayer> {
    const prefix = `model.layers.${index}.`;
    const read = async (name: string) => (await file.read(`${prefix}${name}.weight`)).cast('float32');
    const attention = await MultiHeadAttention.load(file.path, {
      prefix: `${prefix}self_attn.`,
      heads: configuration.num_attention_heads,
      rotary: { theta: configuration.rope_theta },
      causal: true,
      type: 'float32',
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
      new FeedForward(gate, up, down),
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
