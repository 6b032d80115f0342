/**
 * RMSNorm (Zhang and Sennrich 2019, "Root Mean Square Layer Normalization") and LayerNorm (Ba et al. 2016, "Layer
 * Normalization"), and both for rows of a tensor.
 */
import type { NormProblem } from '../../problem/problem.js';
import { hostElements, readElements, writeElements } from '../../tensor/elements.js';

/** Divides the elements of x by their root mean square, in place; centered ones after their mean is subtracted. */
export function standardise(x: Float64Array, centered: boolean, epsilon: number): void {
  let sum = 0;
  for (let i = 0; centered && i < x.length; i++) sum += x[i];
  const mean = sum / x.length;
  let squares = 0;
  for (let i = 0; i < x.length; i++) squares += (x[i] - mean) ** 2;
  const factor = 1 / Math.sqrt(squares / x.length + epsilon);
  for (let i = 0; i < x.length; i++) x[i] = (x[i] - mean) * factor;
}

function factorsOf(given: NormProblem['bias'], width: number): Float64Array {
  const factors = new Float64Array(width);
  if (given) readElements(given.type, hostElements(given.data), 0, width, factors);
  return factors;
}

/** Replaces x by its sum with the residual, which is rounded where it is written. */
function addResidual({ type, width, residual, sum }: NormProblem, start: number, x: Float64Array): void {
  if (!residual || !sum) return;
  const added = new Float64Array(width);
  readElements(type, hostElements(residual), start, width, added);
  for (let i = 0; i < width; i++) added[i] += x[i];
  writeElements(type, hostElements(sum), start, width, added);
  readElements(type, hostElements(sum), start, width, x);
}

export function* normaliseRows(problem: NormProblem): Generator<void> {
  const { rows, width, type, offset, epsilon, centered } = problem;
  const weight = factorsOf(problem.weight, width);
  const bias = factorsOf(problem.bias, width);
  const x = new Float64Array(width);
  const added = new Float64Array(width);
  for (let row = 0; row < rows; row++) {
    readElements(type, hostElements(problem.input), row * width, width, x);
    addResidual(problem, row * width, x);
    standardise(x, centered, epsilon);
    if (problem.addend) readElements(type, hostElements(problem.addend), row * width, width, added);
    for (let i = 0; i < width; i++) x[i] = x[i] * (offset + weight[i]) + bias[i] + added[i];
    writeElements(type, hostElements(problem.output), row * width, width, x);
    yield;
  }
}
