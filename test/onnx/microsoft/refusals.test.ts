/** What the operators of com.microsoft refuse: by name, and with what to do instead. */
import assert from 'node:assert/strict';
import { HeedError, type HeedErrorCode } from '../../../lib/errors.js';
import { microsoft } from '../../../lib/onnx.js';
import { Tensor } from '../../../lib/tensor/tensor.js';

const float = (...dims: number[]) => Tensor.zeros('float32', dims);
const int32 = (dims: number[], ...values: number[]) => new Tensor('int32', Int32Array.from(values), dims);
const int64 = (dims: number[], value: bigint) =>
  new Tensor('int64', new BigInt64Array(dims.reduce((a, b) => a * b, 1)).fill(value), dims);

/** Replaces inputs and attributes of a good node. */
type Row = readonly [
  what: string,
  code: HeedErrorCode,
  names: RegExp,
  inputs: object,
  attributes?: object,
  options?: object,
];

type Operator = (inputs: never, attributes: never, options?: never) => Promise<object>;

function refuses(
  operator: Operator,
  good: { inputs: object; attributes: object },
  rows: readonly Row[],
): void {
  it('accepts the node that the others differ from', async () => {
    await operator(good.inputs as never, good.attributes as never);
  });
  for (const [what, code, names, inputs, attributes, options] of rows) {
    it(`refuses ${what}`, async () => {
      await assert.rejects(
        operator(
          { ...good.inputs, ...inputs } as never,
          { ...good.attributes, ...attributes } as never,
          options as never,
        ),
        (error) => {
          assert.ok(error instanceof HeedError, String(error));
          assert.equal(error.code, code, error.message);
          assert.match(error.message, names);
          return true;
        },
      );
    });
  }
}

