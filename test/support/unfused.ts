/**
 * The accuracy of attention without fusing: the matrix of scores and the matrix of weights are both rounded
 * to the storage type, as in a framework that computes them one after the other. Sums are in float32, term by
 * term.
 */
import { Tensor } from '../../lib/tensor/tensor.js';
import type { FloatType, TensorLike } from '../../lib/tensor/types.js';
import { toNumbers } from './numbers.js';

type Rounding = (value: number) => number;

function roundingTo(type: FloatType): Rounding {
  const cell = Tensor.zeros('float64', [1]);
  return (value) => {
    cell.data[0] = value;
    return toNumbers(cell.cast(type))[0];
  };
}

function dotInFloat32(length: number, a: (i: number) => number, b: (i: number) => number): number {
  let sum = 0;
  for (let i = 0; i < length; i++) sum = Math.fround(sum + Math.fround(a(i) * b(i)));
  return sum;
}

function softmaxInFloat32(scores: readonly number[]): number[] {
  const top = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const terms = scores.map((score) => Math.fround(Math.exp(Math.fround(score - top))));
  const total = terms.reduce((sum, term) => Math.fround(sum + term), 0);
  return terms.map((term) => Math.fround(term / total));
}

/** One batch entry and head: query [1, 1, queries, width], key and value [1, 1, keys, …]. Every key is attended. */
export function unfusedAttention(
  type: FloatType,
  query: TensorLike,
  key: TensorLike,
  value: TensorLike,
): Tensor {
  const round = roundingTo(type);
  const [queries, width] = query.dims.slice(2);
  const [keys, valueWidth] = value.dims.slice(2);
  const [q, k, v] = [query, key, value].map(toNumbers);
  const scale = Math.fround(1 / Math.sqrt(width));
  const output = new Float64Array(queries * valueWidth);
  for (let i = 0; i < queries; i++) {
    const scores = Array.from({ length: keys }, (_, j) => {
      const similarity = dotInFloat32(
        width,
        (d) => q[i * width + d],
        (d) => k[j * width + d],
      );
      return round(Math.fround(scale * similarity));
    });
    const weights = softmaxInFloat32(scores).map(round);
    for (let d = 0; d < valueWidth; d++) {
      output[i * valueWidth + d] = dotInFloat32(
        keys,
        (j) => weights[j],
        (j) => v[j * valueWidth + d],
      );
    }
  }
  return new Tensor(output, [1, 1, queries, valueWidth]).cast(type);
}
