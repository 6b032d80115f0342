/** Compares numbers with their expected values. */
import assert from 'node:assert/strict';
import type { Tensor } from '../../lib/tensor/tensor.js';
import type { FloatType, TensorLike } from '../../lib/tensor/types.js';
import type { TestedBackend } from './backends.js';
import { toNumbers } from './numbers.js';

/** The promised accuracy of results, ‖actual − expected‖ / ‖expected‖, on a CPU. */
export const tolerances: Readonly<Record<FloatType, number>> = {
  float32: 3e-6,
  float16: 2e-3,
  bfloat16: 1e-2,
  float64: 1e-12,
};

/** The same on any backend: a GPU sums float32 in another order. */
export function toleranceOf(backend: TestedBackend, type: FloatType): number {
  return backend === 'cuda' && type === 'float32' ? 1e-5 : tolerances[type];
}

function norm(numbers: readonly number[]): number {
  return Math.sqrt(numbers.reduce((sum, x) => sum + x * x, 0));
}

/**
 * ‖actual − expected‖ / ‖expected‖ over the finite elements; all others must be equal. With few elements,
 * their inputs may cancel out, and no float32 sum is that exact: so the norm is at least `least`.
 */
export function relativeError(actual: TensorLike, expected: readonly number[], least = 0): number {
  const numbers = toNumbers(actual);
  assert.equal(numbers.length, expected.length, 'number of elements');
  const differences: number[] = [];
  const references: number[] = [];
  for (const [i, reference] of expected.entries()) {
    if (Number.isFinite(reference)) {
      differences.push(numbers[i] - reference);
      references.push(reference);
    } else {
      assert.equal(numbers[i], reference, `element ${i}`);
    }
  }
  const error = norm(differences);
  return error === 0 ? 0 : error / Math.max(norm(references), least);
}

export function expectClose(
  actual: TensorLike,
  expected: readonly number[],
  tolerance: number,
  what = '',
  least = 0,
): void {
  const error = relativeError(actual, expected, least);
  assert.ok(error <= tolerance, `${what} relative error ${error} exceeds ${tolerance}`);
}

/** Compares bits, so that -0 and NaN must match, too. */
export function expectSameBits(actual: Tensor, expected: Tensor): void {
  assert.equal(actual.type, expected.type);
  assert.deepEqual(actual.dims, expected.dims);
  const bytes = ({ data }: Tensor) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  assert.ok(bytes(actual).equals(bytes(expected)), 'bits differ');
}
