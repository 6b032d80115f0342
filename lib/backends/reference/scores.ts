/**
 * Scores: how much one query row wants each key.
 *
 * A score begins as the similarity of query and key. Then it may be capped, biased by a mask and by distance (ALiBi), and finally some keys
 * are out of bounds: they come after the query (causal), are too far from it (window), or the mask
 * says so. Being out of bounds is more than a low score: such a key must not touch the result, not
 * even when it holds NaN. So it is noted apart, in `attended`.
 */

import { hostElements } from '../../memory/device-array.js';
import type { AttentionProblem, MaskView } from '../../problem/problem.js';
import { readElements } from '../../tensor/elements.js';
import type { QueryRow } from './row.js';
import { centerOf } from './selection.js';
import { similarities } from './similarity.js';
import type { Matrix } from './vectors.js';

/** The position of the query among the keys. */
function positionOf({ sequence, step }: QueryRow): number {
  return sequence.queryOffset + step;
}

/** Bends scores smoothly into (−cap, cap), in place. Small scores stay nearly what they are. */
export function cap(scores: Float64Array, softcap: number): void {
  if (softcap === 0) return;
  for (let key = 0; key < scores.length; key++) scores[key] = softcap * Math.tanh(scores[key] / softcap);
}

/** What the mask adds for every key: of a boolean mask, nothing where true and −∞ where false. */
function readMaskRow(mask: MaskView, row: QueryRow, keys: number): Float64Array {
  const { entry, head, step } = row;
  const start = entry * mask.batchStride + head * mask.headStride + step * mask.queryStride;
  const added = new Float64Array(keys);
  if (mask.keyStride === 0) {
    // One element for all keys; without keys the mask may have no element at all.
    if (keys > 0) readElements(mask.type, hostElements(mask.data), start, 1, added);
    added.fill(added[0]);
  } else {
    readElements(mask.type, hostElements(mask.data), start, keys, added);
  }
  if (mask.type === 'bool') {
    for (let key = 0; key < keys; key++) added[key] = added[key] ? 0 : Number.NEGATIVE_INFINITY;
  }
  return added;
}

/** Marks with 1 the keys that position alone allows: inside the windows, and not after the query when causal. */
function inBounds(problem: AttentionProblem, row: QueryRow): Uint8Array {
  const position = positionOf(row);
  let first = position - problem.windowLeft;
  let last = Math.min(position + problem.windowRight, problem.causal ? position : Number.POSITIVE_INFINITY);
  if (problem.select?.kind === 'local') {
    const center = centerOf(problem.select, row);
    first = Math.max(first, Math.ceil(center - problem.select.halfWidth));
    last = Math.min(last, Math.floor(center + problem.select.halfWidth));
  }
  const attended = new Uint8Array(row.sequence.keySteps);
  for (let key = Math.max(first, 0); key < attended.length && key <= last; key++) attended[key] = 1;
  return attended;
}

/**
 * Adds mask and ALiBi to scores and sets them to −∞ where a key may not be attended, in place.
 * Answers which keys may.
 */
export function bias(problem: AttentionProblem, row: QueryRow, scores: Float64Array): Uint8Array {
  const attended = inBounds(problem, row);
  if (problem.mask) {
    const added = readMaskRow(problem.mask, row, scores.length);
    for (let key = 0; key < scores.length; key++) {
      scores[key] += added[key];
      if (added[key] === Number.NEGATIVE_INFINITY) attended[key] = 0;
    }
  }
  if (problem.alibiSlopes) {
    const slope = problem.alibiSlopes[row.head];
    const position = positionOf(row);
    for (let key = 0; key < scores.length; key++) scores[key] += slope * (key - position);
  }
  for (let key = 0; key < scores.length; key++) {
    if (!attended[key]) scores[key] = Number.NEGATIVE_INFINITY;
  }
  return attended;
}

/** All steps at once: the scores that go into the softmax. */
export function scoreRow(
  problem: AttentionProblem,
  row: QueryRow,
  keys: Matrix,
): { scores: Float64Array; attended: Uint8Array } {
  const scores = similarities(problem, row, keys);
  cap(scores, problem.softcap);
  const attended = bias(problem, row, scores);
  return { scores, attended };
}
