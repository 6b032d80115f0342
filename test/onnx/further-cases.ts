/**
 * The ONNX backend tests whose numbers are not in test/conformance, by name, shape and attributes. Inputs are
 * drawn for each run, and the oracles give the expected results.
 */
import type { TensorType } from '../../lib/tensor/types.js';

/** Type and dims, and the elements if the test specifies them. */
export type Recipe = readonly [type: TensorType, dims: readonly number[], values?: readonly number[]];

export interface FurtherCase {
  readonly name: string;
  readonly opset: 23 | 24 | 25;
  readonly attributes?: Record<string, number>;
  readonly inputs: Record<string, Recipe>;
  readonly outputs: readonly string[];
}

const float = (...dims: number[]): Recipe => ['float32', dims];
const half = (...dims: number[]): Recipe => ['float16', dims];

const q4 = float(2, 3, 4, 8);
const k4 = float(2, 3, 6, 8);
const v10 = float(2, 3, 6, 10);
const past8 = float(2, 3, 12, 8);
const past10 = float(2, 3, 12, 10);
const q3 = float(2, 4, 24);
const k3 = float(2, 6, 24);
const v30 = float(2, 6, 30);
const wideValues3 = { Q: q3, K: k3, V: v30 };
const heads3 = { q_num_heads: 3, kv_num_heads: 3 };
const Y = ['Y'];
const cached = ['Y', 'present_key', 'present_value'];
const shown = ['Y', 'qk_matmul_output'];
const everything = [...cached, 'qk_matmul_output'];

const opset23: Omit<FurtherCase, 'opset'>[] = [
  {
    name: 'test_attention_4d_fp16',
    inputs: { Q: half(2, 3, 4, 8), K: half(2, 3, 6, 8), V: half(2, 3, 6, 8) },
    outputs: Y,
  },
  {
    name: 'test_attention_4d_scaled',
    attributes: { scale: 0.01 },
    inputs: { Q: q4, K: k4, V: k4 },
    outputs: Y,
  },
  {
    name: 'test_attention_4d_causal',
    attributes: { is_causal: 1 },
    inputs: { Q: q4, K: k4, V: k4 },
    outputs: Y,
  },
  {
    name: 'test_attention_4d_attn_mask',
    inputs: { Q: q4, K: k4, V: k4, attn_mask: float(4, 6) },
    outputs: Y,
  },
  {
    name: 'test_attention_4d_attn_mask_4d',
    inputs: { Q: q4, K: k4, V: k4, attn_mask: float(2, 3, 4, 6) },
    outputs: Y,
  },
  {
    name: 'test_attention_4d_attn_mask_bool_4d',
    inputs: { Q: q4, K: k4, V: k4, attn_mask: ['bool', [2, 3, 4, 6]] },
    outputs: Y,
  },
  {
    name: 'test_attention_4d_with_past_and_present',
    inputs: { Q: q4, K: k4, V: k4, attn_mask: float(4, 18), past_key: past8, past_value: past8 },
    outputs: cached,
  },
  {
    name: 'test_attention_4d_diff_heads_with_past_and_present',
    inputs: { Q: q4, K: k4, V: v10, attn_mask: float(4, 18), past_key: past8, past_value: past10 },
    outputs: cached,
  },
  {
    name: 'test_attention_4d_softcap',
    attributes: { softcap: 2 },
    inputs: { Q: q4, K: k4, V: k4 },
    outputs: Y,
  },
  { name: 'test_attention_4d_with_qk_matmul', inputs: { Q: q4, K: k4, V: k4 }, outputs: shown },
  {
    name: 'test_attention_4d_with_qk_matmul_softmax',
    attributes: { qk_matmul_output_mode: 3 },
    inputs: { Q: q4, K: k4, V: k4, attn_mask: float(4, 6) },
    outputs: shown,
  },
  {
    name: 'test_attention_4d_with_past_and_present_qk_matmul_bias_4d_mask',
    attributes: { qk_matmul_output_mode: 2 },
    inputs: { Q: q4, K: k4, V: k4, attn_mask: float(2, 3, 4, 18), past_key: past8, past_value: past8 },
    outputs: everything,
  },
  {
    name: 'test_attention_4d_with_past_and_present_qk_matmul',
    inputs: { Q: q4, K: k4, V: k4, attn_mask: float(4, 18), past_key: past8, past_value: past8 },
    outputs: everything,
  },
  {
    name: 'test_attention_3d_diff_heads_sizes',
    attributes: heads3,
    inputs: wideValues3,
    outputs: Y,
  },
  {
    name: 'test_attention_3d_diff_heads_sizes_scaled',
    attributes: { ...heads3, scale: 0.01 },
    inputs: wideValues3,
    outputs: Y,
  },
  {
    name: 'test_attention_3d_diff_heads_sizes_causal',
    attributes: { ...heads3, is_causal: 1 },
    inputs: wideValues3,
    outputs: Y,
  },
  {
    name: 'test_attention_3d_diff_heads_sizes_attn_mask',
    attributes: heads3,
    inputs: { ...wideValues3, attn_mask: float(4, 6) },
    outputs: Y,
  },
  {
    name: 'test_attention_3d_diff_heads_sizes_softcap',
    attributes: { ...heads3, softcap: 3 },
    inputs: wideValues3,
    outputs: Y,
  },
  {
    name: 'test_attention_3d_diff_heads_with_past_and_present',
    attributes: heads3,
    inputs: { ...wideValues3, attn_mask: float(4, 18), past_key: past8, past_value: past10 },
    outputs: cached,
  },
  {
    name: 'test_attention_3d_with_past_and_present_qk_matmul_softcap',
    attributes: { ...heads3, softcap: 2, qk_matmul_output_mode: 1 },
    inputs: { Q: q3, K: k3, V: k3, attn_mask: float(4, 18), past_key: past8, past_value: past8 },
    outputs: everything,
  },
];

