/** What attention heads do with repeated random tokens, counted from the weights of a decoder in plain loops. */
import { endOfText } from '../../../lib/cli/language-model/tokenizer.js';
import type { Plain } from './plain-decoder.js';

export interface PlainScores {
  previous: number;
  induction: number;
}

/** @returns for each layer, for each head: means over all tokens of the second halves */
export function plainScores(
  plain: (tokens: readonly number[]) => Plain,
  sequences: number,
  repeated: number,
  drawToken: () => number,
): PlainScores[][] {
  let scores: PlainScores[][] = [];
  for (let sequence = 0; sequence < sequences; sequence++) {
    const tokens = Array.from({ length: repeated }, drawToken);
    const { weights } = plain([endOfText, ...tokens, ...tokens]);
    if (sequence === 0) scores = weights.map((heads) => heads.map(() => ({ previous: 0, induction: 0 })));
    weights.forEach((heads, layer) => {
      heads.forEach((rows, head) => {
        for (const [i] of tokens.entries()) {
          const query = 1 + repeated + i;
          scores[layer][head].previous += rows[query][query - 1] / (sequences * repeated);
          // Where this token stood first is `repeated` before; what followed it, one after that.
          scores[layer][head].induction += rows[query][query - repeated + 1] / (sequences * repeated);
        }
      });
    });
  }
  return scores;
}
