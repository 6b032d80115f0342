/**
 * A look inside: the scores and weights of chosen query rows. Weights need no second softmax, as an
 * attention that ran before left its log-sum-exp: a weight is exp(score − logSumExp).
 */
import type { RowsProblem } from '../problem.js';
import { bias, cap, type QueryRow, similarities } from './scores.js';
import { type Matrix, readKeyRows, readRow, rowStart } from './vectors.js';

/** Copies one row to an array of them, as far as there are valid keys; `rest` fills what is left. */
function store(
  target: RowsProblem['scores'],
  start: number,
  row: Float64Array,
  keys: number,
  rest: number,
): void {
  if (!target) return;
  for (let key = 0; key < keys; key++) target[start + key] = key < row.length ? row[key] : rest;
}

function showRow(problem: RowsProblem, row: QueryRow, keys: Matrix, start: number): void {
  const { attention } = problem;
  const nothing = Number.NEGATIVE_INFINITY;
  const scores = similarities(row, keys, attention.scale);
  store(problem.scores, start, scores, problem.keys, nothing);
  cap(scores, attention.softcap);
  store(problem.cappedScores, start, scores, problem.keys, nothing);
  bias(attention, row, scores);
  store(problem.biasedScores, start, scores, problem.keys, nothing);
  if (problem.weights && attention.logSumExp) {
    const { data } = attention.logSumExp;
    const logSumExp = Number(data[rowStart(attention.logSumExp, row.entry, row.head, row.step)]);
    // Without a key to attend, −∞ − −∞ would be NaN where the weight is 0.
    const weights = scores.map((score) => (score === nothing ? 0 : Math.exp(score - logSumExp)));
    store(problem.weights, start, weights, problem.keys, 0);
  }
}

export function* showRows(problem: RowsProblem): Generator<void> {
  const { attention, heads, queries } = problem;
  const headsPerKeyHead = attention.queryHeads / attention.keyHeads;
  let start = 0;
  for (const [entry, sequence] of attention.sequences.entries()) {
    for (const head of heads) {
      const keyHead = Math.floor(head / headsPerKeyHead);
      const keys = yield* readKeyRows(attention.key, sequence, entry, keyHead, attention.width);
      for (const step of queries) {
        const query = new Float64Array(attention.width);
        readRow(attention.query, rowStart(attention.query, entry, head, sequence.queryStart + step), query);
        showRow(problem, { entry, head, step, sequence, query }, keys, start);
        start += problem.keys;
        yield;
      }
    }
  }
}
