/** Operators of onnxruntime's own domain, com.microsoft, with its names of inputs, attributes and outputs. */

export type { OperatorOptions } from './microsoft/arguments.js';
export {
  type GroupQueryAttentionAttributes,
  type GroupQueryAttentionInputs,
  type GroupQueryAttentionOutputs,
  groupQueryAttention,
  groupQueryAttentionSync,
} from './microsoft/group-query-attention.js';
export {
  type MultiHeadAttentionAttributes,
  type MultiHeadAttentionInputs,
  type MultiHeadAttentionOperatorOptions,
  type MultiHeadAttentionOutputName,
  type MultiHeadAttentionOutputs,
  multiHeadAttention,
  multiHeadAttentionSync,
} from './microsoft/multi-head-attention.js';
export {
  type RotaryEmbeddingAttributes,
  type RotaryEmbeddingInputs,
  type RotaryEmbeddingOutputs,
  rotaryEmbedding,
  rotaryEmbeddingSync,
} from './microsoft/rotary-embedding.js';
