/** Random inputs of attention, and the comparison of a backend's results with the oracle's. */
import { attentionDetailsSync, attentionSync } from '../../lib/attention/attention.js';
import type { AttentionOptions } from '../../lib/attention/options.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { type FloatType, floatTypes } from '../../lib/tensor/types.js';
import type { TestedBackend } from './backends.js';
import { expectClose, toleranceOf } from './compare.js';
import { attentionOracle, type OracleOptions } from './oracle.js';
import { poisoned } from './poison.js';
import type { Random } from './random.js';

export interface InputShape {
  readonly type?: FloatType;
  readonly layout?: 'bhsd' | 'bshd';
  readonly batch?: number;
  readonly heads?: number;
  readonly keyHeads?: number;
  readonly queries?: number;
  readonly keys?: number;
  readonly width?: number;
  readonly valueWidth?: number;
}

export interface Inputs {
  readonly query: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
}

export function dimsOf(layout: 'bhsd' | 'bshd', batch: number, heads: number, steps: number, width: number) {
  return layout === 'bhsd' ? [batch, heads, steps, width] : [batch, steps, heads, width];
}

export function randomInputs(random: Random, shape: InputShape = {}): Inputs {
  const {
    type = 'float32',
    layout = 'bhsd',
    batch = 2,
    heads = 4,
    queries = 9,
    keys = 13,
    width = 16,
  } = shape;
  const { keyHeads = heads, valueWidth = width } = shape;
  return {
    query: random.tensor(type, dimsOf(layout, batch, heads, queries, width)),
    key: random.tensor(type, dimsOf(layout, batch, keyHeads, keys, width)),
    value: random.tensor(type, dimsOf(layout, batch, keyHeads, keys, valueWidth)),
  };
}

export function typesOf(backend: TestedBackend): readonly FloatType[] {
  return backend === 'reference' ? floatTypes : ['float32', 'float16', 'bfloat16'];
}

/** Attention into an output filled with NaN; checks the memory around it. */
export function attend(backend: TestedBackend, inputs: Inputs, options: AttentionOptions = {}): Tensor {
  const { query, key, value } = inputs;
  const out = poisoned(query.type as FloatType, [...query.dims.slice(0, 3), value.dims[3]]);
  attentionSync(query, key, value, { ...options, backend, out: out.tensor });
  out.expectMarginsIntact();
  return out.tensor;
}

/** The smallest magnitude that errors are relative to: values and scores are around 1. */
const least = { output: 0.2, logSumExp: 1 };

/** Compares output and log-sum-exp with the oracle's. */
export function checkAttention(
  backend: TestedBackend,
  inputs: Inputs,
  options: OracleOptions = {},
  what = '',
): void {
  const { query, key, value } = inputs;
  const type = query.type as FloatType;
  const expected = attentionOracle(query, key, value, options);
  const plain = attend(backend, inputs, options);
  expectClose(plain, expected.output, toleranceOf(backend, type), `output ${what}:`, least.output);
  const { output, logSumExp } = attentionDetailsSync(query, key, value, {
    ...options,
    backend,
    include: ['logSumExp'],
  });
  expectClose(
    output,
    expected.output,
    toleranceOf(backend, type),
    `output beside log-sum-exp ${what}:`,
    least.output,
  );
  if (logSumExp) {
    const { score } = options;
    // A GPU rounds Wᵀ q to the type of the queries.
    const rounds = backend === 'cuda' && typeof score === 'object' && score.type === 'general';
    const tolerance =
      type === 'float64' || rounds ? toleranceOf(backend, type) : toleranceOf(backend, 'float32');
    expectClose(logSumExp, expected.logSumExp, tolerance, `log-sum-exp ${what}:`, least.logSumExp);
  }
}

/** The dims of a mask, with four axes where two could be [queries, keys] as well as [batch, keys]. */
export function withOneReading(
  dims: readonly number[],
  [batch, , queries, keys]: readonly number[],
): readonly number[] {
  const isEither = dims.length === 2 && dims[0] === batch && dims[1] === keys && batch === queries;
  return isEither && batch > 1 ? [1, 1, ...dims] : dims;
}
