/**
 * An independent implementation of each score function's formula, one pair of a query and a key at a time.
 */
import type { Score } from '../../lib/attention/options.js';
import type { TensorLike } from '../../lib/tensor/types.js';
import { toNumbers } from './numbers.js';

/** A query and a key with their positions. */
export interface Pair {
  readonly query: readonly number[];
  readonly key: readonly number[];
  readonly head: number;
  readonly keyHead: number;
  /** The key's index in its sequence. */
  readonly j: number;
}

type Similarity = (pair: Pair) => number;

const sum = (terms: readonly number[]) => terms.reduce((total, term) => total + term, 0);

/** A loop, as most of the oracle's time is spent here. */
function dot(a: readonly number[], b: readonly number[]): number {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += a[i] * b[i];
  return total;
}

/** The rows of a head's own matrix, or of the shared one. */
function matricesOf(tensor: TensorLike): (head: number) => readonly number[][] {
  const numbers = toNumbers(tensor);
  const [rows, columns] = tensor.dims.slice(-2);
  const matrices = Array.from({ length: tensor.dims.length === 3 ? tensor.dims[0] : 1 }, (_, head) =>
    Array.from({ length: rows }, (_, r) =>
      numbers.slice((head * rows + r) * columns, (head * rows + r + 1) * columns),
    ),
  );
  return (head) => matrices[tensor.dims.length === 3 ? head : 0];
}

export function similarityOf(score: Score): Similarity {
  if (score === 'scaled-dot' || score === 'dot') return ({ query, key }) => dot(query, key);
  if (score === 'cosine') {
    return ({ query, key }) => {
      const lengths = Math.sqrt(dot(query, query)) * Math.sqrt(dot(key, key));
      return lengths === 0 ? 0 : dot(query, key) / lengths;
    };
  }
  if (score.type === 'general') {
    const weights = matricesOf(score.weight);
    return ({ query, key, head }) => sum(weights(head).map((row, i) => query[i] * dot(row, key)));
  }
  if (score.type === 'location') {
    const weights = matricesOf(score.weight);
    return ({ query, keyHead, j }) => dot(weights(keyHead)[j], query);
  }
  const [w, u] = [matricesOf(score.query), matricesOf(score.key)];
  const v = toNumbers(score.vector);
  const hidden = score.vector.dims[score.vector.dims.length - 1];
  return ({ query, key, head, keyHead }) => {
    const [asking, offering] = [w(head), u(keyHead)];
    const first = score.vector.dims.length === 2 ? head * hidden : 0;
    return sum(asking.map((row, i) => v[first + i] * Math.tanh(dot(row, query) + dot(offering[i], key))));
  };
}
