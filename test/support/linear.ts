/** An independent implementation of linear maps, in float64. */
import type { TensorLike } from '../../lib/tensor/types.js';
import { toNumbers } from './numbers.js';

export interface LinearMap {
  readonly weight: TensorLike;
  readonly bias?: TensorLike;
}

/**
 * The rows of x times the rows of the weight, row after row. Their number cannot be derived from rows of
 * length 0.
 */
export function linearOracle(
  x: readonly number[],
  { weight, bias }: LinearMap,
  rows = x.length / weight.dims[1],
): number[] {
  const [out, inner] = weight.dims;
  const w = toNumbers(weight);
  const b = bias && toNumbers(bias);
  const y: number[] = [];
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < out; column++) {
      let sum = b ? b[column] : 0;
      for (let i = 0; i < inner; i++) sum += x[row * inner + i] * w[column * inner + i];
      y.push(sum);
    }
  }
  return y;
}

/** [batch, steps, heads · width] → [batch, heads, steps, width] */
export function toHeads(
  rows: readonly number[],
  { batch, steps, heads, width }: { batch: number; steps: number; heads: number; width: number },
): number[] {
  const result: number[] = [];
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      for (let s = 0; s < steps; s++) {
        const at = ((b * steps + s) * heads + h) * width;
        result.push(...rows.slice(at, at + width));
      }
    }
  }
  return result;
}
