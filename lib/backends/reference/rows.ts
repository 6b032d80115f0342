/**
 * A look inside: the scores and weights of chosen query rows. Weights need no second softmax, as an
 * attention that ran before left its log-sum-exp: a weight is exp(score − logSumExp).
 */
import type { AttentionProblem, RowsProblem } from '../../problem/problem.js';
import { hostElements } from '../../tensor/elements.js';
import { bias, cap, readKeys, similarities } from './scores.js';
import { weighByDistance } from './selection.js';
import { type Matrix, type QueryRow, readRow, rowStart } from './vectors.js';

/** Copies one row to an array of them, as far as there are valid keys; `rest` fills what is left. */
function store(
  target: RowsProblem['scores'],
  start: number,
  row: Float64Array,
  keys: number,
  rest: number,
): void {
  if (!target) return;
  const elements = hostElements(target);
  for (let key = 0; key < keys; key++) elements[start + key] = key < row.length ? row[key] : rest;
}

/** What the values of a row were summed with. */
function weightsOf(problem: AttentionProblem, row: QueryRow, scores: Float64Array): Float64Array {
  const { entry, head, step, sequence } = row;
  if (problem.choices) {
    const { data, start, batchStride, headStride } = problem.choices;
    const choice = hostElements(data)[start + entry * batchStride + head * headStride + step];
    return scores.map((_, key) => (key === choice ? 1 : 0));
  }
  if (!problem.logSumExp) throw new TypeError('Weights are made from log-sum-exps or choices');
  const logSumExp = Number(
    hostElements(problem.logSumExp.data)[
      rowStart(problem.logSumExp, entry, head, sequence.queryStart + step)
    ],
  );
  // Without a key to attend, −∞ − −∞ would be NaN where the weight is 0.
  const weights = scores.map((score) =>
    score === Number.NEGATIVE_INFINITY ? 0 : Math.exp(score - logSumExp),
  );
  const { select } = problem.scoring;
  if (select.kind === 'local') weighByDistance(select, row, weights);
  return weights;
}

function showRow(problem: RowsProblem, row: QueryRow, keys: Matrix, start: number): void {
  const { attention } = problem;
  const outOfBounds = Number.NEGATIVE_INFINITY;
  const scores = similarities(attention, row, keys);
  store(problem.scores, start, scores, problem.keys, outOfBounds);
  cap(scores, attention.scoring.softcap);
  store(problem.cappedScores, start, scores, problem.keys, outOfBounds);
  bias(attention, row, scores);
  store(problem.biasedScores, start, scores, problem.keys, outOfBounds);
  if (problem.weights) store(problem.weights, start, weightsOf(attention, row, scores), problem.keys, 0);
}

/** A row past the end of its sequence wants nothing of any key. */
function showPadding(problem: RowsProblem, start: number): void {
  const nothing = new Float64Array(0);
  for (const scores of [problem.scores, problem.cappedScores, problem.biasedScores]) {
    store(scores, start, nothing, problem.keys, Number.NEGATIVE_INFINITY);
  }
  store(problem.weights, start, nothing, problem.keys, 0);
}

function showStep(
  problem: RowsProblem,
  { entry, head, step, sequence }: Omit<QueryRow, 'query'>,
  keys: Matrix,
  start: number,
): void {
  const { query: view, queryWidth, width } = problem.attention;
  const query = new Float64Array(queryWidth ?? width);
  readRow(view, rowStart(view, entry, head, sequence.queryStart + step), query);
  showRow(problem, { entry, head, step, sequence, query }, keys, start);
}

export function* showRows(problem: RowsProblem): Generator<void> {
  const { attention, heads, queries } = problem;
  const headsPerKeyHead = attention.queryHeads / attention.keyHeads;
  let start = 0;
  for (const [entry, sequence] of attention.sequences.entries()) {
    for (const head of heads) {
      const keyHead = Math.floor(head / headsPerKeyHead);
      const keys = yield* readKeys(attention, entry, keyHead);
      for (const step of queries) {
        if (step < sequence.querySteps) showStep(problem, { entry, head, step, sequence }, keys, start);
        else showPadding(problem, start);
        start += problem.keys;
        yield;
      }
    }
  }
}
