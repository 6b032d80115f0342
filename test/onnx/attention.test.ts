import assert from 'node:assert/strict';
import { HeedError } from '../../lib/errors.js';
import { type AttentionInputs, attention } from '../../lib/onnx.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import type { FloatType } from '../../lib/tensor/types.js';
import { eachBackend } from '../support/backends.js';
import { toNumbers } from '../support/numbers.js';
import { Random } from '../support/random.js';
import { attentionOracle } from './attention-oracle.js';
import { expectAllClose } from './compare.js';
import { decode, type NdArray } from './nd-array.js';
import { type DrawnAttention, drawAttention } from './nodes.js';
import { surrounded } from './surrounded.js';

function expected({ inputs, attributes }: DrawnAttention): Record<string, NdArray> {
  const decoded = Object.entries(inputs).map(([name, tensor]) => [name, decode(tensor)]);
  return attentionOracle(Object.fromEntries(decoded), attributes);
}

eachBackend('onnx attention', (backend) => {
  const types: FloatType[] = [
    'float32',
    'float16',
    'bfloat16',
    ...(backend === 'reference' ? ['float64' as const] : []),
  ];
  for (const type of types) {
    it(`is the operator of the specification for any ${type} node`, async () => {
      const random = new Random(`onnx attention ${type}`);
      for (let i = 0; i < 150; i++) {
        const { inputs, ...node } = drawAttention(random, type);
        const placed = Object.entries(inputs).map(([name, input]) => ({ name, ...surrounded(input) }));
        const tensors = Object.fromEntries(placed.map(({ name, tensor }) => [name, tensor]));
        const { attributes, opset, outputs } = node;
        const results = {
          ...(await attention(tensors as never, attributes, { opset, outputs, backend } as never)),
        };
        const right = expected({ inputs, ...node });
        assert.deepEqual(Object.keys(results).sort(), [...outputs].sort());
        for (const [name, tensor] of Object.entries(results)) {
          const wanted = name === 'present_value' ? inputs.V.type : type;
          const what = `${name} of node ${i} ${JSON.stringify({ ...node, inputs: Object.keys(inputs) })}`;
          expectAllClose(tensor, right[name], wanted, what);
        }
        for (const { expectUntouched } of placed) expectUntouched();
      }
    });
  }

  it('gives zeros for queries with no key, whatever the keys hold', async () => {
    const random = new Random('onnx attention without keys');
    const attn_mask = new Tensor(Uint8Array.of(0, 0, 0, 1), [2, 2]);
    const onlyLast = (...last: number[]) => {
      const data = new Float32Array(8).fill(Number.NaN);
      data.set(last, 4);
      return new Tensor(data, [1, 1, 2, 4]);
    };
    const { Y, qk_matmul_output } = await attention(
      {
        Q: random.tensor('float32', [1, 1, 2, 4]),
        K: onlyLast(1, 0, -1, 2),
        V: onlyLast(1, 2, 3, 4),
        attn_mask,
      },
      { qk_matmul_output_mode: 3 },
      { outputs: ['Y', 'qk_matmul_output'], backend },
    );
    const close = (values: number[]) => ({
      dims: [1, 1, 2, values.length / 2],
      values: Float64Array.from(values),
    });
    expectAllClose(Y, close([0, 0, 0, 0, 1, 2, 3, 4]), 'float32', 'Y');
    expectAllClose(qk_matmul_output, close([0, 0, 0, 1]), 'float32', 'weights');
  });

  it('reads a mask of two axes as queries and keys, as ONNX broadcasts', async () => {
    const random = new Random('onnx attention, masks of two axes');
    for (const attn_mask of [random.mask([3, 5], 0.6), random.tensor('float32', [3, 5])]) {
      const tensor = (steps: number) => random.tensor('float32', [3, 2, steps, 4]);
      const node = { Q: tensor(3), K: tensor(5), V: tensor(5) };
      const { Y } = await attention({ ...node, attn_mask }, {}, { backend });
      const four = await attention({ ...node, attn_mask: attn_mask.reshape([1, 1, 3, 5]) }, {}, { backend });
      assert.deepEqual(Y.data, four.Y.data);
      const shorter = { ...node, Q: tensor(2), attn_mask };
      await assert.rejects(attention(shorter, {}, { backend }), { code: 'HEED_SHAPE_MISMATCH' });
    }
  });

  it('answers with what belongs to the past by default, and with Y alone without one', async () => {
    const tensor = () => Tensor.zeros('float32', [1, 1, 2, 4]);
    const node = { Q: tensor(), K: tensor(), V: tensor() };
    assert.deepEqual(Object.keys(await attention(node, {}, { backend })), ['Y']);
    const cached = await attention({ ...node, past_key: tensor(), past_value: tensor() }, {}, { backend });
    assert.deepEqual(Object.keys(cached), ['Y', 'present_key', 'present_value']);
  });

  it('gives present outputs memory of their own', async () => {
    const random = new Random('onnx attention present');
    const [Q, K, V] = [1, 2, 3].map(() => random.tensor('float32', [1, 1, 2, 4]));
    const { present_key } = await attention({ Q, K, V }, {}, { outputs: ['present_key'], backend });
    assert.ok(present_key);
    assert.deepEqual(present_key.data, K.data);
    assert.notEqual(present_key.data.buffer, K.data.buffer);
  });
});

