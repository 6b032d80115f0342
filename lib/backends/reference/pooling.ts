/** Pooling: sequences of rows as one row each. */
import type { PoolingProblem } from '../../problem/problem.js';
import { hostElements, readElements, writeElements } from '../../tensor/elements.js';

/** The rows whose mean is taken. */
function range(pooling: PoolingProblem['pooling'], start: number, end: number): [number, number] {
  if (pooling === 'first') return [start, Math.min(start + 1, end)];
  return pooling === 'last' ? [Math.max(end - 1, start), end] : [start, end];
}

export function* pool(problem: PoolingProblem): Generator<void> {
  const { width, type, starts, normalised } = problem;
  const row = new Float64Array(width);
  for (let sequence = 0; sequence + 1 < starts.length; sequence++) {
    const [first, end] = range(problem.pooling, starts[sequence], starts[sequence + 1]);
    const sum = new Float64Array(width);
    for (let step = first; step < end; step++) {
      readElements(type, hostElements(problem.input), step * width, width, row);
      for (let d = 0; d < width; d++) sum[d] += row[d];
    }
    const length = Math.sqrt(sum.reduce((squares, x) => squares + x * x, 0));
    const divisor = normalised ? length : end - first;
    if (divisor !== 0) for (let d = 0; d < width; d++) sum[d] /= divisor;
    writeElements(type, hostElements(problem.output), sequence * width, width, sum);
    yield;
  }
}
