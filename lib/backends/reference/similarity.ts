/**
 * Similarity: how alike a query and a key are. The dot product is large when both point the same way,
 * and the longer they are; the cosine looks at the direction alone. Others have learnt what alike means.
 */

import { hostElements } from '../../memory/device-array.js';
import type { AttentionProblem, HeadMatrix, ScoreForm } from '../../problem/problem.js';
import { readElements } from '../../tensor/elements.js';
import type { QueryRow } from './row.js';
import { dot, type Matrix, readSteps } from './vectors.js';

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
  const { score, width } = problem;
  const { keyStart, keySteps } = problem.sequences[entry];
  const start = score?.kind === 'location' ? 0 : keyStart;
  const keys = yield* readSteps(problem.key, start, keySteps, entry, keyHead, width);
  if (score?.kind === 'cosine') {
    for (let key = 0; key < keySteps; key++) normalise(keys.numbers.subarray(key * width, (key + 1) * width));
  }
  return score?.kind === 'additive'
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

function similarityOf({ score, width }: AttentionProblem, row: QueryRow): Similarity {
  const product =
    (query: Float64Array): Similarity =>
    (keys, key) =>
      dot(query, keys, key);
  switch (score?.kind) {
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
  return Float64Array.from({ length: keys.rows }, (_, key) => problem.scale * similarity(keys, key));
}
