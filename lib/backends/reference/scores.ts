/**
 * Scores: how much one query row wants each key.
 *
 * A score begins as the similarity of query and key. The dot product is large when both point the same way, and the longer
 * they are; the cosine looks at the direction alone; others have learnt what alike means. Then the score may be capped, and
 * biased by a mask and by distance (ALiBi). Finally some keys are out of bounds: they are too far from the query (a window;
 * causal attention has one that ends at the query), or the mask says so. Being out of bounds is more than a low score: such
 * a key must not touch the result, not even when it holds NaN. So it is noted apart, in `attended`.
 */
import type { AttentionProblem, HeadMatrix, MaskView, ScoreForm, Scoring } from '../../problem/problem.js';
import { hostElements, readElements } from '../../tensor/elements.js';
import { centerOf } from './selection.js';
import { dot, type Matrix, type QueryRow, readSteps } from './vectors.js';

/** The matrix of one head. */
function readMatrix(weight: HeadMatrix, head: number, rows: number, width: number): Matrix {
  const numbers = new Float64Array(rows * width);
  readElements(weight.type, hostElements(weight.data), head * weight.headStride, numbers.length, numbers);
  return { rows, width, numbers };
}

/** M x: a product with each row. */
function multiply(matrix: Matrix, x: Float64Array): Float64Array {
  return Float64Array.from({ length: matrix.rows }, (_, row) => dot(x, matrix, row));
}

/** Mᵀ x: rows, weighed and added up. */
function multiplyTransposed({ rows, width, numbers }: Matrix, x: Float64Array): Float64Array {
  const sum = new Float64Array(width);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < width; i++) sum[i] += x[row] * numbers[row * width + i];
  }
  return sum;
}

/** The same direction at length 1, in place. What has no direction stays all zeros, and is like nothing. */
function normalise(numbers: Float64Array): void {
  const length = Math.hypot(...numbers);
  for (let i = 0; length !== 0 && i < numbers.length; i++) numbers[i] /= length;
}

/** Every row of keys, replaced by its product with a matrix. */
function* multiplyRows(matrix: Matrix, { rows, width, numbers }: Matrix): Generator<void, Matrix> {
  const products = new Float64Array(rows * matrix.rows);
  for (let row = 0; row < rows; row++) {
    const key = numbers.subarray(row * width, (row + 1) * width);
    products.set(multiply(matrix, key), row * matrix.rows);
    yield;
  }
  return { rows, width: matrix.rows, numbers: products };
}

/** The keys of one batch entry and head, with everything done to them that does not depend on a query. */
export function* readKeys(
  problem: AttentionProblem,
  entry: number,
  keyHead: number,
): Generator<void, Matrix> {
  const {
    scoring: { score },
    width,
  } = problem;
  const { keyStart, keySteps } = problem.sequences[entry];
  const start = score.kind === 'location' ? 0 : keyStart;
  const keys = yield* readSteps(problem.key, start, keySteps, entry, keyHead, width);
  if (score.kind === 'cosine') {
    for (let key = 0; key < keySteps; key++) normalise(keys.numbers.subarray(key * width, (key + 1) * width));
  }
  return score.kind === 'additive'
    ? yield* multiplyRows(readMatrix(score.key, keyHead, score.hidden, width), keys)
    : keys;
}

type Similarity = (keys: Matrix, key: number) => number;

/** vᵀ tanh(W q + U k): a small network that has learnt what is alike (Bahdanau et al. 2015). The keys are U k. */
function additive(
  { hidden, query: w, vector: v }: ScoreForm & { kind: 'additive' },
  { head, query }: QueryRow,
): Similarity {
  const asked = multiply(readMatrix(w, head, hidden, query.length), query);
  const vector = readMatrix(v, head, 1, hidden).numbers;
  return ({ numbers }, key) => {
    let sum = 0;
    for (let i = 0; i < hidden; i++) sum += vector[i] * Math.tanh(asked[i] + numbers[key * hidden + i]);
    return sum;
  };
}

function similarityOf({ scoring: { score }, width }: AttentionProblem, row: QueryRow): Similarity {
  const product =
    (query: Float64Array): Similarity =>
    (keys, key) =>
      dot(query, keys, key);
  switch (score.kind) {
    case 'cosine': {
      const direction = row.query.slice();
      normalise(direction);
      return product(direction);
    }
    case 'general':
      // qᵀ W k = (Wᵀ q) · k
      return product(
        multiplyTransposed(readMatrix(score.weight, row.head, row.query.length, width), row.query),
      );
    case 'additive':
      return additive(score, row);
    default:
      return product(row.query);
  }
}

/** scale · similarity for every key. The scale, 1/√width for the scaled dot product, keeps scores of wide vectors from growing with the width. */
export function similarities(problem: AttentionProblem, row: QueryRow, keys: Matrix): Float64Array {
  const similarity = similarityOf(problem, row);
  return Float64Array.from({ length: keys.rows }, (_, key) => problem.scoring.scale * similarity(keys, key));
}

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

/** Marks with 1 the keys that position alone allows: those inside the window. */
function inBounds({ window, select }: Scoring, row: QueryRow): Uint8Array {
  const position = positionOf(row);
  let first = position - window.left;
  let last = position + window.right;
  if (select.kind === 'local') {
    const center = centerOf(select, row);
    first = Math.max(first, Math.ceil(center - select.halfWidth));
    last = Math.min(last, Math.floor(center + select.halfWidth));
  }
  const attended = new Uint8Array(row.sequence.keySteps);
  for (let key = Math.max(first, 0); key < attended.length && key <= last; key++) attended[key] = 1;
  return attended;
}

/** The slope of a row's head: all batch entries share their slopes, or each has its own. */
function slopeOf(slopes: Float64Array, heads: number, { entry, head }: QueryRow): number {
  return slopes[slopes.length > heads ? entry * heads + head : head];
}

/**
 * Adds mask and ALiBi to scores and sets them to −∞ where a key may not be attended, in place.
 * Answers which keys may.
 */
export function bias(
  { scoring, queryHeads }: AttentionProblem,
  row: QueryRow,
  scores: Float64Array,
): Uint8Array {
  const attended = inBounds(scoring, row);
  if (scoring.mask) {
    const added = readMaskRow(scoring.mask, row, scores.length);
    for (let key = 0; key < scores.length; key++) {
      scores[key] += added[key];
      if (added[key] === Number.NEGATIVE_INFINITY) attended[key] = 0;
    }
  }
  if (scoring.alibiSlopes) {
    const slope = slopeOf(scoring.alibiSlopes, queryHeads, row);
    const position = positionOf(row);
    for (let key = 0; key < scores.length; key++) {
      const ahead = key - position;
      scores[key] += slope * (scoring.alibiDistance === 'absolute' ? -Math.abs(ahead) : ahead);
    }
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
  cap(scores, problem.scoring.softcap);
  const attended = bias(problem, row, scores);
  return { scores, attended };
}
