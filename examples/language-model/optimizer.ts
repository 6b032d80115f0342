/** Gradient descent with Adam, with a separate learning rate for the embedding. */
import type { Tensorflow, TfTensor } from './tensorflow.js';

export interface Rates {
  readonly learningRate: number;
  readonly embeddingPace: number;
}

const embedding = 'model.embed_tokens.weight';

export class Optimizer {
  readonly #tf: Tensorflow;
  readonly #embedding: ReturnType<Tensorflow['train']['adam']>;
  readonly #others: ReturnType<Tensorflow['train']['adam']>;

  constructor(tf: Tensorflow, momentum: readonly [number, number]) {
    this.#tf = tf;
    this.#embedding = tf.train.adam(0, ...momentum);
    this.#others = tf.train.adam(0, ...momentum);
  }

  /** One step, against the gradient of the loss. @returns the loss before it */
  minimize(loss: () => TfTensor, { learningRate, embeddingPace }: Rates): TfTensor {
    return this.#tf.tidy(() => {
      const { value, grads } = this.#tf.variableGrads(loss);
      const { [embedding]: ofEmbedding, ...others } = grads;
      this.#embedding.learningRate = embeddingPace * learningRate;
      this.#embedding.applyGradients({ [embedding]: ofEmbedding });
      this.#others.learningRate = learningRate;
      this.#others.applyGradients(others);
      return value;
    });
  }
}
