/** Compares like the ONNX backend tests: element by element, with absolute and relative tolerance. */
import assert from 'node:assert/strict';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { decode, type NdArray } from './nd-array.js';

/** |actual − expected| ≤ absolute + relative · |expected|, like numpy's allclose. */
const tolerances: Readonly<Record<string, { readonly absolute: number; readonly relative: number }>> = {
  float64: { absolute: 1e-12, relative: 1e-10 },
  float32: { absolute: 1e-5, relative: 1e-3 },
  float16: { absolute: 1e-2, relative: 1e-2 },
  bfloat16: { absolute: 5e-2, relative: 5e-2 },
};

export function expectAllClose(
  actual: Tensor | undefined,
  expected: NdArray,
  type: string,
  name: string,
  precision = type,
): void {
  assert.ok(actual, `${name} is there`);
  assert.equal(actual.type, type, `type of ${name}`);
  assert.deepEqual(actual.dims, expected.dims, `dims of ${name}`);
  const { absolute, relative } = tolerances[precision];
  const { values } = decode(actual);
  for (const [i, right] of expected.values.entries()) {
    const near = Math.abs(values[i] - right) <= absolute + relative * Math.abs(right);
    assert.ok(near || Object.is(values[i], right), `${name}[${i}] is ${values[i]}, expected ${right}`);
  }
}
