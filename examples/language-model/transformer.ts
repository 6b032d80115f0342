/**
 * The model as TensorFlow.js computes it, so that it can be differentiated: a decoder as in Llama (Touvron et al.
 * 2023), with RMSNorm, rotary positions and a gated feed-forward part; its last product is with the embedding.
 */
import type { Configuration } from '../../lib/demo/language-model/configuration.js';
import { attention, crossEntropy, embedding, product } from './differentiable.js';
import type { Tensorflow, TfTensor } from './tensorflow.js';

/** By the names of Llama checkpoints; linear maps are [in, out]. */
export type Parameters = Readonly<Record<string, TfTensor>>;

/** The shapes of all that is learnt. */
export function parameterShapes(configuration: Configuration): Record<string, readonly number[]> {
  const { vocab_size, hidden_size: width, intermediate_size: inner, num_hidden_layers } = configuration;
  const shapes: Record<string, readonly number[]> = { 'model.embed_tokens.weight': [vocab_size, width] };
  for (let layer = 0; layer < num_hidden_layers; layer++) {
    const name = `model.layers.${layer}`;
    shapes[`${name}.input_layernorm.weight`] = [width];
    for (const part of ['q', 'k', 'v', 'o']) shapes[`${name}.self_attn.${part}_proj.weight`] = [width, width];
    shapes[`${name}.post_attention_layernorm.weight`] = [width];
    shapes[`${name}.mlp.gate_proj.weight`] = [width, inner];
    shapes[`${name}.mlp.up_proj.weight`] = [width, inner];
    shapes[`${name}.mlp.down_proj.weight`] = [inner, width];
  }
  shapes['model.norm.weight'] = [width];
  return shapes;
}

export class Transformer {
  readonly #tf: Tensorflow;
  readonly #configuration: Configuration;
  readonly #parameters: Parameters;
  readonly #multiply: (a: TfTensor, b: TfTensor) => TfTensor;
  readonly #attention: (query: TfTensor, key: TfTensor, value: TfTensor) => TfTensor;
  readonly #cosines: TfTensor;
  readonly #sines: TfTensor;

  /** @param steps tokens in every sequence */
  constructor(
    tf: Tensorflow,
    configuration: Configuration,
    parameters: Parameters,
    readonly batch: number,
    readonly steps: number,
  ) {
    this.#tf = tf;
    this.#configuration = configuration;
    this.#parameters = parameters;
    this.#multiply = product(tf);
    this.#attention = attention(tf, steps);
    const half = this.#headWidth / 2;
    const angle = (i: number) => Math.floor(i / half) * configuration.rope_theta ** (-(i % half) / half);
    const table = (wave: (angle: number) => number) =>
      tf.tensor(
        Float32Array.from({ length: steps * half }, (_, i) => wave(angle(i))),
        [1, steps, half],
      );
    this.#cosines = table(Math.cos);
    this.#sines = table(Math.sin);
  }

  get #headWidth(): number {
    return this.#configuration.hidden_size / this.#configuration.num_attention_heads;
  }

  /**
   * The mean over all steps that count of −ln of the probability that the model gave to the next token.
   *
   * @param tokens batch · steps of them, row after row
   * @param next the token after each, or that it does not count
   */
  loss(tokens: Int32Array, next: Int32Array): TfTensor {
    const tf = this.#tf;
    const table = this.#parameters['model.embed_tokens.weight'];
    let x = embedding(tf, tokens)(table);
    for (let layer = 0; layer < this.#configuration.num_hidden_layers; layer++)
      x = this.#layer(`model.layers.${layer}`, x);
    const logits = this.#multiply(this.#normalize(x, 'model.norm'), tf.transpose(table));
    return crossEntropy(tf, next)(logits);
  }

  #layer(name: string, x: TfTensor): TfTensor {
    const tf = this.#tf;
    const attended = tf.add(
      x,
      this.#attend(`${name}.self_attn`, this.#normalize(x, `${name}.input_layernorm`)),
    );
    const y = this.#normalize(attended, `${name}.post_attention_layernorm`);
    const gate = this.#linear(y, `${name}.mlp.gate_proj`);
    const open = tf.mul(tf.mul(gate, tf.sigmoid(gate)), this.#linear(y, `${name}.mlp.up_proj`));
    return tf.add(attended, this.#linear(open, `${name}.mlp.down_proj`));
  }

  #linear(x: TfTensor, name: string): TfTensor {
    return this.#multiply(x, this.#parameters[`${name}.weight`]);
  }

  #normalize(x: TfTensor, name: string): TfTensor {
    const tf = this.#tf;
    const squares = tf.mean(tf.square(x), 1, true);
    const unit = tf.mul(x, tf.rsqrt(tf.add(squares, this.#configuration.rms_norm_eps)));
    return tf.mul(unit, this.#parameters[`${name}.weight`]);
  }

  /** Causal attention of [batch · steps, width]. */
  #attend(name: string, x: TfTensor): TfTensor {
    const tf = this.#tf;
    const query = this.#rotate(this.#heads(this.#linear(x, `${name}.q_proj`)));
    const key = this.#rotate(this.#heads(this.#linear(x, `${name}.k_proj`)));
    const value = this.#heads(this.#linear(x, `${name}.v_proj`));
    const { num_attention_heads: heads, hidden_size } = this.#configuration;
    const together = tf.reshape(this.#attention(query, key, value), [
      this.batch,
      heads,
      this.steps,
      this.#headWidth,
    ]);
    const rows = tf.reshape(tf.transpose(together, [0, 2, 1, 3]), [this.batch * this.steps, hidden_size]);
    return this.#linear(rows, `${name}.o_proj`);
  }

  /** [batch · steps, width] → [batch · heads, steps, width of a head] */
  #heads(x: TfTensor): TfTensor {
    const tf = this.#tf;
    const { num_attention_heads: heads } = this.#configuration;
    const cut = tf.transpose(tf.reshape(x, [this.batch, this.steps, heads, this.#headWidth]), [0, 2, 1, 3]);
    return tf.reshape(cut, [this.batch * heads, this.steps, this.#headWidth]);
  }

  /** Rotary positions (Su et al. 2021): number i of a head and number i + width / 2 are a point, which is turned. */
  #rotate(x: TfTensor): TfTensor {
    const tf = this.#tf;
    const [count, steps, width] = x.shape;
    const half = [count, steps, width / 2];
    const first = tf.slice(x, [0, 0, 0], half);
    const second = tf.slice(x, [0, 0, width / 2], half);
    return tf.concat(
      [
        tf.sub(tf.mul(first, this.#cosines), tf.mul(second, this.#sines)),
        tf.add(tf.mul(second, this.#cosines), tf.mul(first, this.#sines)),
      ],
      2,
    );
  }
}
