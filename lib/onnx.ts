/**
 * heed/onnx: operators of the default ONNX operator set, with the standard's names of inputs, attributes and
 * outputs, and under `microsoft` those of onnxruntime's own domain.
 *
 * @module
 */

import './expect-require.js';

export type { Opset } from './onnx/arguments.js';
export {
  type AttentionAttributes,
  type AttentionInputs,
  type AttentionOperatorOptions,
  type AttentionOutputs,
  attention,
  attentionSync,
} from './onnx/attention.js';
export type { AttentionOutputName } from './onnx/attention-node.js';
export * as microsoft from './onnx/microsoft.js';
export {
  type RotaryEmbeddingAttributes,
  type RotaryEmbeddingInputs,
  type RotaryEmbeddingOptions,
  type RotaryEmbeddingOutputs,
  rotaryEmbedding,
  rotaryEmbeddingSync,
} from './onnx/rotary-embedding.js';
