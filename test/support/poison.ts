/** Outputs that show whether every element was written, and nothing around them. */
import assert from 'node:assert/strict';
import { Tensor } from '../../lib/tensor/tensor.js';
import type { FloatType } from '../../lib/tensor/types.js';

const canary = 0xa5;
const marginElements = 67;

const widths: Readonly<Record<FloatType, number>> = { float32: 4, float64: 8, float16: 2, bfloat16: 2 };

export interface PoisonedTensor {
  /** Filled with NaN, inside a larger buffer. */
  readonly tensor: Tensor;
  /** Throws if a byte next to the tensor has changed. */
  expectMarginsIntact(): void;
}

function view(type: FloatType, buffer: ArrayBuffer, offset: number, length: number) {
  switch (type) {
    case 'float32':
      return new Float32Array(buffer, offset, length).fill(Number.NaN);
    case 'float64':
      return new Float64Array(buffer, offset, length).fill(Number.NaN);
    default:
      // A NaN in both 16-bit formats.
      return new Uint16Array(buffer, offset, length).fill(0x7fff);
  }
}

export function poisoned(type: FloatType, dims: readonly number[]): PoisonedTensor {
  const size = dims.reduce((product, length) => product * length, 1);
  const margin = marginElements * widths[type];
  const inner = size * widths[type];
  const bytes = new Uint8Array(margin + inner + margin).fill(canary);
  const tensor = new Tensor(type, view(type, bytes.buffer, margin, size), dims);
  return {
    tensor,
    expectMarginsIntact() {
      const margins = [bytes.subarray(0, margin), bytes.subarray(margin + inner)];
      assert.ok(
        margins.every((part) => part.every((byte) => byte === canary)),
        'written past the output',
      );
    },
  };
}
