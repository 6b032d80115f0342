/**
 * How a decoder implemented with plain loops handles repeated random tokens, computed from its weights and
 * logits.
 */
import { endOfText } from '../../../lib/demo/language-model/tokenizer.js';
import type { Plain } from './plain-decoder.js';

export interface PlainScores {
  previous: number;
  induction: number;
}

export interface Repetition {
  /** For each layer, for each head: means over all tokens of the second halves. */
  readonly heads: PlainScores[][];
  /**
   * The share of the tokens of second halves, except the first of each, that have the highest logit at their
   * position.
   */
  readonly foretold: number;
}

/** @param lengths the number of random tokens of each sequence, which are then repeated once */
export function plainScores(
  plain: (tokens: readonly number[]) => Plain,
  lengths: readonly number[],
  drawToken: () => number,
): Repetition {
  const total = lengths.reduce((sum, length) => sum + length, 0);
  let heads: PlainScores[][] = [];
  let foretold = 0;
  for (const [sequence, length] of lengths.entries()) {
    const tokens = Array.from({ length }, drawToken);
    const { weights, logits } = plain([endOfText, ...tokens, ...tokens]);
    if (sequence === 0) heads = weights.map((layer) => layer.map(() => ({ previous: 0, induction: 0 })));
    weights.forEach((rowsOfHeads, layer) => {
      rowsOfHeads.forEach((rows, head) => {
        for (const [i] of tokens.entries()) {
          const query = 1 + length + i;
          heads[layer][head].previous += rows[query][query - 1] / total;
          // The first occurrence of this token is `length` tokens before; its successor is one after that.
          heads[layer][head].induction += rows[query][query - length + 1] / total;
        }
      });
    });
    for (const [i, next] of tokens.slice(1).entries()) {
      const row = logits[1 + length + i];
      if (row.indexOf(Math.max(...row)) === next) foretold += 1 / (total - lengths.length);
    }
  }
  return { heads, foretold };
}
