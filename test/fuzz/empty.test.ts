/**
 * Tests tensors without elements, which may have axes of any length: no allocation and no loop may depend on
 * that length.
 */
import assert from 'node:assert/strict';
import { attention, attentionDetails } from '../../lib/attention/attention.js';
import { mergeAttention } from '../../lib/attention/merge.js';
import { packedAttention } from '../../lib/attention/packed.js';
import { MultiHeadAttention } from '../../lib/multi-head-attention/multi-head-attention.js';
import { attention as onnxAttention, rotaryEmbedding } from '../../lib/onnx.js';
import { packWeight } from '../../lib/projection/packed-weight.js';
import { project } from '../../lib/projection/project.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import type { TensorLike } from '../../lib/tensor/types.js';
import { eachBackend, type TestedBackend } from '../support/backends.js';
import { attentionDetailsModel, attentionModel } from './attention-model.js';
import { isGoodError } from './outcome.js';
import { packedAttentionModel } from './packed-model.js';

const empty = (...dims: number[]): TensorLike => ({ type: 'float32', dims, data: new Float32Array(0) });
const zeros = (...dims: number[]) => Tensor.zeros('float32', dims);
const linear = (columns: number, inner: number) => ({ weight: zeros(columns, inner) });

type Call = (long: number, backend: TestedBackend) => Promise<unknown>;

const layer = (inner: number, backend: TestedBackend) =>
  new MultiHeadAttention(
    { query: linear(4, inner), key: linear(4, inner), value: linear(4, inner) },
    { heads: 1, backend },
  );

const calls: Record<string, Call> = {
  'attention of many heads to no queries': (long, backend) =>
    attention(empty(1, long, 0, 8), zeros(1, 1, 3, 8), zeros(1, 1, 3, 8), { backend }),
  'attention of many entries to no steps': (long, backend) => {
    const tensor = empty(long, 1, 0, 8);
    return attention(tensor, tensor, tensor, { backend });
  },
  'attention of many steps in no entries': (long, backend) => {
    const tensor = empty(0, 1, long, 8);
    return attention(tensor, tensor, tensor, { backend, causal: true });
  },
  'details of many heads without queries': (long, backend) =>
    attentionDetails(empty(1, long, 0, 8), zeros(1, 1, 3, 8), zeros(1, 1, 3, 8), {
      include: ['weights'],
      backend,
    }),
  'details of many steps in no entries': (long, backend) => {
    const tensor = empty(0, 1, long, 8);
    return attentionDetails(tensor, tensor, tensor, { include: ['weights', 'logSumExp'], backend });
  },
  'many sinks that are not there': (long, backend) =>
    attention(empty(1, long, 0, 8), zeros(1, 1, 3, 8), zeros(1, 1, 3, 8), {
      sinks: { length: long },
      backend,
    }),
  'packed attention of many heads to no tokens': (long, backend) => {
    const tensor = empty(0, long, 8);
    return packedAttention(tensor, tensor, tensor, { queryStarts: [0, 0], backend });
  },
  'merging of many rows without any': (long) =>
    mergeAttention([{ output: empty(long, 0, 1), logSumExp: empty(long, 0) }]),
  'projection of many rows to no columns': (long, backend) =>
    project(empty(long, 0), empty(0, 0), undefined, { backend }),
  'projection of no rows to many columns': (long, backend) =>
    project(empty(0, 0), empty(long, 0), undefined, { backend }),
  'projection of no rows to many heads': (long, backend) =>
    project(empty(0, 3, 0), empty(long, 0), undefined, { heads: long, backend }),
  'a weight of many empty columns': async (long, backend) =>
    packWeight(empty(long, 0), { backend }).dispose(),
  'a weight of no columns': async (long, backend) => packWeight(empty(0, long), { backend }).dispose(),
  'a layer without width over many entries': async (long, backend) =>
    layer(0, backend).forward(empty(long, 2, 0)),
  'a layer over many entries without steps': async (long, backend) =>
    layer(2, backend).forward(empty(long, 0, 2)),
  'a layer over many steps in no entries': async (long, backend) =>
    layer(2, backend).forwardDetails(empty(0, long, 2), { include: ['weights'] }),
  'the ONNX operator with many heads of a past without steps': (long, backend) => {
    const tensor = empty(1, long, 0, 8);
    const inputs = { Q: tensor, K: tensor, V: tensor, past_key: tensor, past_value: tensor };
    return onnxAttention(inputs, {}, { backend });
  },
  'the ONNX operator with many entries without steps': (long, backend) => {
    const tensor = empty(long, 1, 0, 8);
    return onnxAttention({ Q: tensor, K: tensor, V: tensor }, {}, { backend, outputs: ['qk_matmul_output'] });
  },
  'a rotation of many heads without width': (long, backend) =>
    rotaryEmbedding(
      { input: empty(long, 1, 1, 0), cos_cache: empty(long, 1, 0), sin_cache: empty(long, 1, 0) },
      {},
      { backend },
    ),
  'a tensor of many rows without elements': async (long) =>
    new Tensor('float32', new Float32Array(0), [long, 0]).cast('int64'),
};

eachBackend('empty tensors with a long axis', (backend) => {
  for (const [name, call] of Object.entries(calls)) {
    it(`${name} take no time`, async () => {
      for (const long of [2 ** 32, 2 ** 40]) {
        try {
          await call(long, backend);
        } catch (error) {
          assert.ok(isGoodError(error), error as Error);
        }
      }
    });
  }
});

describe('the models of attention', () => {
  const long = 2 ** 32 + 1;

  it('know that many heads of nothing are nothing', () => {
    const query = empty(1, long, 0, 8);
    const key = zeros(1, 1, 3, 8);
    assert.deepEqual(attentionModel([query, key, key]), {
      type: 'float32',
      dims: [1, long, 0, 8],
      values: [],
      loose: false,
    });
    const { weights } = attentionDetailsModel([query, key, key, { include: ['weights'] }]);
    assert.deepEqual(weights, { type: 'float32', dims: [1, long, 0, 3], values: [], loose: false });
    const tokens = empty(0, long, 8);
    const packed = packedAttentionModel([tokens, tokens, tokens, { queryStarts: [0, 0] }]);
    assert.deepEqual(packed, { type: 'float32', dims: [0, long, 8], values: [], loose: false });
  });
});
