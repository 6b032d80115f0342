/** What a head of the model does, according to its scores. */
import type { HeadScores } from './head-scores.js';

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
      meaning: `that has occurred before looks at what followed it then (${scores})`,
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
