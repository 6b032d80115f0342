/** Random tokens that repeat: only looking back helps to predict them. */
import { randomUniform } from '../../lib/cli/hashing.js';
import { byteTokens, endOfText } from '../../lib/demo/language-model/tokenizer.js';
import { type Batch, notCounted } from './batches.js';

/**
 * Every sequence has tokens and a period of its own. What follows a token is counted from where the token stood before.
 *
 * @param vocabulary how many tokens there are; those that are one byte are left out
 * @param periods at least, and at most
 */
export function* echoes(
  vocabulary: number,
  seed: string,
  batch: number,
  steps: number,
  [least, most]: readonly [number, number],
): Generator<Batch, never> {
  const draw = randomUniform(seed);
  const between = (low: number, high: number) => low + Math.floor(draw() * (high - low + 1));
  for (;;) {
    const tokens = new Int32Array(batch * steps);
    const next = new Int32Array(batch * steps).fill(notCounted);
    for (let row = 0; row < batch; row++) {
      const period = between(least, most);
      const drawn = Array.from({ length: period }, () => between(byteTokens, vocabulary - 1));
      for (let step = 0; step < steps; step++) {
        tokens[row * steps + step] = step === 0 ? endOfText : drawn[(step - 1) % period];
        if (step > period) next[row * steps + step] = drawn[step % period];
      }
    }
    yield { tokens, next };
  }
}
