/**
 * Attention the way it is usually written down: the whole matrix of scores, then the whole matrix of
 * weights, then their product with the values. The result is the same; the matrices, queries ×
 * keys, are what fused attention never holds.
 */
import type { AttentionProblem } from '../../problem/problem.js';
import { blend, finishRow, type KeyGroup, keyGroups, queryRows } from './attention.js';
import { scoreRow } from './scores.js';
import { select } from './selection.js';
import type { QueryRow } from './vectors.js';

interface MatrixRow {
  readonly row: QueryRow;
  readonly scores: Float64Array;
  readonly attended: Uint8Array;
}

function* wholeMatrix(problem: AttentionProblem, group: KeyGroup): Generator<void, MatrixRow[]> {
  const matrix: MatrixRow[] = [];
  for (const row of queryRows(problem, group)) {
    matrix.push({ row, ...scoreRow(problem, row, group.keys) });
    yield;
  }
  return matrix;
}

function* attendWhole(problem: AttentionProblem, group: KeyGroup): Generator<void> {
  const matrix = yield* wholeMatrix(problem, group);
  const logSumExps: number[] = [];
  for (const { row, scores, attended } of matrix) {
    logSumExps.push(select(problem, row, scores, attended));
    yield;
  }
  for (const [i, { row, scores: weights, attended }] of matrix.entries()) {
    finishRow(problem, row, blend(weights, attended, group.values), logSumExps[i]);
    yield;
  }
}

export function attendUnfused(problem: AttentionProblem): Generator<void> {
  return keyGroups(problem, (group) => attendWhole(problem, group));
}
