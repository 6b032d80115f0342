/** What blocks of transformers are made of, and how. */
import type { FeedForward } from '../feed-forward/feed-forward.js';
import type { MultiHeadAttention } from '../multi-head-attention/multi-head-attention.js';
import type { BlockForm } from './forms.js';
import type { BlockNormOptions, NormWeights } from './norms.js';

/** What a {@link TransformerBlock} consists of. Both parts belong to the block from then on, and it disposes of them. */
export interface TransformerBlockParts {
  /** With an output map, and as wide as its inputs. */
  attention: MultiHeadAttention;
  /** As wide, of the same type and at the same location. */
  feedForward: FeedForward;
  /** Of what attention reads; in the form 'post-norm', of the sum after it. Default: no norm. */
  attentionNorm?: NormWeights;
  /** In the form 'sandwich': of what attention gives, before it is added. Default: no norm. */
  attentionOutputNorm?: NormWeights;
  /**
   * Of what the feed-forward network reads; in the form 'post-norm', of the sum after it. Default: no norm, or in the form
   * 'parallel' what attention reads.
   */
  feedForwardNorm?: NormWeights;
  /** In the form 'sandwich': of what the network gives, before it is added. Default: no norm. */
  feedForwardOutputNorm?: NormWeights;
}

/** The options of a {@link TransformerBlock}. */
export interface TransformerBlockOptions {
  /**
   * With attention A, the network F, and norms N:
   *
   * - 'pre-norm' (default), as in GPT-2 and Llama: y = x + A(N x), y + F(N y)
   * - 'post-norm', as in BERT: y = N(x + A(x)), N(y + F(y))
   * - 'sandwich', as in Gemma 2 and, without the inner norms, OLMo 2: y = x + N A(N x), y + N F(N y)
   * - 'parallel', as in GPT-NeoX and Phi-2: x + A(N x) + F(N x)
   */
  form?: BlockForm;
  /** What all norms have in common. Default: RMSNorm with epsilon 1e-6. */
  norm?: BlockNormOptions;
}
