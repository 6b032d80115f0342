/** Stories as the sequences of tokens that a model is trained on and measured with. */
import { endOfText, type Tokenizer } from '../../lib/demo/language-model/tokenizer.js';
import { stories } from './stories.js';

export interface Batch {
  /** [batch, steps] */
  readonly tokens: Int32Array;
  /** [batch, steps]: what follows each token, or {@link notCounted}. */
  readonly next: Int32Array;
}

/** Marks a token that cannot be predicted: the loss leaves it out. */
export const notCounted = -1;

/** Every sequence begins with a story; more follow until it is full. The same batches for the same seed. */
export function* batches(
  tokenizer: Tokenizer,
  seed: string,
  batch: number,
  steps: number,
): Generator<Batch, never> {
  const told = stories(seed);
  for (;;) {
    const tokens = new Int32Array(batch * steps);
    const next = new Int32Array(batch * steps);
    for (let row = 0; row < batch; row++) {
      const sequence = [endOfText];
      while (sequence.length <= steps) sequence.push(...tokenizer.encode(told.next().value), endOfText);
      tokens.set(sequence.slice(0, steps), row * steps);
      next.set(sequence.slice(1, steps + 1), row * steps);
    }
    yield { tokens, next };
  }
}
