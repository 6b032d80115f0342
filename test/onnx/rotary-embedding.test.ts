import assert from 'node:assert/strict';
import { HeedError } from '../../lib/errors.js';
import { type RotaryEmbeddingInputs, rotaryEmbedding } from '../../lib/onnx.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { toNumbers } from '../support/numbers.js';
import { Random } from '../support/random.js';
import { expectAllClose } from './compare.js';
import { decode } from './nd-array.js';
import { drawRotaryEmbedding } from './nodes.js';
import { rotaryEmbeddingOracle } from './rotary-embedding-oracle.js';
import { surrounded } from './surrounded.js';

describe('onnx rotaryEmbedding', () => {
  for (const type of ['float32', 'float16', 'bfloat16'] as const) {
    it(`is the operator of the specification for any ${type} node`, async () => {
      const random = new Random(`onnx rotaryEmbedding ${type}`);
      for (let i = 0; i < 150; i++) {
        const { inputs, attributes } = drawRotaryEmbedding(random, type);
        const placed = Object.entries(inputs).map(([name, input]) => ({ name, ...surrounded(input) }));
        const tensors = Object.fromEntries(placed.map(({ name, tensor }) => [name, tensor]));
        const { output } = await rotaryEmbedding(tensors as never, attributes);
        const decoded = Object.fromEntries(
          Object.entries(inputs).map(([name, input]) => [name, decode(input)]),
        );
        const right = rotaryEmbeddingOracle(decoded as never, attributes);
        expectAllClose(output, right, type, `output of node ${i} ${JSON.stringify(attributes)}`);
        for (const { expectUntouched } of placed) expectUntouched();
      }
    });
  }

  it('keeps the length of every pair, and gives the input back at angle 0', async () => {
    const random = new Random('onnx rotaryEmbedding lengths');
    const input = random.tensor('float32', [1, 2, 3, 8]);
    const angles = Array.from({ length: 3 * 4 }, (_, i) => (i < 4 ? 0 : random.uniform(0, 7)));
    const cache = (of: (angle: number) => number) => new Tensor(Float32Array.from(angles, of), [1, 3, 4]);
    const { output } = await rotaryEmbedding({
      input,
      cos_cache: cache(Math.cos),
      sin_cache: cache(Math.sin),
    });
    const [before, after] = [toNumbers(input), toNumbers(output)];
    assert.deepEqual(after.slice(0, 8), before.slice(0, 8));
    for (let head = 0; head < before.length; head += 8) {
      for (let pair = head; pair < head + 4; pair++) {
        const length = (x: number[]) => Math.hypot(x[pair], x[pair + 4]);
        assert.ok(Math.abs(length(before) - length(after)) < 1e-6);
      }
    }
  });

  it('lets the event loop turn while it works', async () => {
    const input = Tensor.zeros('float32', [1, 1, 4096, 512]);
    const cache = Tensor.zeros('float32', [1, 4096, 256]);
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    await rotaryEmbedding({ input, cos_cache: cache, sin_cache: cache });
    clearInterval(timer);
    assert.ok(turns > 0);
  });
});

describe('onnx rotaryEmbedding, wrong nodes', () => {
  const tensor = (...dims: number[]) => Tensor.zeros('float32', dims);
  const good = () => ({
    input: tensor(2, 3, 4, 8),
    cos_cache: tensor(9, 4),
    sin_cache: tensor(9, 4),
    position_ids: ids(0n),
  });
  const ids = (id: bigint) => new Tensor(new BigInt64Array(8).fill(id), [2, 4]);
  const { position_ids: _, ...withoutIds } = good();

  type Row = readonly [what: string, code: string, inputs: object, attributes?: object, options?: object];
  const rows: readonly Row[] = [
    ['no inputs', 'HEED_INVALID_ARGUMENT', {}],
    ['an input that does not exist', 'HEED_UNKNOWN_OPTION', { ...good(), X: tensor(1) }],
    ['an attribute that does not exist', 'HEED_UNKNOWN_OPTION', good(), { theta: 1 }],
    ['an option that does not exist', 'HEED_UNKNOWN_OPTION', good(), {}, { sync: true }],
    ['an operator set that does not exist', 'HEED_INVALID_ARGUMENT', good(), {}, { opset: 1 }],
    ['an output that does not exist', 'HEED_INVALID_ARGUMENT', good(), {}, { outputs: ['Y'] }],
    ['a backend that does not exist', 'HEED_INVALID_ARGUMENT', good(), {}, { backend: 'tpu' }],
    ['two axes', 'HEED_SHAPE_MISMATCH', { ...good(), input: tensor(2, 8) }],
    ['three axes without num_heads', 'HEED_INVALID_ARGUMENT', { ...good(), input: tensor(2, 4, 8) }],
    [
      'num_heads that does not divide',
      'HEED_SHAPE_MISMATCH',
      { ...good(), input: tensor(2, 4, 8) },
      { num_heads: 3 },
    ],
    ['an odd head size', 'HEED_INVALID_ARGUMENT', { ...good(), input: tensor(2, 3, 4, 7) }],
    ['an odd rotary_embedding_dim', 'HEED_INVALID_ARGUMENT', good(), { rotary_embedding_dim: 3 }],
    ['a rotary_embedding_dim beyond the head', 'HEED_INVALID_ARGUMENT', good(), { rotary_embedding_dim: 10 }],
    ['interleaved as a boolean', 'HEED_INVALID_ARGUMENT', good(), { interleaved: true }],
    [
      'float64, which the operator has not',
      'HEED_UNSUPPORTED_TYPE',
      { ...good(), input: Tensor.zeros('float64', [2, 3, 4, 8]) },
    ],
    [
      'a cache of another type',
      'HEED_TYPE_MISMATCH',
      { ...good(), cos_cache: Tensor.zeros('float16', [9, 4]) },
    ],
    [
      'a cache of another width',
      'HEED_SHAPE_MISMATCH',
      { ...good(), cos_cache: tensor(9, 5), sin_cache: tensor(9, 5) },
    ],
    ['caches that differ', 'HEED_SHAPE_MISMATCH', { ...good(), sin_cache: tensor(8, 4) }],
    ['a cache of two axes without position_ids', 'HEED_SHAPE_MISMATCH', withoutIds],
    ['a position beyond the caches', 'HEED_INVALID_ARGUMENT', { ...good(), position_ids: ids(9n) }],
    ['a negative position', 'HEED_INVALID_ARGUMENT', { ...good(), position_ids: ids(-1n) }],
    [
      'positions of another shape',
      'HEED_SHAPE_MISMATCH',
      { ...good(), position_ids: Tensor.zeros('int64', [2, 5]) },
    ],
    [
      'positions of another type',
      'HEED_TYPE_MISMATCH',
      { ...good(), position_ids: Tensor.zeros('int32', [2, 4]) },
    ],
  ];
  for (const [what, code, inputs, attributes, options] of rows) {
    it(`refuses ${what}`, async () => {
      await assert.rejects(
        rotaryEmbedding(inputs as RotaryEmbeddingInputs, attributes, options as never),
        (error) => error instanceof HeedError && error.code === code,
      );
    });
  }
});
