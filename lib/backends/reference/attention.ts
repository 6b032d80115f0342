/**
 * Attention: every query row looks at all keys, decides how much it wants each (scores), turns that
 * into shares (softmax), and takes that share of each key's value. The result is a blend of values:
 * mostly those whose keys are like the query.
 *
 * Heads do this side by side, each with queries, keys and values of its own, so that a model can
 * look for several things at once. When there are fewer key heads than query heads, consecutive
 * query heads share one.
 */

import type { AttentionProblem } from '../../problem/problem.js';
import { hostElements } from '../../tensor/elements.js';
import { readKeys, scoreRow } from './scores.js';
import { select } from './selection.js';
import { type Matrix, type QueryRow, readRow, readSteps, rowStart, writeRow } from './vectors.js';

/**
 * The weighted sum of values. A key that may not be attended is left out rather than weighted with 0, because
 * 0 · NaN is NaN.
 */
export function blend(weights: Float64Array, attended: Uint8Array, values: Matrix): Float64Array {
  const { numbers, width } = values;
  const output = new Float64Array(width);
  for (let key = 0; key < values.rows; key++) {
    if (!attended[key]) continue;
    const weight = weights[key];
    const start = key * width;
    for (let i = 0; i < width; i++) output[i] += weight * numbers[start + i];
  }
  return output;
}

/** Everything that query rows of one batch entry and one key head need. */
export interface KeyGroup {
  readonly entry: number;
  readonly keyHead: number;
  readonly keys: Matrix;
  readonly values: Matrix;
}

/** Reads keys and values once for all the query heads that share them. */
export function* keyGroups(
  problem: AttentionProblem,
  visit: (group: KeyGroup) => Generator<void>,
): Generator<void> {
  for (const [entry, sequence] of problem.sequences.entries()) {
    // Without queries the keys are not read; there may also be any number of heads then.
    if (sequence.querySteps === 0) continue;
    for (let keyHead = 0; keyHead < problem.keyHeads; keyHead++) {
      const keys = yield* readKeys(problem, entry, keyHead);
      const values = yield* readSteps(
        problem.value,
        sequence.keyStart,
        sequence.keySteps,
        entry,
        keyHead,
        problem.valueWidth,
      );
      yield* visit({ entry, keyHead, keys, values });
    }
  }
}

/** The query rows that share a group's keys: those of consecutive heads. */
export function* queryRows(problem: AttentionProblem, { entry, keyHead }: KeyGroup): Generator<QueryRow> {
  const sequence = problem.sequences[entry];
  const headsPerKeyHead = problem.queryHeads / problem.keyHeads;
  for (let i = 0; i < headsPerKeyHead; i++) {
    const head = keyHead * headsPerKeyHead + i;
    for (let step = 0; step < sequence.querySteps; step++) {
      const query = new Float64Array(problem.queryWidth ?? problem.width);
      readRow(problem.query, rowStart(problem.query, entry, head, sequence.queryStart + step), query);
      yield { entry, head, step, sequence, query };
    }
  }
}

/** Writes the results of one row to where the problem wants them. */
export function finishRow(
  problem: AttentionProblem,
  { entry, head, step, sequence }: QueryRow,
  output: Float64Array,
  logSumExp: number,
): void {
  const outputStep = sequence.queryStart + step;
  writeRow(problem.output, rowStart(problem.output, entry, head, outputStep), output);
  if (problem.logSumExp) {
    hostElements(problem.logSumExp.data)[rowStart(problem.logSumExp, entry, head, outputStep)] = logSumExp;
  }
}

function attendRow(problem: AttentionProblem, row: QueryRow, { keys, values }: KeyGroup): void {
  const { scores, attended } = scoreRow(problem, row, keys);
  const logSumExp = select(problem, row, scores, attended);
  finishRow(problem, row, blend(scores, attended, values), logSumExp);
}

/** Solves the problem row by row, pausing after each so that the caller can do other work. */
export function attend(problem: AttentionProblem): Generator<void> {
  return keyGroups(problem, function* (group) {
    for (const row of queryRows(problem, group)) {
      attendRow(problem, row, group);
      yield;
    }
  });
}
