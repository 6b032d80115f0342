/**
 * heed: fused attention and multi-head projections for Node.js.
 *
 * @packageDocumentation
 */
export { attention, attentionSync } from './attention.js';
export {
  type AttentionDetail,
  type AttentionDetails,
  type AttentionDetailsOptions,
  attentionDetails,
  attentionDetailsSync,
} from './attention-details.js';
export type { AttentionOptions } from './attention-options.js';
export type { BackendName } from './backends.js';
export { type DeviceInfo, devices } from './devices.js';
export { HeedError, type HeedErrorCode } from './errors.js';
export {
  type AttentionPart,
  type MergedAttention,
  type MergeOptions,
  mergeAttention,
} from './merge-attention.js';
export {
  type ForwardDetailsOptions,
  type ForwardOptions,
  type Linear,
  MultiHeadAttention,
  type MultiHeadAttentionOptions,
  type MultiHeadAttentionWeights,
} from './multi-head-attention.js';
export { type PackedAttentionOptions, packedAttention } from './packed-attention.js';
export { PackedWeight, type PackWeightOptions, packWeight } from './packed-weight.js';
export { type ProjectOptions, project } from './projection.js';
export { Tensor } from './tensor.js';
export type {
  Float16Elements,
  FloatType,
  Location,
  TensorData,
  TensorLike,
  TensorType,
  TypedArray,
} from './tensor-type.js';
