/** Selections: how the weights select values. */
import type { TensorLike } from '../tensor/types.js';

/**
 * How the weights of a query select values:
 *
 * - `'soft'`: the weighted sum of all values, the default (global, soft attention)
 * - `'hard'`: the value of the best key; of several, the first (Xu et al. 2015, "Show, Attend and Tell")
 * - `{ type: 'hard', seed }`: the value of one key, drawn at random by weight (Xu et al. 2015)
 * - `{ type: 'local', centers, halfWidth }`: the weighted sum of values around a predicted position
 *   (local-p, Luong et al. 2015, "Effective Approaches to Attention-based Neural Machine Translation")
 */
export type Selection = 'soft' | 'hard' | HardSelection | LocalSelection;

/**
 * One key, drawn at random with the weights as probabilities. A draw depends on the seed, the batch
 * entry, the query head, the position of the query among the keys, and all scores, so that it is the
 * same on every backend and for any number of threads. A sink that is drawn gives zeros.
 */
export interface HardSelection {
  /** The name of this selection. */
  type: 'hard';
  /** An integer from 0 to 2⁵³ − 1. The same seed draws the same keys. */
  seed: number;
}

/**
 * Softmax over the keys no further than halfWidth from the center; then every weight is multiplied by
 * exp(−(j − center)² / (2σ²)) for key position j and σ = halfWidth / 2. The products are not normalised
 * again (Luong et al. 2015, equation 10), so that their sum shows how well the window is placed.
 */
export interface LocalSelection {
  /** The name of this selection. */
  type: 'local';
  /**
   * Key positions, real numbers from 0 on: broadcasts to [batch, heads, queries], any floating-point type.
   * A center that is NaN or far from all keys reaches no key.
   */
  centers: TensorLike;
  /** D, greater than 0. */
  halfWidth: number;
}
