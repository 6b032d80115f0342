/** An independent implementation of T5's relative position biases, as a mask. */
import type { TensorLike } from '../../lib/tensor/types.js';
import { toNumbers } from './numbers.js';

export interface BiasTable {
  /** [buckets, heads] */
  readonly weight: TensorLike;
  readonly bidirectional: boolean;
  readonly maxDistance: number;
}

/** Counts the ranges of distances that begin at or before this one. */
function bucket({ weight, bidirectional, maxDistance }: BiasTable, key: number, query: number): number {
  const all = weight.dims[0];
  const side = bidirectional ? all / 2 : all;
  const offset = bidirectional && key > query ? side : 0;
  const distance = bidirectional ? Math.abs(key - query) : Math.max(query - key, 0);
  const exact = Math.floor(side / 2);
  let begun = Math.min(distance, exact);
  for (let range = 1; exact + range < side; range++) {
    const start = exact * (maxDistance / exact) ** (range / (side - exact));
    if (distance >= start * (1 - 1e-12)) begun++;
  }
  return offset + begun;
}

/**
 * [batch, heads, queries, keys] in float64: the biases and what a mask adds, which broadcasts.
 *
 * @param offsets the position of query row 0, for each batch entry
 */
export function biasedMask(
  table: BiasTable,
  dims: readonly number[],
  offsets: readonly number[],
  mask?: TensorLike,
): TensorLike {
  const [batch, heads, queries, keys] = dims;
  const biases = toNumbers(table.weight);
  const isFloat = mask !== undefined && /float/.test(mask.type);
  const added = mask && toNumbers(mask).map((element) => (isFloat ? element : Math.log(element)));
  const [first, last] = mask?.dims ?? [];
  // Padding of each batch entry, unless it has as many rows as there are queries.
  const isPadding = mask?.dims.length === 2 && first !== 1 && first !== queries;
  const maskDims = isPadding ? [first, 1, 1, last] : (mask?.dims ?? []);
  const data: number[] = [];
  for (let entry = 0; entry < batch; entry++) {
    for (let head = 0; head < heads; head++) {
      for (let query = 0; query < queries; query++) {
        for (let key = 0; key < keys; key++) {
          const index = [entry, head, query, key].slice(4 - maskDims.length);
          const at = maskDims.reduce(
            (sum, length, axis) => sum * length + (length === 1 ? 0 : index[axis]),
            0,
          );
          const more = added?.[at] ?? 0;
          data.push(biases[bucket(table, key, offsets[entry] + query) * heads + head] + more);
        }
      }
    }
  }
  return { type: 'float64', dims, data: Float64Array.from(data) };
}
