/**
 * heed: fused attention and multi-head projections for Node.js.
 *
 * @packageDocumentation
 */
import './expect-require.js';

export {
  attention,
  attentionDetails,
  attentionDetailsSync,
  attentionSync,
} from './attention/attention.js';
export type { AttentionDetail, AttentionDetails, AttentionDetailsOptions } from './attention/details.js';
export {
  type AttentionPart,
  type MergedAttention,
  type MergeOptions,
  mergeAttention,
  mergeAttentionSync,
} from './attention/merge.js';
export type {
  AdditiveScore,
  AttentionOptions,
  GeneralScore,
  HardSelection,
  LocalSelection,
  LocationScore,
  Score,
  Selection,
} from './attention/options.js';
export {
  type CachedPackedAttentionDetailsOptions,
  type CachedPackedAttentionOptions,
  type PackedAttentionDetailsOptions,
  type PackedAttentionOptions,
  packedAttention,
  packedAttentionDetails,
  packedAttentionDetailsSync,
  packedAttentionSync,
  type RequestedPackedDetails,
} from './attention/packed.js';
export type { PackedAttentionDetails } from './attention/packed-details.js';
export { type SplitHeads, type SplitHeadsOptions, splitHeads } from './attention/split-heads.js';
export type { BackendName } from './backends/backend.js';
export {
  type DeviceInfo,
  type DeviceMemory,
  deviceMemory,
  devices,
  limitDeviceMemory,
  trimDeviceMemory,
} from './backends/devices.js';
export { type AddedEmbedding, type EmbedOptions, embed, embedSync } from './embedding/embed.js';
export { HeedError, type HeedErrorCode } from './errors.js';
export {
  FeedForward,
  type FeedForwardCallOptions,
  type FeedForwardOptions,
  type FeedForwardWeights,
} from './feed-forward/feed-forward.js';
export {
  type AppendOptions,
  type CacheType,
  type ForkOptions,
  KeyValueCache,
  type KeyValueCacheOptions,
  type LoadCacheOptions,
  type RollingOptions,
} from './key-value-cache/key-value-cache.js';
export { KeyValuePool, type KeyValuePoolOptions } from './key-value-cache/key-value-pool.js';
export { type LogitsOptions, logits, logitsSync } from './logits/logits.js';
export {
  type CheckpointNaming,
  type DynamicScaling,
  type ForwardDetailsOptions,
  type ForwardOptions,
  type HeadNormWeights,
  type Linear,
  type LinearScaling,
  type Llama3Scaling,
  type LoadOptions,
  type LongRopeScaling,
  MultiHeadAttention,
  type MultiHeadAttentionOptions,
  type MultiHeadAttentionWeights,
  type NormType,
  type ProjectContextOptions,
  type RelativeBiasOptions,
  type RotaryOptions,
  type RotaryScaling,
  type YarnScaling,
} from './multi-head-attention/multi-head-attention.js';
export { type NormedSum, type NormOptions, norm, normSync, type SummedNormOptions } from './norm/norm.js';
export { type PoolingOptions, pooling, poolingSync } from './pooling/pooling.js';
export type { Activation, PoolingType } from './problem/problem.js';
export type { QuantisedType } from './problem/quantised-weight.js';
export { PackedWeight, type PackWeightOptions, packWeight } from './projection/packed-weight.js';
export { type ProjectOptions, project, projectSync } from './projection/project.js';
export { type SampleOptions, sample, sampleSync } from './sampling/sample.js';
export { Tensor } from './tensor/tensor.js';
export type {
  Float16Elements,
  FloatType,
  IntegerList,
  Location,
  NumberList,
  TensorData,
  TensorLike,
  TensorType,
  TypedArray,
} from './tensor/types.js';
export {
  type BlockForm,
  type BlockForwardOptions,
  type BlockLoadOptions,
  type BlockNaming,
  type BlockNormOptions,
  type NormWeights,
  TransformerBlock,
  type TransformerBlockOptions,
  type TransformerBlockParts,
} from './transformer-block/transformer-block.js';
