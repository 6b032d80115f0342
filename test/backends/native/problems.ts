/** Attention that is large enough to run for a while, as plain problems for the native backend. */
import assert from 'node:assert/strict';
import type { Backend } from '../../../lib/backends/backend.js';
import { nativeBackend } from '../../../lib/backends/native/native.js';
import type { AttentionProblem, View } from '../../../lib/problem/problem.js';
import { Random } from '../../support/random.js';

export function cpu(): Backend {
  const backend = nativeBackend();
  assert.ok(backend, 'the native backend is not there');
  return backend;
}

export interface Shape {
  readonly heads?: number;
  readonly queries: number;
  readonly keys: number;
  readonly width?: number;
}

export interface Arrays {
  readonly query: Float32Array;
  readonly key: Float32Array;
  readonly value: Float32Array;
  readonly output: Float32Array;
}

interface HostView extends View {
  readonly data: Float32Array;
}

/** A problem with direct access to its output. */
interface HostProblem extends AttentionProblem {
  readonly output: HostView;
}

function view(data: Float32Array, heads: number, width: number): HostView {
  const steps = data.length / heads / width;
  return { data, type: 'float32', batchStride: data.length, headStride: steps * width, stepStride: width };
}

/** Random inputs and a poisoned output. */
export function randomArrays(
  shape: Shape,
  allocate: (length: number) => Float32Array = (length) => new Float32Array(length),
): Arrays {
  const { heads = 1, queries, keys, width = 64 } = shape;
  const random = new Random('native problems');
  const filled = (steps: number) => {
    const array = allocate(heads * steps * width);
    // Repeats few numbers: drawing millions would take longer than the attention.
    const numbers = Array.from({ length: 1009 }, () => random.normal());
    for (let i = 0; i < array.length; i++) array[i] = numbers[i % 1009];
    return array;
  };
  return {
    query: filled(queries),
    key: filled(keys),
    value: filled(keys),
    output: allocate(heads * queries * width).fill(Number.NaN),
  };
}

export function attentionProblem(shape: Shape, arrays: Arrays): HostProblem {
  const { heads = 1, queries, keys, width = 64 } = shape;
  return {
    kind: 'attention',
    queryHeads: heads,
    keyHeads: heads,
    width,
    valueWidth: width,
    query: view(arrays.query, heads, width),
    key: view(arrays.key, heads, width),
    value: view(arrays.value, heads, width),
    output: view(arrays.output, heads, width),
    sequences: [
      { queryStart: 0, querySteps: queries, keyStart: 0, keySteps: keys, queryOffset: keys - queries },
    ],
    scoring: {
      score: { kind: 'product' },
      scale: 1 / Math.sqrt(width),
      softcap: 0,
      window: { left: Number.POSITIVE_INFINITY, right: Number.POSITIVE_INFINITY },
      alibiDistance: 'signed',
      select: { kind: 'soft' },
    },
  };
}

export function randomProblem(shape: Shape): HostProblem {
  return attentionProblem(shape, randomArrays(shape));
}

/** Sanitized code is slow, so it gets less work. */
const sanitized = process.env.HEED_TEST_SANITIZED === '1';

/** Several tenths of a second on one core, in hundreds of tasks. */
const steps = sanitized ? 1024 : 4096;
export const longShape: Shape = { heads: 8, queries: steps, keys: steps };

/** At least a tenth of a second in a single task: all rows belong to one block. */
export const longTaskShape: Shape = { queries: 64, keys: sanitized ? 1 << 16 : 1 << 19 };

export function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
