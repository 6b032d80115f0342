/** Continues a text token by token, each drawn from the model's prediction after all tokens before it. */
import type { LanguageModel } from './language-model.js';
import { sample } from './sampling.js';
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
