/**
 * Operations with gradients of their own. WebAssembly multiplies fast what is one product of two matrices, neither
 * of them transposed; TensorFlow.js would also multiply in other ways, ten times as slowly. And it lacks some gradients.
 */
import { notCounted } from './batches.js';
import type { Save, Tensorflow, TfTensor } from './tensorflow.js';

/** [m, k] · [k, n] */
export function product(tf: Tensorflow): (a: TfTensor, b: TfTensor) => TfTensor {
  return tf.customGrad((a: TfTensor, b: TfTensor, save: Save) => {
    save([a, b]);
    return {
      value: tf.matMul(a, b),
      gradFunc: (dy: TfTensor, [left, right]: TfTensor[]) => [
        tf.matMul(dy, tf.transpose(right)),
        tf.matMul(tf.transpose(left), dy),
      ],
    };
  });
}

/**
 * Causal attention of [count, steps, width], one after the other. The gradient computes the weights anew, as a fused
 * kernel does (Dao et al. 2022, "FlashAttention", algorithm 4), so that nothing needs to be kept of them.
 */
export function attention(
  tf: Tensorflow,
  steps: number,
): (query: TfTensor, key: TfTensor, value: TfTensor) => TfTensor {
  const cell = (i: number) => (i % steps > Math.floor(i / steps) ? Number.NEGATIVE_INFINITY : 0);
  const mask = tf.tensor(
    Float32Array.from({ length: steps * steps }, (_, i) => cell(i)),
    [steps, steps],
  );
  const take = (x: TfTensor, index: number) =>
    tf.reshape(tf.gather(x, tf.tensor1d(Int32Array.of(index), 'int32')), [steps, x.shape[2]]);
  const weights = (query: TfTensor, key: TfTensor) => {
    const scores = tf.mul(tf.matMul(query, tf.transpose(key)), 1 / Math.sqrt(query.shape[1]));
    return tf.softmax(tf.add(scores, mask));
  };

  function forward(query: TfTensor, key: TfTensor, value: TfTensor): TfTensor {
    const indices = Array.from({ length: query.shape[0] }, (_, i) => i);
    return tf.stack(indices.map((i) => tf.matMul(weights(take(query, i), take(key, i)), take(value, i))));
  }

  function gradient(dOutput: TfTensor, query: TfTensor, key: TfTensor, value: TfTensor): TfTensor[] {
    const indices = Array.from({ length: query.shape[0] }, (_, i) => i);
    const parts = indices.map((i) => {
      const [q, k, v, dO] = [query, key, value, dOutput].map((x) => take(x, i));
      const p = weights(q, k);
      const dP = tf.matMul(dO, tf.transpose(v));
      const dS = tf.mul(p, tf.sub(dP, tf.sum(tf.mul(dP, p), 1, true)));
      const scaled = tf.mul(dS, 1 / Math.sqrt(q.shape[1]));
      return [tf.matMul(scaled, k), tf.matMul(tf.transpose(scaled), q), tf.matMul(tf.transpose(p), dO)];
    });
    return [0, 1, 2].map((input) => tf.stack(parts.map((part) => part[input])));
  }

  return tf.customGrad((query: TfTensor, key: TfTensor, value: TfTensor, save: Save) => {
    save([query, key, value]);
    return {
      value: forward(query, key, value),
      gradFunc: (dy: TfTensor, [q, k, v]: TfTensor[]) => gradient(dy, q, k, v),
    };
  });
}

/** The rows of a table that tokens name. */
export function embedding(tf: Tensorflow, tokens: Int32Array): (table: TfTensor) => TfTensor {
  return tf.customGrad((table: TfTensor) => {
    const [rows] = table.shape;
    const gradFunc = (dy: TfTensor) => {
      const chosen = new Float32Array(rows * tokens.length);
      tokens.forEach((token, i) => {
        chosen[token * tokens.length + i] = 1;
      });
      return tf.matMul(tf.tensor(chosen, [rows, tokens.length]), dy);
    };
    return { value: tf.gather(table, tf.tensor1d(tokens, 'int32')), gradFunc };
  });
}

/** The mean of −ln of the probability of what came next, over all tokens but those that are {@link notCounted}. */
export function crossEntropy(tf: Tensorflow, next: Int32Array): (logits: TfTensor) => TfTensor {
  return tf.customGrad((logits: TfTensor, save: Save) => {
    const [rows, columns] = logits.shape;
    const chosen = new Float32Array(rows * columns);
    const counted = Float32Array.from(next, (token) => (token === notCounted ? 0 : 1));
    next.forEach((token, row) => {
      if (token !== notCounted) chosen[row * columns + token] = 1;
    });
    const right = tf.tensor(chosen, [rows, columns]);
    const rowsCounted = tf.tensor(counted, [rows, 1]);
    const count = counted.reduce((sum, one) => sum + one, 0);
    const probabilities = tf.softmax(logits);
    save([probabilities, right, rowsCounted]);
    // ln 1 where nothing counts.
    const ofNext = tf.add(tf.sum(tf.mul(probabilities, right), 1, true), tf.sub(1, rowsCounted));
    return {
      value: tf.div(tf.neg(tf.sum(tf.log(ofNext))), count),
      gradFunc: (dy: TfTensor, [given, wanted, where]: TfTensor[]) =>
        tf.mul(tf.sub(tf.mul(given, where), wanted), tf.div(dy, count)),
    };
  });
}
