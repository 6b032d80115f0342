/** Embeddings: rows of tables, added in float64 and rounded once. */
import type { EmbeddingProblem } from '../../problem/problem.js';
import { hostElements, readElements, writeElements } from '../../tensor/elements.js';

export function* embed(problem: EmbeddingProblem): Generator<void> {
  const { rows, width, type, tables, scale } = problem;
  const sum = new Float64Array(width);
  const added = new Float64Array(width);
  for (let row = 0; row < rows; row++) {
    for (const [i, { data, ids }] of tables.entries()) {
      readElements(type, hostElements(data), ids[row] * width, width, added);
      for (let d = 0; d < width; d++) sum[d] = i === 0 ? scale * added[d] : sum[d] + added[d];
    }
    writeElements(type, hostElements(problem.output), row * width, width, sum);
    yield;
  }
}