describe('com.microsoft GroupQueryAttention, wrong nodes', () => {
  const inputs = {
    query: float(2, 1, 32),
    key: float(2, 1, 16),
    value: float(2, 1, 16),
    past_key: float(2, 2, 6, 8),
    past_value: float(2, 2, 6, 8),
    seqlens_k: int32([2], 3, 5),
    total_sequence_length: int32([1], 6),
    cos_cache: float(9, 4),
    sin_cache: float(9, 4),
    position_ids: int64([2, 1], 3n),
    attention_bias: float(1, 4, 1, 6),
    head_sink: float(4),
  };
  const attributes = { num_heads: 4, kv_num_heads: 2, do_rotary: 1 };
  refuses(microsoft.groupQueryAttention as Operator, { inputs, attributes }, [
    ['an input that does not exist', 'HEED_UNKNOWN_OPTION', /'Q'/, { Q: float(1) }],
    [
      'an attribute that does not exist',
      'HEED_UNKNOWN_OPTION',
      /did you mean 'do_rotary'/,
      {},
      { do_rotry: 1 },
    ],
    ['an option that does not exist', 'HEED_UNKNOWN_OPTION', /'opset'/, {}, {}, { opset: 1 }],
    [
      'a backend that does not exist',
      'HEED_INVALID_ARGUMENT',
      /options\.backend/,
      {},
      {},
      { backend: 'tpu' },
    ],
    ['no query', 'HEED_INVALID_ARGUMENT', /query/, { query: undefined }],
    ['no lengths', 'HEED_INVALID_ARGUMENT', /seqlens_k/, { seqlens_k: undefined }],
    ['no num_heads', 'HEED_INVALID_ARGUMENT', /num_heads/, {}, { num_heads: undefined }],
    ['heads that form no groups', 'HEED_INVALID_ARGUMENT', /kv_num_heads \(3\)/, {}, { kv_num_heads: 3 }],
    [
      'a quantised key cache',
      'HEED_INVALID_ARGUMENT',
      /k_quant_type .*'NONE'/,
      {},
      { k_quant_type: 'PER_TENSOR' },
    ],
    [
      'a quantised value cache',
      'HEED_INVALID_ARGUMENT',
      /v_quant_type .*'NONE'/,
      {},
      { v_quant_type: 'PER_CHANNEL' },
    ],
    [
      'bits of a quantised cache',
      'HEED_INVALID_ARGUMENT',
      /kv_cache_bit_width/,
      {},
      { kv_cache_bit_width: 8 },
    ],
    ['a scale of keys', 'HEED_INVALID_ARGUMENT', /no k_scale.*pass the cache/, { k_scale: float(1) }],
    ['a scale of values', 'HEED_INVALID_ARGUMENT', /no v_scale.*pass the cache/, { v_scale: float(1) }],
    [
      'a norm of queries',
      'HEED_INVALID_ARGUMENT',
      /no q_norm_weight.*normalise/,
      { q_norm_weight: float(8) },
    ],
    ['a norm of keys', 'HEED_INVALID_ARGUMENT', /no k_norm_weight.*normalise/, { k_norm_weight: float(8) }],
    ['a cache of a window', 'HEED_INVALID_ARGUMENT', /sliding_window_cache/, {}, { sliding_window_cache: 1 }],
    ['a window of nothing', 'HEED_INVALID_ARGUMENT', /local_window_size/, {}, { local_window_size: 0 }],
    [
      'a window without causality',
      'HEED_INVALID_ARGUMENT',
      /local_window_size .*causal/,
      {},
      { causal: 0, local_window_size: 2 },
    ],
    ['causal as a boolean', 'HEED_INVALID_ARGUMENT', /causal/, {}, { causal: true }],
    ['a negative softcap', 'HEED_INVALID_ARGUMENT', /softcap/, {}, { softcap: -1 }],
    ['an infinite scale', 'HEED_INVALID_ARGUMENT', /scale/, {}, { scale: Infinity }],
    ['qk_output of 3', 'HEED_INVALID_ARGUMENT', /qk_output/, {}, { qk_output: 3 }],
    ['smooth_softmax of 2', 'HEED_INVALID_ARGUMENT', /smooth_softmax/, {}, { smooth_softmax: 2 }],
    ['a key without a value', 'HEED_INVALID_ARGUMENT', /value/, { value: undefined }],
    ['a value without a key', 'HEED_INVALID_ARGUMENT', /key/, { key: undefined }],
    ['half a past', 'HEED_INVALID_ARGUMENT', /past_key/, { past_key: undefined }],
    [
      'a packed query of other heads',
      'HEED_SHAPE_MISMATCH',
      /num_heads \+ 2/,
      { key: undefined, value: undefined, query: float(2, 1, 36) },
    ],
    ['a query of four axes', 'HEED_SHAPE_MISMATCH', /query/, { query: float(2, 1, 4, 8) }],
    ['keys of other steps', 'HEED_SHAPE_MISMATCH', /key\.dims/, { key: float(2, 2, 16) }],
    ['values of other widths', 'HEED_SHAPE_MISMATCH', /value\.dims/, { value: float(2, 1, 24) }],
    ['a past of other heads', 'HEED_SHAPE_MISMATCH', /past_key/, { past_key: float(2, 4, 6, 8) }],
    ['lengths for other entries', 'HEED_SHAPE_MISMATCH', /seqlens_k/, { seqlens_k: int32([3], 1, 1, 1) }],
    ['int64 lengths', 'HEED_TYPE_MISMATCH', /seqlens_k/, { seqlens_k: int64([2], 1n) }],
    ['a negative length', 'HEED_INVALID_ARGUMENT', /seqlens_k\.data\[0\]/, { seqlens_k: int32([2], -1, 5) }],
    [
      'a length past the total',
      'HEED_INVALID_ARGUMENT',
      /seqlens_k\.data\[1\]/,
      { seqlens_k: int32([2], 3, 6) },
    ],
    [
      'a total past the cache',
      'HEED_INVALID_ARGUMENT',
      /total_sequence_length/,
      { total_sequence_length: int32([1], 8) },
    ],
    [
      'two totals',
      'HEED_SHAPE_MISMATCH',
      /total_sequence_length/,
      { total_sequence_length: int32([2], 6, 6) },
    ],
    ['do_rotary without angles', 'HEED_INVALID_ARGUMENT', /cos_cache/, { cos_cache: undefined }],
    ['angles that differ', 'HEED_SHAPE_MISMATCH', /sin_cache/, { sin_cache: float(9, 3) }],
    [
      'angles for a wider head',
      'HEED_SHAPE_MISMATCH',
      /cos_cache/,
      { cos_cache: float(9, 5), sin_cache: float(9, 5) },
    ],
    [
      'a position without an angle',
      'HEED_INVALID_ARGUMENT',
      /position_ids\.data\[0\]/,
      { position_ids: int64([2, 1], 9n) },
    ],
    [
      'a default position without an angle',
      'HEED_INVALID_ARGUMENT',
      /the default position_ids\[1\]/,
      { position_ids: undefined, cos_cache: float(5, 4), sin_cache: float(5, 4) },
    ],
    ['positions for other steps', 'HEED_SHAPE_MISMATCH', /position_ids/, { position_ids: int64([2, 2], 1n) }],
    ['a bias for the cache', 'HEED_SHAPE_MISMATCH', /attention_bias/, { attention_bias: float(1, 4, 1, 7) }],
    [
      'a bias that broadcasts along queries',
      'HEED_SHAPE_MISMATCH',
      /attention_bias/,
      { attention_bias: float(4, 1, 6) },
    ],
    ['a sink for other heads', 'HEED_SHAPE_MISMATCH', /head_sink/, { head_sink: float(2) }],
    [
      'an infinite sink',
      'HEED_INVALID_ARGUMENT',
      /head_sink\.data\[0\]/,
      { head_sink: new Tensor(Float32Array.of(-Infinity, 0, 0, 0), [4]) },
    ],
    ['a key of another type', 'HEED_TYPE_MISMATCH', /key/, { key: Tensor.zeros('float16', [2, 1, 16]) }],
    ['float64', 'HEED_UNSUPPORTED_TYPE', /float64/, { query: Tensor.zeros('float64', [2, 1, 32]) }],
  ]);

  it('refuses an entry that is shorter than the new steps', async () => {
    await assert.rejects(
      microsoft.groupQueryAttention(
        {
          query: float(2, 3, 8),
          key: float(2, 3, 8),
          value: float(2, 3, 8),
          past_key: float(2, 1, 4, 8),
          past_value: float(2, 1, 4, 8),
          seqlens_k: int32([2], 1, 5),
          total_sequence_length: int32([], 6),
        },
        { num_heads: 1, kv_num_heads: 1 },
      ),
      (error) =>
        error instanceof HeedError &&
        error.message.includes('seqlens_k.data[0] to be an integer from 2 to 5'),
    );
  });
});

