/** Linear maps by the definition, y = x Wᵀ + b, summed in float64. */
import { allocate } from '../../checks/data.js';
import type { HeadNorm, PackedHandle, ProjectionProblem, ProjectionTarget } from '../../problem/problem.js';
import type { QuantisedWeight } from '../../problem/quantised-weight.js';
import { rotatePairs } from '../../rotary/rotate-pairs.js';
import { hostElements, readElements, writeElements } from '../../tensor/elements.js';
import type { TensorType } from '../../tensor/types.js';
import { isQuantised, type WeightElements } from '../backend.js';
import { finishSums } from './epilogue.js';
import { standardise } from './norm.js';
import { multiplyRows, ReferenceQuantisedWeight, type RowProduct } from './quantised-projection.js';

/** A packed weight of the reference: the weight as numbers, [columns, inner]. */
class ReferencePackedWeight implements PackedHandle {
  readonly backend = 'reference';
  readonly location = 'cpu';
  readonly columns: number;
  readonly inner: number;
  readonly byteLength: number;
  readonly numbers: Float64Array;

  constructor(weight: WeightElements) {
    this.columns = weight.columns;
    this.inner = weight.inner;
    this.numbers = numbersOf(weight);
    this.byteLength = this.numbers.byteLength;
  }

  dispose(): void {
    // Nothing to release: running operations may still read the numbers, and the garbage collector frees them.
  }
}

/** Copies a weight, so that the caller's may change afterwards. */
export function packReference(weight: WeightElements | QuantisedWeight): PackedHandle {
  return isQuantised(weight) ? new ReferenceQuantisedWeight(weight) : new ReferencePackedWeight(weight);
}

function numbersOf({
  data,
  type,
  columns,
  inner,
}: Omit<WeightElements, 'type'> & { type: TensorType }): Float64Array {
  const numbers = allocate('float64', columns * inner, 'a weight') as Float64Array;
  readElements(type, hostElements(data), 0, numbers.length, numbers);
  return numbers;
}

function weightOf({ weight, columns, inner }: ProjectionProblem): Float64Array {
  if (weight instanceof ReferencePackedWeight) return weight.numbers;
  if ('data' in weight) return numbersOf({ data: weight.data, type: weight.type, columns, inner });
  throw new TypeError('A weight must be packed by the backend that multiplies with it');
}

function productOf(problem: ProjectionProblem): RowProduct {
  const { weight: given, input, inner } = problem;
  if (given instanceof ReferenceQuantisedWeight) return multiplyRows(given.weight, input.type);
  const weight = weightOf(problem);
  return (x) => (column) => {
    let sum = 0;
    for (let i = 0; i < inner; i++) sum += x[i] * weight[column * inner + i];
    return sum;
  };
}

/** Solves a projection, pausing after every row of x so that the caller may do something else, or stop. */
export function* projectRows(problem: ProjectionProblem): Generator<void> {
  const { rows, inner, columns, input, targets, bias } = problem;
  const product = productOf(problem);
  const x = new Float64Array(inner);
  const y = new Float64Array(columns);
  for (let row = 0; row < rows; row++) {
    readElements(input.type, hostElements(input.data), row * inner, inner, x);
    const sumOf = product(x);
    for (const target of targets) {
      for (let column = target.firstColumn; column < target.firstColumn + target.columns; column++) {
        y[column] = sumOf(column) + (bias ? bias[column] : 0);
      }
      writeRow(problem, target, row, y);
    }
    yield;
  }
}

/** Normalises the heads that belong together, of which this is the first, in place. */
function normalise(norm: HeadNorm, y: Float64Array, at: number, head: number, headWidth: number): void {
  const weight = hostElements(norm.weight);
  const bias = norm.bias && hostElements(norm.bias);
  const width = norm.heads * headWidth;
  const own = norm.shared ? 0 : head * headWidth;
  standardise(y.subarray(at, at + width), norm.centered, norm.epsilon);
  for (let i = 0; i < width; i++) y[at + i] = y[at + i] * weight[own + i] + (bias ? bias[own + i] : 0);
}

/** Cuts a row of y into heads, each normalised, rotated and written to where the view keeps that head's step. */
function writeRow(problem: ProjectionProblem, target: ProjectionTarget, row: number, y: Float64Array): void {
  const { view, firstColumn, columns, headWidth, norm, rotation } = target;
  const { epilogue } = problem;
  const entry = Math.floor(row / problem.steps);
  const step = row % problem.steps;
  for (let head = 0; head * headWidth < columns; head++) {
    if (norm && head % norm.heads === 0) normalise(norm, y, firstColumn + head * headWidth, head, headWidth);
    if (rotation) {
      const pairs = rotation.width / 2;
      const [cos, sin] = [hostElements(rotation.cos), hostElements(rotation.sin)];
      const angles = { cos, sin, start: (row % rotation.rows) * pairs, pairs };
      rotatePairs(y, firstColumn + head * headWidth, angles, rotation.interleaved);
    }
    const at = entry * view.batchStride + head * view.headStride + step * view.stepStride;
    const first = firstColumn + head * headWidth;
    const sums = y.subarray(first, first + headWidth);
    const written = epilogue ? finishSums(epilogue, sums, view.type, at) : sums;
    writeElements(view.type, hostElements(view.data), at, written.length, written);
  }
}
