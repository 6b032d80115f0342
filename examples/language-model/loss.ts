/** How well a model predicts stories. */
import type { Batch } from './batches.js';

/** Gives [tokens, vocabulary] for tokens that begin a text. */
export type Forward = (tokens: readonly number[]) => Promise<Float32Array>;

/** The mean over all tokens of −ln of the probability that the model gave to what followed, in nats. */
export async function lossOf(forward: Forward, { tokens, next }: Batch, steps: number): Promise<number> {
  let sum = 0;
  for (let start = 0; start < tokens.length; start += steps) {
    const logits = await forward([...tokens.subarray(start, start + steps)]);
    const vocabulary = logits.length / steps;
    for (let step = 0; step < steps; step++) {
      const scores = logits.subarray(step * vocabulary, (step + 1) * vocabulary);
      sum -= logProbability(scores, next[start + step]);
    }
  }
  return sum / tokens.length;
}

function logProbability(scores: Float32Array, token: number): number {
  const highest = scores.reduce((most, score) => Math.max(most, score));
  const sum = scores.reduce((total, score) => total + Math.exp(score - highest), 0);
  return scores[token] - highest - Math.log(sum);
}
