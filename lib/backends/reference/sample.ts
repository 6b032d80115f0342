/**
 * Choosing a token from a row of logits. First the logits of previous tokens are made smaller (Keskar et al.
 * 2019, "CTRL"), then they are divided by the temperature, and tokens are left out: all but the largest (Fan
 * et al. 2018, "Hierarchical Neural Story Generation"), all but as few as have a share of the probability
 * (Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration"), and those that are much less probable
 * than the largest (Nguyen et al. 2024, "Turning Up the Heat: Min-p Sampling"). Of tokens with the same logit
 * the first comes first. What is left is drawn as keys are (draws.ts), by the seed and the number of the token.
 */
import type { SampleProblem, Sampling } from '../../problem/problem.js';
import { hostElements, readElements } from '../../tensor/elements.js';
import { gumbelNoise } from './draws.js';

/** No head of an attention has this number: the noise of a token is not that of a key. */
const headOfLogits = 0xffffffff;

/** In place; rounded to float32, as logits of that type are. */
function penalise({ previous, repetitionPenalty }: Sampling, type: string, logits: Float64Array): void {
  for (const token of new Set(previous)) {
    const logit = logits[token];
    const changed = logit < 0 ? logit * repetitionPenalty : logit / repetitionPenalty;
    logits[token] = type === 'float64' ? changed : Math.fround(changed);
  }
}

/** The first of the largest logits; −1 where one is NaN, or none is above −∞. */
function largestOf(logits: Float64Array): number {
  let largest = -1;
  for (let token = 0; token < logits.length; token++) {
    if (Number.isNaN(logits[token])) return -1;
    if (logits[token] > (largest < 0 ? Number.NEGATIVE_INFINITY : logits[largest])) largest = token;
  }
  return largest;
}

/** The tokens that topK and topP keep. */
function kept({ topK, topP }: Sampling, logits: Float64Array, scores: Float64Array): Iterable<number> {
  if (topK >= logits.length && topP >= 1) return logits.keys();
  const order = Int32Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a] || a - b);
  const best = order.subarray(0, topK);
  if (topP >= 1) return best;
  let share = topP * best.reduce((sum, token) => sum + Math.exp(scores[token]), 0);
  let count = 0;
  while (count < best.length && (count === 0 || share > 0)) share -= Math.exp(scores[best[count++]]);
  return best.subarray(0, count);
}

function choose(sampling: Sampling, logits: Float64Array): number {
  const largest = largestOf(logits);
  // Where a logit is infinite, it has all the probability.
  if (largest < 0 || sampling.temperature === 0 || logits[largest] === Number.POSITIVE_INFINITY)
    return largest;
  const scores = logits.map((logit) => (logit - logits[largest]) / sampling.temperature);
  const least = Math.log(sampling.minP);
  const noise = gumbelNoise(sampling.seed, 0, headOfLogits, 0);
  let best = Number.NEGATIVE_INFINITY;
  let choice = -1;
  for (const token of kept(sampling, logits, scores)) {
    if (scores[token] < least || scores[token] === Number.NEGATIVE_INFINITY) continue;
    const sum = scores[token] + noise(token);
    if (sum > best || (sum === best && token < choice)) {
      best = sum;
      choice = token;
    }
  }
  return choice;
}

export function* sample({ vocabulary, logits, rows, tokens }: SampleProblem): Generator<void> {
  const numbers = new Float64Array(vocabulary);
  for (const [row, sampling] of rows.entries()) {
    readElements(logits.type, hostElements(logits.data), row * vocabulary, vocabulary, numbers);
    penalise(sampling, logits.type, numbers);
    hostElements(tokens)[row] = choose(sampling, numbers);
    yield;
  }
}
