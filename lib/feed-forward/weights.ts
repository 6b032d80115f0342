/** The weights of a feed-forward network, packed so that a tile of its first product holds gates beside what they gate. */
import { type Backend, isQuantised, type WeightElements } from '../backends/backend.js';
import { allocate } from '../checks/data.js';
import { bytesOf } from '../memory/arrays.js';
import type { LinearArgument } from '../multi-head-attention/linear.js';
import { joinBiases, joinWeights, type Product, packTogether } from '../multi-head-attention/weights.js';
import { type QuantisedWeight, type RowRun, takeRows } from '../problem/quantised-weight.js';
import { PackedWeight } from '../projection/packed-weight.js';
import type { Quantisation } from '../projection/quantise-weight.js';
import { hostElements } from '../tensor/elements.js';
import { bytesPerElement, type FloatType } from '../tensor/types.js';

export interface FeedForwardLinears {
  readonly gate: LinearArgument | undefined;
  readonly up: LinearArgument;
  readonly down: LinearArgument;
}

export interface PackedFeedForward {
  /** What is passed to the activation; with a gate, row 2i is that of gate i, and row 2i + 1 what it gates. */
  readonly first: Product;
  readonly down: Product;
}

/** One row of the first half, one of the second, and so on. */
function alternating(rows: number): RowRun[] {
  return Array.from({ length: rows }, (_, i) => ({ first: (i >> 1) + (i & 1) * (rows / 2), count: 1 }));
}

function alternateRows(weight: WeightElements | QuantisedWeight): WeightElements | QuantisedWeight {
  const order = alternating(weight.columns);
  if (isQuantised(weight)) return takeRows(weight, order);
  const { type, columns, inner } = weight;
  const data = allocate(type, columns * inner, 'the weights of a feed-forward network');
  const bytes = inner * bytesPerElement[type];
  const from = bytesOf(hostElements(weight.data));
  const to = bytesOf(data);
  for (const [row, { first }] of order.entries())
    to.set(from.subarray(first * bytes, (first + 1) * bytes), row * bytes);
  return { ...weight, data };
}

function packGated(
  backend: Backend,
  type: FloatType,
  quantisation: Quantisation | undefined,
  linears: readonly [LinearArgument, LinearArgument],
): Product {
  const joint = joinWeights(type, quantisation, linears);
  const biases = joinBiases(linears, joint.columns);
  const order = alternating(joint.columns);
  return {
    weight: PackedWeight.pack(backend, alternateRows(joint)),
    bias: biases && Float64Array.from(order, ({ first }) => biases[first]),
  };
}

/** @param quantisation what weights are rounded to, if they are */
export function packFeedForward(
  backend: Backend,
  type: FloatType,
  quantisation: Quantisation | undefined,
  { gate, up, down }: FeedForwardLinears,
): PackedFeedForward {
  const pack = (linear: LinearArgument) => packTogether(backend, type, quantisation, [linear])[0].product;
  const first = gate ? packGated(backend, type, quantisation, [gate, up]) : pack(up);
  try {
    return { first, down: pack(down) };
  } catch (error) {
    first.weight.dispose();
    throw error;
  }
}
