/** Blocks of transformers by their definition, in float64, for one sequence. */
import type { FeedForwardWeights } from '../../lib/feed-forward/feed-forward.js';
import type {
  MultiHeadAttentionOptions,
  MultiHeadAttentionWeights,
} from '../../lib/multi-head-attention/multi-head-attention.js';
import type { Activation } from '../../lib/problem/problem.js';
import type { FloatType } from '../../lib/tensor/types.js';
import type {
  BlockNormOptions,
  NormWeights,
  TransformerBlockOptions,
} from '../../lib/transformer-block/transformer-block.js';
import { feedForwardOracle } from '../feed-forward/feed-forward-oracle.js';
import { layerOracle, type OracleCall } from '../multi-head-attention/layer-oracle.js';
import { normOracle } from '../norm/norm-oracle.js';

export interface BlockCase {
  readonly type: FloatType;
  readonly attention: {
    readonly weights: MultiHeadAttentionWeights;
    readonly options: MultiHeadAttentionOptions;
  };
  readonly feedForward: { readonly weights: FeedForwardWeights; readonly activation: Activation };
  readonly norms: {
    readonly attentionNorm?: NormWeights;
    readonly attentionOutputNorm?: NormWeights;
    readonly feedForwardNorm?: NormWeights;
    readonly feedForwardOutputNorm?: NormWeights;
  };
  readonly options: TransformerBlockOptions;
}

/** @param x [batch, steps, embed] */
export function blockOracle(
  { type, attention, feedForward, norms, options }: BlockCase,
  x: readonly number[],
  dims: readonly number[],
  call: OracleCall = {},
): number[] {
  const width = dims[dims.length - 1];
  const settings: BlockNormOptions = options.norm ?? {};
  const norm = (rows: readonly number[], weights: NormWeights | undefined) =>
    weights ? normOracle(rows, width, { ...settings, ...weights }) : [...rows];
  const plus = (a: readonly number[], b: readonly number[]) => a.map((each, i) => each + b[i]);
  const attend = (rows: readonly number[]) => {
    const input = { type: 'float64', dims, data: Float64Array.from(rows) } as const;
    return layerOracle(type, attention.weights, attention.options, input, call).output;
  };
  const feed = (rows: readonly number[]) =>
    feedForwardOracle(rows, feedForward.weights, feedForward.activation);
  const { attentionNorm, attentionOutputNorm, feedForwardNorm, feedForwardOutputNorm } = norms;
  switch (options.form ?? 'pre-norm') {
    case 'pre-norm': {
      const y = plus(x, attend(norm(x, attentionNorm)));
      return plus(y, feed(norm(y, feedForwardNorm)));
    }
    case 'post-norm': {
      const y = norm(plus(x, attend(x)), attentionNorm);
      return norm(plus(y, feed(y)), feedForwardNorm);
    }
    case 'sandwich': {
      const y = plus(x, norm(attend(norm(x, attentionNorm)), attentionOutputNorm));
      return plus(y, norm(feed(norm(y, feedForwardNorm)), feedForwardOutputNorm));
    }
    case 'parallel': {
      const read = norm(x, attentionNorm);
      return plus(plus(x, attend(read)), feed(feedForwardNorm ? norm(x, feedForwardNorm) : read));
    }
  }
}
