/** Operators of onnxruntime's own domain, com.microsoft, with its names of inputs, attributes and outputs. */
import { attentionDetails, attentionDetailsSync } from '../attention/attention.js';
import { allocating, allocatingSync } from '../memory/allocations.js';
import { atOnce, inTurns } from '../time-slices.js';
import type { Operator, OperatorOptions, Question } from './microsoft/arguments.js';
import {
  type GroupQueryAttentionAttributes,
  type GroupQueryAttentionInputs,
  type GroupQueryAttentionOutputs,
  operator as groupQuery,
} from './microsoft/group-query-attention.js';
import {
  type MultiHeadAttentionAttributes,
  type MultiHeadAttentionInputs,
  type MultiHeadAttentionOperatorOptions,
  type MultiHeadAttentionOutputs,
  operator as multiHead,
} from './microsoft/multi-head-attention.js';
import {
  type RotaryEmbeddingAttributes,
  type RotaryEmbeddingInputs,
  type RotaryEmbeddingOutputs,
  readRotaryNode,
} from './microsoft/rotary-embedding.js';
import { rotated } from './rotate.js';

export type { OperatorOptions } from './microsoft/arguments.js';
export type {
  GroupQueryAttentionAttributes,
  GroupQueryAttentionInputs,
  GroupQueryAttentionOutputs,
} from './microsoft/group-query-attention.js';
export type {
  MultiHeadAttentionAttributes,
  MultiHeadAttentionInputs,
  MultiHeadAttentionOperatorOptions,
  MultiHeadAttentionOutputName,
  MultiHeadAttentionOutputs,
} from './microsoft/multi-head-attention.js';
export type {
  RotaryEmbeddingAttributes,
  RotaryEmbeddingInputs,
  RotaryEmbeddingOutputs,
} from './microsoft/rotary-embedding.js';

function run<Node, Asked extends Question, Outputs>(
  { read, ask, answer }: Operator<Node, Asked, Outputs>,
  inputs: unknown,
  attributes: unknown,
  options: unknown,
): Promise<Outputs> {
  return allocating(async (allocations) => {
    const node = read(allocations, inputs, attributes, options);
    const asked = await inTurns(ask(node));
    const attended = await attentionDetails(asked.query, asked.key, asked.value, asked.options);
    return await inTurns(answer(node, asked, attended));
  });
}

function runSync<Node, Asked extends Question, Outputs>(
  { read, ask, answer }: Operator<Node, Asked, Outputs>,
  inputs: unknown,
  attributes: unknown,
  options: unknown,
): Outputs {
  return allocatingSync((allocations) => {
    const node = read(allocations, inputs, attributes, options);
    const asked = atOnce(ask(node));
    const attended = attentionDetailsSync(asked.query, asked.key, asked.value, asked.options);
    return atOnce(answer(node, asked, attended));
  });
}

/**
 * The operator GroupQueryAttention of com.microsoft, onnxruntime's own domain, which exported language models
 * use: grouped heads (Ainslie et al. 2023, "GQA"), a cache, and rotary positions in one, fused. The matrix of
 * scores is stored only if qk_output asks for it. Batch entries may have pasts of different lengths, also
 * with several new steps.
 *
 * Differences from onnxruntime: rows after the last step of a padded entry differ where there is a window,
 * the new steps of entries with a past may be more than one in any batch, and head sizes need not be
 * multiples of 8.
 *
 * Tensors on a device are computed with there, and so are the results; lengths, positions and head_sink are
 * read wherever they are.
 *
 * @see https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
 * @throws HeedError (the promise rejects) HEED_UNKNOWN_OPTION for a name that does not exist,
 *   HEED_INVALID_ARGUMENT for an attribute, length or position out of range, a missing input, or an input
 *   that heed does not understand, HEED_SHAPE_MISMATCH, HEED_TYPE_MISMATCH, HEED_UNSUPPORTED_TYPE, and what
 *   `attention` of heed throws
 *
 * @example
 * const { output, present_key, present_value } = await microsoft.groupQueryAttention(
 *   { query, key, value, past_key, past_value, seqlens_k, total_sequence_length, cos_cache, sin_cache },
 *   { num_heads: 32, kv_num_heads: 8, do_rotary: 1 },
 * );
 */
