/**
 * Selection: from scores to the weights that values are summed with. Soft selection takes a share of
 * every value. Hard selection takes one value, that of the best key or of one drawn by its share. Local
 * selection prefers keys around a center that was predicted for the query.
 */
import type { AttentionProblem, SelectionForm } from '../../problem/problem.js';
import { hostElements, readElements } from '../../tensor/elements.js';
import { gumbelNoise, sinkKey } from './draws.js';
import { softmax } from './softmax.js';
import type { QueryRow } from './vectors.js';

type LocalForm = SelectionForm & { kind: 'local' };

/** The key position that a query's window stands around. */
export function centerOf({ centers }: LocalForm, { entry, head, step }: QueryRow): number {
  const center = new Float64Array(1);
  const { batchStride, headStride, queryStride } = centers;
  const at = entry * batchStride + head * headStride + step * queryStride;
  readElements(centers.type, hostElements(centers.data), at, 1, center);
  return center[0];
}

/** Weights times exp(−(j − center)² / (2σ²)), σ = halfWidth / 2, in place; not normalised again (Luong et al. 2015). */
export function weighByDistance(select: LocalForm, row: QueryRow, weights: Float64Array): void {
  const center = centerOf(select, row);
  const sigma = select.halfWidth / 2;
  for (let key = 0; key < weights.length; key++) {
    if (weights[key] !== 0) weights[key] *= Math.exp(-(((key - center) / sigma) ** 2) / 2);
  }
}

/** The key with the largest score, the first of several; −1 if no key has one, or a sink has a larger one. */
function best(
  scores: Float64Array,
  attended: Uint8Array,
  sink: number | undefined,
  noise: (key: number) => number,
): number {
  let choice = -1;
  let highest = Number.NEGATIVE_INFINITY;
  for (let key = 0; key < scores.length; key++) {
    if (!attended[key]) continue;
    const score = scores[key] + noise(key);
    // NaN counts as best: it must not pass unseen.
    if (!(score <= highest) && !Number.isNaN(highest)) {
      highest = score;
      choice = key;
    }
  }
  return choice >= 0 && sink !== undefined && sink + noise(sinkKey) > highest ? -1 : choice;
}

function choose(
  problem: AttentionProblem,
  row: QueryRow,
  scores: Float64Array,
  attended: Uint8Array,
): number {
  const { select, sinks } = problem.scoring;
  const position = row.sequence.queryOffset + row.step;
  const noise = select.kind === 'drawn' ? gumbelNoise(select.seed, row.entry, row.head, position) : () => 0;
  return best(scores, attended, sinks?.[row.head], noise);
}

/** Writes which key a row has chosen to where the problem wants it. */
function recordChoice({ choices }: AttentionProblem, { entry, head, step }: QueryRow, choice: number): void {
  if (!choices) return;
  const { data, start, batchStride, headStride } = choices;
  hostElements(data)[start + entry * batchStride + head * headStride + step] = choice;
}

/**
 * Turns scores into the weights of the values, in place, leaves as attended the keys whose values
 * count, and answers the log-sum-exp of the scores.
 */
export function select(
  problem: AttentionProblem,
  row: QueryRow,
  scores: Float64Array,
  attended: Uint8Array,
): number {
  const { select: form, sinks } = problem.scoring;
  const sink = sinks?.[row.head];
  if (form.kind !== 'hard' && form.kind !== 'drawn') {
    const logSumExp = softmax(scores, attended, sink);
    if (form.kind === 'local') weighByDistance(form, row, scores);
    return logSumExp;
  }
  const choice = choose(problem, row, scores, attended);
  recordChoice(problem, row, choice);
  const logSumExp = softmax(scores, attended, sink);
  scores.fill(0);
  attended.fill(0);
  if (choice >= 0) scores[choice] = attended[choice] = 1;
  return logSumExp;
}
