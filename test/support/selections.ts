/** Common code for tests of selections: inputs with a clear choice, and the chosen keys. */
import assert from 'node:assert/strict';
import { attentionDetailsSync } from '../../lib/attention/attention.js';
import type { AttentionOptions } from '../../lib/attention/options.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { type InputShape, type Inputs, randomInputs } from './attention.js';
import type { TestedBackend } from './backends.js';
import { toNumbers } from './numbers.js';
import { attentionOracle, type OracleOptions } from './oracle.js';
import type { Random } from './random.js';

/** Scores closer than this may swap their order when they are rounded. */
export const enough = 1e-4;

/** Inputs whose best keys have a clear lead. */
export function decidedInputs(random: Random, shape: InputShape, options: OracleOptions): Inputs {
  for (;;) {
    const inputs = randomInputs(random, shape);
    if (attentionOracle(inputs.query, inputs.key, inputs.value, options).lead > enough) return inputs;
  }
}

export function weightsOf(
  backend: TestedBackend,
  { query, key, value }: Inputs,
  options: AttentionOptions,
): Tensor {
  const { weights } = attentionDetailsSync(query, key, value, { ...options, include: ['weights'], backend });
  assert.ok(weights);
  return weights;
}

/** For each row, the key with all the weight, or −1. */
export function choicesOf(backend: TestedBackend, inputs: Inputs, options: AttentionOptions): number[] {
  const weights = weightsOf(backend, inputs, options);
  const keys = weights.dims[3];
  const numbers = toNumbers(weights);
  return Array.from({ length: numbers.length / keys }, (_, row) => {
    const own = numbers.slice(row * keys, (row + 1) * keys);
    assert.ok(own.filter((weight) => weight !== 0).every((weight) => weight === 1));
    assert.ok(own.filter((weight) => weight !== 0).length <= 1);
    return own.indexOf(1);
  });
}

export const everything = {
  layout: 'bshd',
  score: 'cosine',
  scale: 3,
  softcap: 2,
  causal: true,
  window: { left: 9 },
  queryOffset: [11, 15],
  kvLengths: [37, 30],
  alibiSlopes: [0.1, 0.2, 0.3, 0, 0.1, 0.2],
  sinks: [0, 1, -1, 2, 0, 0],
} as const;

export const shape = { batch: 2, heads: 6, keyHeads: 2, queries: 21, keys: 37, width: 24, valueWidth: 20 };
export const few = { ...shape, queries: 2 };
