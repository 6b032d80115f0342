/** Epilogues of products by their definition, in float64. */
import type { Activation, Epilogue } from '../../problem/problem.js';
import { hostElements, readElements } from '../../tensor/elements.js';
import type { TensorType } from '../../tensor/types.js';

/** Where the series needs more terms than the continued fraction. */
const seriesEnd = 3;

/** Φ(x), the distribution function of the standard normal distribution. */
function normalDistribution(x: number): number {
  const magnitude = Math.abs(x);
  const density = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
  if (magnitude < seriesEnd) {
    // Φ(x) = ½ + φ(x) (x + x³ / 3 + x⁵ / (3 · 5) + …)
    let term = x;
    let sum = x;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
      term *= (x * x) / (2 * n + 1);
      sum += term;
    }
    return 0.5 + density * sum;
  }
  // Φ(−|x|) = φ(x) / (|x| + 1 / (|x| + 2 / (|x| + 3 / …)))
  let fraction = magnitude;
  for (let n = 80; n > 0; n--) fraction = magnitude + n / fraction;
  return x < 0 ? density / fraction : 1 - density / fraction;
}

/** 1 / (1 + e^−x). */
function sigmoid(x: number): number {
  const e = Math.exp(-Math.abs(x));
  return (x < 0 ? e : 1) / (1 + e);
}

const functions: Readonly<Record<Activation, (x: number) => number>> = {
  silu: (x) => x * sigmoid(x),
  gelu: (x) => x * normalDistribution(x),
  'gelu-tanh': (x) => x * sigmoid(Math.sqrt(8 / Math.PI) * x * (1 + 0.044715 * x * x)),
  relu: (x) => Math.max(x, 0),
};

/**
 * @param at where what is returned will be written, in the memory of the residual
 * @returns sums of a head after the epilogue: half as many if they are gated
 */
export function finishSums(
  { activation, gated, softcap, residual }: Epilogue,
  sums: Float64Array,
  type: TensorType,
  at: number,
): Float64Array {
  const activate = activation === undefined ? (x: number) => x : functions[activation];
  const finished = gated
    ? Float64Array.from({ length: sums.length / 2 }, (_, i) => activate(sums[2 * i]) * sums[2 * i + 1])
    : sums.map(activate);
  if (softcap) for (const [i, x] of finished.entries()) finished[i] = softcap * Math.tanh(x / softcap);
  if (residual === undefined) return finished;
  const added = new Float64Array(finished.length);
  readElements(type, hostElements(residual), at, added.length, added);
  return finished.map((x, i) => x + added[i]);
}