export function groupQueryAttention(
  inputs: GroupQueryAttentionInputs,
  attributes: GroupQueryAttentionAttributes,
  options: OperatorOptions = {},
): Promise<GroupQueryAttentionOutputs> {
  return run(groupQuery, inputs, attributes, options);
}

/** {@link groupQueryAttention}, synchronously: it throws instead of rejecting, and blocks the event loop. */
export function groupQueryAttentionSync(
  inputs: GroupQueryAttentionInputs,
  attributes: GroupQueryAttentionAttributes,
  options: OperatorOptions = {},
): GroupQueryAttentionOutputs {
  return runSync(groupQuery, inputs, attributes, options);
}

/**
 * The operator MultiHeadAttention of com.microsoft, onnxruntime's own domain, which fused encoders and
 * decoders use, fused: the matrix of scores is stored only if qk is requested, and causality alone takes no
 * mask.
 *
 * What masks is a finite number here, as in onnxruntime. A row whose keys are all masked averages their
 * values: by their scores, or all alike if mask_filter_value is so low that scores vanish in it. NaN in a
 * masked key or value reaches the result. The scores of later keys that unidirectional excludes become the
 * lowest float32, which qk shows.
 *
 * Tensors on a device are computed with there, and so are the results; key_padding_mask and
 * past_sequence_length are read wherever they are.
 *
 * @see https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
 * @throws HeedError (the promise rejects) HEED_UNKNOWN_OPTION for a name that does not exist,
 *   HEED_INVALID_ARGUMENT for an attribute or length out of range, a missing input, or an input that heed
 *   does not understand, HEED_SHAPE_MISMATCH, HEED_TYPE_MISMATCH, HEED_UNSUPPORTED_TYPE, and what `attention`
 *   of heed throws
 *
 * @example
 * const inputs = { query, key, value, key_padding_mask };
 * const { output } = await microsoft.multiHeadAttention(inputs, { num_heads: 12 });
 */
export function multiHeadAttention(
  inputs: MultiHeadAttentionInputs,
  attributes: MultiHeadAttentionAttributes,
  options: MultiHeadAttentionOperatorOptions = {},
): Promise<MultiHeadAttentionOutputs> {
  return run(multiHead, inputs, attributes, options);
}

/** {@link multiHeadAttention}, synchronously: it throws instead of rejecting, and blocks the event loop. */
export function multiHeadAttentionSync(
  inputs: MultiHeadAttentionInputs,
  attributes: MultiHeadAttentionAttributes,
  options: MultiHeadAttentionOperatorOptions = {},
): MultiHeadAttentionOutputs {
  return runSync(multiHead, inputs, attributes, options);
}

/**
 * The operator RotaryEmbedding of com.microsoft, onnxruntime's own domain: as that of ONNX, with the
 * positions as second input, which may be just the first one, and always a table of angles. On a device it
 * rotates there; position_ids are read wherever they are.
 *
 * @see https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
 * @throws HeedError (the promise rejects) HEED_UNKNOWN_OPTION for a name that does not exist,
 *   HEED_INVALID_ARGUMENT for an attribute or position out of range or a missing input, HEED_SHAPE_MISMATCH,
 *   HEED_TYPE_MISMATCH, HEED_LOCATION_MISMATCH, HEED_UNSUPPORTED_TYPE for float64, which the operator does not
 *   support
 *
 * @example
 * const { output } = await microsoft.rotaryEmbedding({ input: query, position_ids, cos_cache, sin_cache });
 */
export function rotaryEmbedding(
  inputs: RotaryEmbeddingInputs,
  attributes: RotaryEmbeddingAttributes = {},
  options: OperatorOptions = {},
): Promise<RotaryEmbeddingOutputs> {
  return allocating(async (allocations) => {
    const node = readRotaryNode(allocations, inputs, attributes, options);
    return { output: await inTurns(rotated(allocations, node)) };
  });
}

/** {@link rotaryEmbedding}, synchronously: it throws instead of rejecting, and blocks the event loop. */
export function rotaryEmbeddingSync(
  inputs: RotaryEmbeddingInputs,
  attributes: RotaryEmbeddingAttributes = {},
  options: OperatorOptions = {},
): RotaryEmbeddingOutputs {
  return allocatingSync((allocations) => {
    const node = readRotaryNode(allocations, inputs, attributes, options);
    return { output: atOnce(rotated(allocations, node)) };
  });
}