describe('com.microsoft MultiHeadAttention, wrong nodes', () => {
  const inputs = {
    query: float(2, 3, 16),
    key: float(2, 3, 16),
    value: float(2, 3, 8),
    bias: float(40),
    key_padding_mask: int32([2], 2, 3),
    attention_bias: float(1, 1, 3, 7),
    past_key: float(2, 2, 4, 8),
    past_value: float(2, 2, 4, 4),
  };
  const attributes = { num_heads: 2, unidirectional: 1 };
  const packed = { query: float(2, 3, 2, 3, 8), key: undefined, value: undefined, bias: undefined };
  refuses(microsoft.multiHeadAttention as Operator, { inputs, attributes }, [
    ['an input that does not exist', 'HEED_UNKNOWN_OPTION', /'K'/, { K: float(1) }],
    ['an attribute that does not exist', 'HEED_UNKNOWN_OPTION', /'softcap'/, {}, { softcap: 1 }],
    ['an option that does not exist', 'HEED_UNKNOWN_OPTION', /'opset'/, {}, {}, { opset: 1 }],
    [
      'an output that does not exist',
      'HEED_INVALID_ARGUMENT',
      /options\.outputs\[0\]/,
      {},
      {},
      { outputs: ['Y'] },
    ],
    [
      'a backend that does not exist',
      'HEED_INVALID_ARGUMENT',
      /options\.backend/,
      {},
      {},
      { backend: 'tpu' },
    ],
    ['no num_heads', 'HEED_INVALID_ARGUMENT', /num_heads/, {}, { num_heads: undefined }],
    ['num_heads that do not divide', 'HEED_SHAPE_MISMATCH', /num_heads \(3\)/, {}, { num_heads: 3 }],
    [
      'beams',
      'HEED_INVALID_ARGUMENT',
      /no cache_indirection.*order of the beams/,
      { cache_indirection: int32([1, 1, 1], 0) },
    ],
    [
      'more new keys than queries in one direction',
      'HEED_SHAPE_MISMATCH',
      /steps of key .*unidirectional/,
      { query: float(2, 2, 16), attention_bias: undefined },
    ],
    ['unidirectional as a boolean', 'HEED_INVALID_ARGUMENT', /unidirectional/, {}, { unidirectional: true }],
    ['an infinite mask', 'HEED_INVALID_ARGUMENT', /mask_filter_value/, {}, { mask_filter_value: -Infinity }],
    ['a value without a key', 'HEED_INVALID_ARGUMENT', /key/, { key: undefined }],
    ['a query of four axes', 'HEED_SHAPE_MISMATCH', /query/, { query: float(2, 3, 2, 8) }],
    ['a packed query with a key', 'HEED_SHAPE_MISMATCH', /query/, { query: float(2, 3, 2, 3, 8) }],
    [
      'a packed query of two parts',
      'HEED_SHAPE_MISMATCH',
      /query/,
      { ...packed, query: float(2, 3, 2, 2, 8) },
    ],
    [
      'a packed key of three parts',
      'HEED_SHAPE_MISMATCH',
      /key/,
      { bias: undefined, value: undefined, key: float(2, 3, 2, 3, 8) },
    ],
    [
      'a bias of a packed key',
      'HEED_INVALID_ARGUMENT',
      /no bias/,
      { value: undefined, key: float(2, 3, 2, 2, 8), past_value: float(2, 2, 4, 8) },
    ],
    ['a value of other axes than the key', 'HEED_SHAPE_MISMATCH', /value/, { value: float(2, 2, 3, 4) }],
    ['a value of other steps', 'HEED_SHAPE_MISMATCH', /value/, { value: float(2, 4, 8) }],
    ['a bias of another length', 'HEED_SHAPE_MISMATCH', /bias/, { bias: float(48) }],
    ['half a past', 'HEED_INVALID_ARGUMENT', /past_value/, { past_value: undefined }],
    ['a past of other widths', 'HEED_SHAPE_MISMATCH', /past_value/, { past_value: float(2, 2, 4, 8) }],
    [
      'a length of no past',
      'HEED_INVALID_ARGUMENT',
      /past_key/,
      {
        past_key: undefined,
        past_value: undefined,
        attention_bias: undefined,
        past_sequence_length: int32([1], 1),
      },
    ],
    [
      'a past without room for new steps',
      'HEED_INVALID_ARGUMENT',
      /past_sequence_length/,
      { past_sequence_length: int32([1], 2) },
    ],
    [
      'a mask of new keys alone',
      'HEED_SHAPE_MISMATCH',
      /key_padding_mask/,
      { key_padding_mask: int32([2, 3], 1, 1, 1, 1, 1, 1) },
    ],
    [
      'a mask of two ends',
      'HEED_SHAPE_MISMATCH',
      /key_padding_mask/,
      { key_padding_mask: int32([4], 1, 1, 1, 1) },
    ],
    [
      'a length past the keys',
      'HEED_INVALID_ARGUMENT',
      /key_padding_mask\.data\[1\]/,
      { key_padding_mask: int32([2], 2, 8) },
    ],
    [
      'a boolean mask',
      'HEED_TYPE_MISMATCH',
      /key_padding_mask/,
      { key_padding_mask: Tensor.zeros('bool', [2, 7]) },
    ],
    [
      'a bias that broadcasts along queries',
      'HEED_SHAPE_MISMATCH',
      /attention_bias/,
      { attention_bias: float(1, 1, 1, 7) },
    ],
    ['a value of another type', 'HEED_TYPE_MISMATCH', /value/, { value: Tensor.zeros('float16', [2, 3, 8]) }],
    ['float64', 'HEED_UNSUPPORTED_TYPE', /float64/, { query: Tensor.zeros('float64', [2, 3, 16]) }],
    [
      'a head that is too wide',
      'HEED_INVALID_DIMS',
      /head size of query/,
      {
        ...packed,
        query: float(1, 1, 1, 3, 577),
        past_key: undefined,
        past_value: undefined,
        key_padding_mask: undefined,
        attention_bias: undefined,
      },
      { num_heads: 1 },
    ],
  ]);
});

