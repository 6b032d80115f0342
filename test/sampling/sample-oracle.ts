/** Sampling by its definition, one step after the other, on sorted lists. */
import { drawnNoise } from '../support/oracle-draws.js';

export interface OracleSampling {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly repetitionPenalty: number;
  readonly previous: readonly number[];
  readonly seed: number;
  /** Whether penalised logits are rounded to float32. */
  readonly isFloat32?: boolean;
}

interface Chosen {
  readonly token: number;
  /** Whether rounding could have chosen another one. */
  readonly close: boolean;
}

interface Token {
  readonly token: number;
  readonly logit: number;
}

const rounding = 1e-9;

function penalised(logits: readonly number[], given: OracleSampling): Token[] {
  const previous = new Set(given.previous);
  return logits.map((logit, token) => {
    if (!previous.has(token)) return { token, logit };
    const changed = logit < 0 ? logit * given.repetitionPenalty : logit / given.repetitionPenalty;
    return { token, logit: given.isFloat32 === false ? changed : Math.fround(changed) };
  });
}

export function sampleOracle(logits: readonly number[], given: OracleSampling): Chosen {
  const tokens = penalised(logits, given);
  if (tokens.some(({ logit }) => Number.isNaN(logit))) return { token: -1, close: false };
  const order = tokens
    .filter(({ logit }) => logit > -Infinity)
    .sort((a, b) => (a.logit === b.logit ? a.token - b.token : b.logit - a.logit));
  if (order.length === 0) return { token: -1, close: false };
  const [largest] = order;
  if (given.temperature === 0 || largest.logit === Infinity) return { token: largest.token, close: false };
  const best = order.slice(0, given.topK).map(({ token, logit }) => {
    const score = (logit - largest.logit) / given.temperature;
    return { token, score, weight: Math.exp(score) };
  });
  const share = given.topP * best.reduce((sum, { weight }) => sum + weight, 0);
  let close = false;
  let sum = 0;
  const kept = best.filter(({ score, weight }, i) => {
    const before = sum;
    sum += weight;
    close ||= i > 0 && given.topP < 1 && Math.abs(before - share) < rounding * share;
    const probable = weight >= given.minP;
    close ||= given.minP > 0 && Math.abs(score - Math.log(given.minP)) < rounding;
    return (i === 0 || given.topP === 1 || before < share) && probable;
  });
  const noise = drawnNoise({ type: 'hard', seed: given.seed }, 0, 0xffffffff, 0);
  const drawn = kept.map(({ token, score }) => ({ token, sum: score + noise(token) }));
  drawn.sort((a, b) => b.sum - a.sum || a.token - b.token);
  if (drawn.length > 1) close ||= drawn[0].sum - drawn[1].sum < rounding;
  return { token: drawn[0].token, close };
}
