/**
 * Attention the way it is usually written down: the whole matrix of scores, then the whole matrix of
 * weights, then their product with the values. The result is the same; the matrices, queries ×
 * keys, are what fused attention never holds.
 */
import type { AttentionProblem } from '../problem.js';
import { blend, finishRow, type KeyGroup, keyGroups, queryRows } from './attention.js';
import { scoreRow } from './scores.js';
import { softmax } from './softmax.js';

function* attendWhole(problem: AttentionProblem, group: KeyGroup): Generator<void> {
  const matrix = [];
  for (const row of queryRows(problem, group)) {
    matrix.push({ row, ...scoreRow(problem, row, group.keys), logSumExp: Number.NaN });
    yield;
  }
  for (const line of matrix) {
    line.logSumExp = softmax(line.scores, line.attended, problem.sinks?.[line.row.head]);
    yield;
  }
  for (const { row, scores: weights, attended, logSumExp } of matrix) {
    const empty = logSumExp === Number.NEGATIVE_INFINITY;
    const output = empty ? new Float64Array(problem.valueWidth) : blend(weights, attended, group.values);
    finishRow(problem, row, output, logSumExp);
    yield;
  }
}

export function attendUnfused(problem: AttentionProblem): Generator<void> {
  return keyGroups(problem, (group) => attendWhole(problem, group));
}