const opset24: Omit<FurtherCase, 'opset'>[] = [
  {
    name: 'test_attention_4d_diff_heads_mask4d_padded_kv',
    inputs: { Q: q4, K: k4, V: v10, attn_mask: float(2, 3, 4, 4), nonpad_kv_seqlen: ['int64', [2], [3, 4]] },
    outputs: Y,
  },
  {
    name: 'test_attention_4d_gqa_causal_nonpad_decode',
    attributes: { is_causal: 1 },
    inputs: {
      Q: float(2, 4, 1, 8),
      K: float(2, 2, 8, 8),
      V: float(2, 2, 8, 8),
      nonpad_kv_seqlen: ['int64', [2], [8, 5]],
    },
    outputs: Y,
  },
  {
    name: 'test_attention_4d_causal_with_past_and_present',
    attributes: { is_causal: 1 },
    inputs: { Q: q4, K: q4, V: q4, past_key: float(2, 3, 3, 8), past_value: float(2, 3, 3, 8) },
    outputs: cached,
  },
  {
    name: 'test_attention_4d_causal_nonpad_negative_offset_structural_empty',
    attributes: { is_causal: 1 },
    inputs: {
      Q: float(1, 2, 4, 8),
      K: float(1, 2, 4, 8),
      V: float(1, 2, 4, 8),
      nonpad_kv_seqlen: ['int64', [1], [2]],
    },
    outputs: Y,
  },
  {
    name: 'test_attention_24_qk_matmul_output_mode3_softmax_precision',
    attributes: { qk_matmul_output_mode: 3, softmax_precision: 1 },
    inputs: {
      Q: half(1, 2, 2, 8),
      K: half(1, 2, 2, 8),
      V: half(1, 2, 2, 8),
      attn_mask: ['bool', [2, 2], [0, 0, 1, 1]],
    },
    outputs: shown,
  },
];

const opset25: Omit<FurtherCase, 'opset'>[] = [
  {
    name: 'test_attention_local_window',
    attributes: { is_causal: 1, left_window_size: 2 },
    inputs: { Q: q4, K: k4, V: k4 },
    outputs: Y,
  },
  {
    name: 'test_attention_local_window_rank1_boolean_mask',
    attributes: { is_causal: 1, left_window_size: 2 },
    inputs: { Q: q4, K: k4, V: k4, attn_mask: ['bool', [6], [1, 1, 1, 1, 0, 0]] },
    outputs: Y,
  },
  {
    name: 'test_attention_local_window_ext_cache_rank4_batch_mask',
    attributes: { is_causal: 1, left_window_size: 2 },
    inputs: {
      Q: q4,
      K: float(2, 3, 8, 8),
      V: float(2, 3, 8, 8),
      attn_mask: float(2, 1, 4, 8),
      nonpad_kv_seqlen: ['int64', [2], [6, 7]],
    },
    outputs: Y,
  },
  {
    name: 'test_attention_3d_local_window',
    attributes: { q_num_heads: 4, kv_num_heads: 1, is_causal: 1, left_window_size: 2 },
    inputs: { Q: float(2, 4, 32), K: float(2, 6, 8), V: float(2, 6, 6) },
    outputs: Y,
  },
];

export const furtherAttentionCases: FurtherCase[] = [
  ...opset23.map((each) => ({ ...each, opset: 23 as const })),
  ...opset24.map((each) => ({ ...each, opset: 24 as const })),
  ...opset25.map((each) => ({ ...each, opset: 25 as const })),
];

const rotaryInputs = (pairs: number) => ({
  input: float(2, 4, 3, 8),
  cos_cache: float(2, 3, pairs),
  sin_cache: float(2, 3, pairs),
});

export const furtherRotaryEmbeddingCases: FurtherCase[] = [
  { name: 'test_rotary_embedding_no_position_ids', inputs: rotaryInputs(4) },
  {
    name: 'test_rotary_embedding_no_position_ids_interleaved',
    attributes: { interleaved: 1 },
    inputs: rotaryInputs(4),
  },
  {
    name: 'test_rotary_embedding_no_position_ids_rotary_dim',
    attributes: { rotary_embedding_dim: 4 },
    inputs: rotaryInputs(2),
  },
].map((each) => ({ ...each, opset: 23, outputs: ['output'] }));
