/** Score functions: how similar a query and a key are. */
import type { TensorLike } from '../tensor/types.js';

/**
 * How similar a query q and a key k are. `scale` multiplies every score; its default is 1/√width for
 * 'scaled-dot' and 1 for all others. The later steps are the same for all score functions.
 *
 * - `'scaled-dot'`: scale · q·k, the default (Vaswani et al. 2017, "Attention Is All You Need")
 * - `'dot'`: q·k (Luong et al. 2015, "Effective Approaches to Attention-based Neural Machine Translation")
 * - `'cosine'`: q·k / (‖q‖ ‖k‖), 0 if either is all zeros (Graves et al. 2014, "Neural Turing Machines")
 */
export type Score = 'scaled-dot' | 'dot' | 'cosine' | GeneralScore | AdditiveScore | LocationScore;

/** qᵀ W k (Luong et al. 2015): queries and keys may have different widths. */
export interface GeneralScore {
  /** The name of this score. */
  type: 'general';
  /** [width, key width], or [heads, width, key width] for one per query head; any floating-point type. */
  weight: TensorLike;
}

/** vᵀ tanh(W q + U k) (Bahdanau et al. 2015, "Neural Machine Translation by Jointly Learning to Align and Translate"). */
export interface AdditiveScore {
  /** The name of this score. */
  type: 'additive';
  /** W: [hidden, width], or [heads, hidden, width] for one per query head; any floating-point type. */
  query: TensorLike;
  /** U: [hidden, key width], or [keyHeads, hidden, key width] for one per key head. */
  key: TensorLike;
  /** v: [hidden], or [heads, hidden] for one per query head. */
  vector: TensorLike;
}

/** (W q)ⱼ for the key at position j of its sequence, independent of the key itself (Luong et al. 2015). */
export interface LocationScore {
  /** The name of this score. */
  type: 'location';
  /**
   * [positions, width], or [keyHeads, positions, width] for one per key head, with at least as many
   * positions as there are keys; any floating-point type, and rounded to that of the queries.
   */
  weight: TensorLike;
}