describe('com.microsoft RotaryEmbedding, wrong nodes', () => {
  const inputs = {
    input: float(2, 3, 16),
    position_ids: int64([1], 2n),
    cos_cache: float(6, 4),
    sin_cache: float(6, 4),
  };
  refuses(microsoft.rotaryEmbedding as Operator, { inputs, attributes: {} }, [
    ['an input that does not exist', 'HEED_UNKNOWN_OPTION', /'X'/, { X: float(1) }],
    ['an attribute that does not exist', 'HEED_UNKNOWN_OPTION', /'theta'/, {}, { theta: 1 }],
    ['an option that does not exist', 'HEED_UNKNOWN_OPTION', /'outputs'/, {}, {}, { outputs: ['output'] }],
    ['no positions', 'HEED_INVALID_ARGUMENT', /position_ids/, { position_ids: undefined }],
    ['a scale', 'HEED_INVALID_ARGUMENT', /scale .*caches/, {}, { scale: 2 }],
    ['two axes', 'HEED_SHAPE_MISMATCH', /input/, { input: float(6, 16) }],
    ['num_heads that do not divide', 'HEED_SHAPE_MISMATCH', /num_heads \(3\)/, {}, { num_heads: 3 }],
    ['heads that the caches do not divide', 'HEED_SHAPE_MISMATCH', /cos_cache/, { input: float(2, 3, 12) }],
    [
      'rotary_embedding_dim without num_heads',
      'HEED_INVALID_ARGUMENT',
      /num_heads/,
      {},
      { rotary_embedding_dim: 8 },
    ],
    [
      'an odd rotary_embedding_dim',
      'HEED_INVALID_ARGUMENT',
      /rotary_embedding_dim/,
      {},
      { num_heads: 1, rotary_embedding_dim: 7 },
    ],
    ['caches of another width', 'HEED_SHAPE_MISMATCH', /cos_cache/, {}, { num_heads: 1 }],
    ['caches of three axes', 'HEED_SHAPE_MISMATCH', /cos_cache/, { cos_cache: float(2, 3, 4) }],
    ['caches that differ', 'HEED_SHAPE_MISMATCH', /sin_cache/, { sin_cache: float(5, 4) }],
    [
      'a first position that leads beyond the caches',
      'HEED_INVALID_ARGUMENT',
      /position_ids\.data/,
      { position_ids: int64([1], 4n) },
    ],
    [
      'a negative position',
      'HEED_INVALID_ARGUMENT',
      /position_ids\.data/,
      { position_ids: int64([2, 3], -1n) },
    ],
    ['positions for other steps', 'HEED_SHAPE_MISMATCH', /position_ids/, { position_ids: int64([2, 2], 1n) }],
    [
      'more steps than the caches have rows',
      'HEED_SHAPE_MISMATCH',
      /is_packed_batching/,
      { cos_cache: float(2, 4), sin_cache: float(2, 4), position_ids: int64([2, 3], 0n) },
    ],
    ['int32 positions', 'HEED_TYPE_MISMATCH', /position_ids/, { position_ids: int32([1], 0) }],
    [
      'a cache of another type',
      'HEED_TYPE_MISMATCH',
      /cos_cache/,
      { cos_cache: Tensor.zeros('float16', [6, 4]) },
    ],
    ['float64', 'HEED_UNSUPPORTED_TYPE', /float64/, { input: Tensor.zeros('float64', [2, 3, 16]) }],
  ]);
});
