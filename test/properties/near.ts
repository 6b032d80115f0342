/** Compares element by element, relative to the largest element. */
import assert from 'node:assert/strict';
import type { AttentionDetail, AttentionDetails } from '../../lib/attention/details.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { toNumbers } from '../support/numbers.js';

/** The allowed error of elements when two ways of computing round differently, as a share of their inputs. */
export const elementAccuracy: Readonly<Record<string, number>> = {
  float32: 1e-5,
  float16: 2e-3,
  bfloat16: 1.6e-2,
  float64: 1e-12,
};

function largest(numbers: readonly number[], least: number): number {
  return numbers.reduce((most, x) => (Number.isFinite(x) ? Math.max(most, Math.abs(x)) : most), least);
}

/**
 * The error of an element may not exceed a share of the largest element, or of `least` if all are smaller,
 * because the inputs may have cancelled out.
 */
export function expectNear(
  actual: Tensor,
  expected: Tensor,
  share: number,
  least: number,
  what: string,
): void {
  assert.equal(actual.type, expected.type);
  assert.deepEqual(actual.dims, expected.dims);
  const [a, b] = [toNumbers(actual), toNumbers(expected)];
  const allowed = share * largest(b, least);
  const wrong = a.findIndex((x, i) => x !== b[i] && !(Math.abs(x - b[i]) <= allowed));
  assert.equal(wrong, -1, `${what}[${wrong}] is ${a[wrong]}, expected ${b[wrong]}`);
}

/**
 * The other results of `attentionDetails` may differ by a share; weights by that share of the scores, since
 * e^x turns an absolute error into a relative one.
 */
export function expectDetailsNear(
  actual: AttentionDetails,
  expected: AttentionDetails,
  names: readonly AttentionDetail[],
  share: number,
): void {
  const { biasedScores } = expected;
  assert.ok(biasedScores, 'biasedScores are missing');
  const leastWeight = largest(toNumbers(biasedScores), 1);
  for (const name of names) {
    const [a, b] = [actual[name], expected[name]];
    assert.ok(a && b, `${name} is missing`);
    expectNear(a, b, share, name === 'weights' ? leastWeight : 1, name);
  }
}
