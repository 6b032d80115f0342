/** Continues a text token by token, each drawn from the model's prediction after all tokens before it. */
import type { LanguageModel } from './language-model.js';
import { endOfText } from './tokenizer.js';

export interface Continuation {
  /** The most tokens to write; a text may end before. */
  readonly length: number;
  /** How daring the choice is: 0 takes the likeliest token, 1 draws with the model's probabilities. */
  readonly temperature: number;
  /** Gives a number in [0, 1). */
  readonly draw: () => number;
}

/**
 * @param prompt the beginning of the text; together with the new tokens it must fit into the model's context
 */
export async function* continueText(
  model: LanguageModel,
  prompt: readonly number[],
  { length, temperature, draw }: Continuation,
): AsyncGenerator<number, void> {
  const { vocab_size } = model.configuration;
  using memory = model.makeMemory();
  let unread = prompt;
  for (let count = 0; count < length; count++) {
    const scores = await model.forward(unread, memory);
    const token = sample(scores.subarray(-vocab_size), temperature, draw);
    if (token === endOfText) return;
    yield token;
    unread = [token];
  }
}

/**
 * Draws a token with the probabilities softmax(scores / temperature); with temperature 0, takes the best.
 *
 * @param draw gives a number in [0, 1)
 */
export function sample(scores: Float32Array, temperature: number, draw: () => number): number {
  const best = scores.reduce((top, score, token) => (score > scores[top] ? token : top), 0);
  if (temperature === 0) return best;
  const weights = Float64Array.from(scores, (score) => Math.exp((score - scores[best]) / temperature));
  let rest = draw() * weights.reduce((sum, weight) => sum + weight, 0);
  const token = weights.findIndex((weight) => {
    rest -= weight;
    return rest < 0;
  });
  // Rounding may leave nothing to find.
  return token < 0 ? best : token;
}