describe('onnx attention, wrong nodes', () => {
  const tensor = (...dims: number[]) => Tensor.zeros('float32', dims);
  const good = () => ({ Q: tensor(2, 4, 3, 8), K: tensor(2, 2, 5, 8), V: tensor(2, 2, 5, 6) });
  const flat = () => ({ Q: tensor(2, 3, 32), K: tensor(2, 5, 16), V: tensor(2, 5, 12) });
  const lengths = (...values: bigint[]) => new Tensor(BigInt64Array.from(values), [values.length]);
  const int64 = Tensor.zeros('int64', [3, 5]);

  type Row = readonly [what: string, code: string, inputs: object, attributes?: object, options?: object];
  const rows: readonly Row[] = [
    ['no inputs', 'HEED_INVALID_ARGUMENT', {}],
    ['an input that does not exist', 'HEED_UNKNOWN_OPTION', { ...good(), query: tensor(1) }],
    ['an attribute that does not exist', 'HEED_UNKNOWN_OPTION', good(), { causal: 1 }],
    ['an option that does not exist', 'HEED_UNKNOWN_OPTION', good(), {}, { output: ['Y'] }],
    ['an output that does not exist', 'HEED_INVALID_ARGUMENT', good(), {}, { outputs: ['y'] }],
    ['an operator set that does not exist', 'HEED_INVALID_ARGUMENT', good(), {}, { opset: 22 }],
    ['a flag that is a boolean', 'HEED_INVALID_ARGUMENT', good(), { is_causal: true }],
    ['a mode that does not exist', 'HEED_INVALID_ARGUMENT', good(), { qk_matmul_output_mode: 4 }],
    ['a precision that does not exist', 'HEED_INVALID_ARGUMENT', good(), { softmax_precision: 7 }],
    ['a window below -1', 'HEED_INVALID_ARGUMENT', good(), { left_window_size: -2 }],
    ['a window in operator set 24', 'HEED_UNKNOWN_OPTION', good(), { right_window_size: 1 }, { opset: 24 }],
    ['a negative scale', 'HEED_INVALID_ARGUMENT', good(), { scale: -1 }],
    ['a negative softcap', 'HEED_INVALID_ARGUMENT', good(), { softcap: -1 }],
    ['head counts for four axes', 'HEED_SHAPE_MISMATCH', good(), { q_num_heads: 4, kv_num_heads: 2 }],
    ['no head counts for three axes', 'HEED_INVALID_ARGUMENT', flat()],
    ['head counts that do not divide', 'HEED_SHAPE_MISMATCH', flat(), { q_num_heads: 5, kv_num_heads: 2 }],
    ['heads in no groups', 'HEED_SHAPE_MISMATCH', { ...good(), Q: tensor(2, 3, 3, 8) }],
    ['axes that differ', 'HEED_SHAPE_MISMATCH', { ...good(), K: tensor(2, 5, 16) }],
    ['two axes', 'HEED_SHAPE_MISMATCH', { Q: tensor(2, 3), K: tensor(2, 3), V: tensor(2, 3) }],
    ['another batch', 'HEED_SHAPE_MISMATCH', { ...good(), V: tensor(1, 2, 5, 6) }],
    ['values for other keys', 'HEED_SHAPE_MISMATCH', { ...good(), V: tensor(2, 2, 4, 6) }],
    ['another head size', 'HEED_SHAPE_MISMATCH', { ...good(), K: tensor(2, 2, 5, 7) }],
    ['another type', 'HEED_TYPE_MISMATCH', { ...good(), K: Tensor.zeros('float16', [2, 2, 5, 8]) }],
    ['integers', 'HEED_UNSUPPORTED_TYPE', { ...good(), Q: Tensor.zeros('int32', [2, 4, 3, 8]) }],
    ['a past key alone', 'HEED_INVALID_ARGUMENT', { ...good(), past_key: tensor(2, 2, 1, 8) }],
    ['a past value alone', 'HEED_INVALID_ARGUMENT', { ...good(), past_value: tensor(2, 2, 1, 6) }],
    [
      'a past of other heads',
      'HEED_SHAPE_MISMATCH',
      { ...good(), past_key: tensor(2, 4, 1, 8), past_value: tensor(2, 2, 1, 6) },
    ],
    [
      'lengths beside a past',
      'HEED_INVALID_ARGUMENT',
      {
        ...good(),
        past_key: tensor(2, 2, 1, 8),
        past_value: tensor(2, 2, 1, 6),
        nonpad_kv_seqlen: lengths(1n, 2n),
      },
    ],
    [
      'lengths in operator set 23',
      'HEED_UNKNOWN_OPTION',
      { ...good(), nonpad_kv_seqlen: lengths(1n, 2n) },
      {},
      { opset: 23 },
    ],
    ['too long a length', 'HEED_INVALID_ARGUMENT', { ...good(), nonpad_kv_seqlen: lengths(6n, 2n) }],
    ['a negative length', 'HEED_INVALID_ARGUMENT', { ...good(), nonpad_kv_seqlen: lengths(-1n, 2n) }],
    ['too few lengths', 'HEED_SHAPE_MISMATCH', { ...good(), nonpad_kv_seqlen: lengths(1n) }],
    [
      'lengths of another type',
      'HEED_TYPE_MISMATCH',
      { ...good(), nonpad_kv_seqlen: Tensor.zeros('int32', [2]) },
    ],
    [
      'present outputs beside lengths',
      'HEED_INVALID_ARGUMENT',
      { ...good(), nonpad_kv_seqlen: lengths(1n, 2n) },
      {},
      { outputs: ['Y', 'present_key'] },
    ],
    ['a mask of integers', 'HEED_UNSUPPORTED_TYPE', { ...good(), attn_mask: int64 }],
    ['a mask that is too long', 'HEED_SHAPE_MISMATCH', { ...good(), attn_mask: tensor(3, 6) }],
    ['a mask of five axes', 'HEED_SHAPE_MISMATCH', { ...good(), attn_mask: tensor(1, 1, 1, 1, 5) }],
    ['a mask of no axes', 'HEED_SHAPE_MISMATCH', { ...good(), attn_mask: tensor() }],
    ['a mask for other queries', 'HEED_SHAPE_MISMATCH', { ...good(), attn_mask: tensor(2, 5) }],
    [
      'a short mask in operator set 23',
      'HEED_SHAPE_MISMATCH',
      { ...good(), attn_mask: tensor(3, 4) },
      {},
      { opset: 23 },
    ],
    [
      'a mask shorter than the valid keys',
      'HEED_SHAPE_MISMATCH',
      { ...good(), attn_mask: tensor(3, 3), nonpad_kv_seqlen: lengths(4n, 2n) },
    ],
    ['a backend that does not exist', 'HEED_INVALID_ARGUMENT', good(), {}, { backend: 'gpu' }],
  ];
  for (const [what, code, inputs, attributes, options] of rows) {
    it(`refuses ${what}`, async () => {
      await assert.rejects(
        attention(inputs as AttentionInputs, attributes, { backend: 'reference', ...options } as never),
        (error) => error instanceof HeedError && error.code === code,
      );
    });
  }

  it('broadcasts the last axis of a mask in operator set 23, and fills it up since', async () => {
    const [Q, K] = [tensor(1, 1, 1, 1), tensor(1, 1, 2, 1)];
    const V = new Tensor(Float32Array.of(2, 4), [1, 1, 2, 1]);
    const attn_mask = tensor(1);
    const results = await Promise.all(
      ([23, 24, 25] as const).map((opset) =>
        attention({ Q, K, V, attn_mask }, {}, { opset, backend: 'reference' }),
      ),
    );
    assert.deepEqual(
      results.map(({ Y }) => toNumbers(Y)),
      [[3], [2], [2]],
    );
  });
});
