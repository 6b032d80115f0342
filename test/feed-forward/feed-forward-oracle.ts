/** Feed-forward networks by their definition, in float64. */
import type { FeedForwardWeights } from '../../lib/feed-forward/feed-forward.js';
import type { Activation } from '../../lib/problem/problem.js';
import { linearOracle } from '../support/linear.js';

/** The integral of the density of the standard normal distribution from 0 to x, by Simpson's rule. */
function normalIntegral(x: number): number {
  const end = Math.min(Math.abs(x), 10);
  const intervals = 400;
  const density = (at: number) => Math.exp((-at * at) / 2) / Math.sqrt(2 * Math.PI);
  let sum = density(0) + density(end);
  for (let i = 1; i < intervals; i++) sum += density((end * i) / intervals) * (i % 2 === 0 ? 2 : 4);
  return (Math.sign(x) * sum * end) / (3 * intervals);
}

export const activationOracles: Readonly<Record<Activation, (x: number) => number>> = {
  silu: (x) => x / (1 + Math.exp(-x)),
  gelu: (x) => x * (0.5 + normalIntegral(x)),
  'gelu-tanh': (x) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  relu: (x) => Math.max(x, 0),
};

/** Rows of x through the network, and the residual added. */
export function feedForwardOracle(
  x: readonly number[],
  { gate, up, down }: FeedForwardWeights,
  activation: Activation,
  residual?: readonly number[],
): number[] {
  const rows = x.length / up.weight.dims[1];
  const raised = linearOracle(x, up, rows);
  const activate = activationOracles[activation];
  const hidden = gate
    ? linearOracle(x, gate, rows).map((each, i) => activate(each) * raised[i])
    : raised.map(activate);
  return linearOracle(hidden, down, rows).map((each, i) => each + (residual?.[i] ?? 0));
}
