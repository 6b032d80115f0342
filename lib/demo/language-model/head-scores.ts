/** What an attention head does, in numbers: the scores of Olsson et al. 2022, "In-context Learning and Induction Heads". */
import { randomUniform } from '../../cli/hashing.js';
import type { LanguageModel } from './language-model.js';
import { byteTokens, endOfText } from './tokenizer.js';

export interface HeadScores {
  /** Counts from 0. */
  readonly layer: number;
  readonly head: number;
  /** How much a token looks at the one before it. */
  readonly previous: number;
  /** How much a token that has occurred before looks at the token that followed it then. */
  readonly induction: number;
}

/**
 * The mean weight, between 0 and 1, over all such tokens of sequences whose second half repeats the first.
 */
const sequences = 4;
const repeated = 100;

/**
 * Measures all heads on sequences of random tokens that are repeated once, where only the repetition predicts
 * anything.
 */
export async function scoreHeads(model: LanguageModel, seed: string): Promise<HeadScores[]> {
  const { num_hidden_layers: layers, num_attention_heads: heads, vocab_size } = model.configuration;
  const draw = randomUniform(seed);
  const drawToken = () => byteTokens + Math.floor(draw() * (vocab_size - byteTokens));
  const scores = Array.from({ length: layers * heads }, () => ({ previous: 0, induction: 0 }));
  for (let sequence = 0; sequence < sequences; sequence++) {
    const tokens = Array.from({ length: repeated }, drawToken);
    const examined = await model.examine([endOfText, ...tokens, ...tokens]);
    examined.heads.flat().forEach((weights, index) => {
      const steps = 2 * repeated + 1;
      for (let step = repeated + 1; step < steps; step++) {
        scores[index].previous += weights[step * steps + step - 1];
        scores[index].induction += weights[step * steps + step - repeated + 1];
      }
    });
  }
  const count = sequences * repeated;
  return scores.map(({ previous, induction }, index) => ({
    layer: Math.floor(index / heads),
    head: index % heads,
    previous: previous / count,
    induction: induction / count,
  }));
}

/** A head that gives most of its weight to one thing is named after it. */
const most = 0.5;

export interface HeadDescription {
  readonly id: string;
  readonly title: string;
  /** A sentence that begins with the token. */
  readonly meaning: string;
}

/** Layers and heads are counted from 1. */
export function describeHead({ layer, head, previous, induction }: HeadScores): HeadDescription {
  const place = { id: `${layer + 1}-${head + 1}`, title: `Layer ${layer + 1}, head ${head + 1}` };
  const scores = `previous token ${previous.toFixed(2)}, induction ${induction.toFixed(2)}`;
  if (induction >= most) {
    return {
      ...place,
      title: `${place.title}: induction`,
      meaning: `that stood before looks at what followed it then (${scores})`,
    };
  }
  if (previous >= most) {
    return {
      ...place,
      title: `${place.title}: previous token`,
      meaning: `looks at the one before it (${scores})`,
    };
  }
  return { ...place, meaning: `looks where training has taught it to look (${scores})` };
}
