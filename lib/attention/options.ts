/** The options of attention: its score functions, its selections, and all others. */
import type { BackendName } from '../backends/backend.js';
import type { Tensor } from '../tensor/tensor.js';
import type { IntegerList, NumberList, TensorLike } from '../tensor/types.js';

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

/** What attention computes and how; every option has a default. */
export interface AttentionOptions {
  /**
   * The order of axes of query, key, value and output: 'bhsd' is [batch, heads, steps, width] (the
   * default), 'bshd' is [batch, steps, heads, width].
   */
  layout?: 'bhsd' | 'bshd';
  /** The score function: how similar a query and a key are. Default 'scaled-dot'. */
  score?: Score;
  /**
   * Multiplies the score. Default 1/√width for 'scaled-dot' (Vaswani et al. 2017, "Attention Is All You
   * Need"), 1 for all other scores.
   */
  scale?: number;
  /** Caps scores smoothly: cap · tanh(score / cap), as in Gemma 2. Default 0: not capped. */
  softcap?: number;
  /** Query row i may not attend keys past its own position, queryOffset + i. Default false. */
  causal?: boolean;
  /**
   * Local attention: a query attends only keys at most this many positions before or after it. A side that is
   * not given is unbounded.
   */
  window?: {
    /** Positions before the query. */
    left?: number;
    /** Positions after the query. */
    right?: number;
  };
  /**
   * The key position of query row 0, one for all or one per batch entry. Default: the number of
   * valid keys minus the number of query steps, so that the last query sees the last key. May be negative.
   */
  queryOffset?: number | IntegerList;
  /** How many keys are valid, per batch entry. Default: all. */
  kvLengths?: IntegerList;
  /**
   * Broadcasts to [batch, heads, queries, keys] in every layout. bool: true may be attended; int64, int32 and
   * uint8, as tokenizers give masks: 1 may be attended, 0 may not, and other integers are refused.
   * Floating point: added to the score; −∞ excludes the key exactly as false does. A float64 mask is
   * rounded to float32 first, before anything else and on the calling thread, unless query is float64 too.
   *
   * Two axes are [queries, keys], or [batch, keys], which says what is padding, where only that fits. Where
   * batch and queries are equal and greater than 1, two axes are refused: reshape to [1, 1, queries, keys] or
   * to [batch, 1, 1, keys].
   */
  mask?: TensorLike;
  /** One per query head: slope · (key position − query position) is added (Press et al. 2022, "Train Short, Test Long"). */
  alibiSlopes?: NumberList;
  /**
   * One logit per query head that takes part in the softmax and contributes no value (Xiao et al. 2024,
   * "Attention Sinks").
   */
  sinks?: NumberList;
  /** How the weights select values. Default 'soft': the weighted sum of all values. */
  select?: Selection;
  /**
   * 'auto' (default) computes where the tensors are: for tensors on a device it is 'cuda'; for tensors in the
   * memory of the CPU it is the cpu backend if the native addon is loaded and supports the type, else the
   * reference. 'cuda' with tensors of the CPU copies them to the device and the result back.
   */
  backend?: BackendName;
  /** A tensor to write the output to, which is then returned. Must not share memory with an input. */
  out?: Tensor;
  /** Cancels the operation: the promise rejects with the signal's reason once nothing accesses the tensors. */
  signal?: AbortSignal;
}

/** The options that also make sense for sequences laid end to end. */
export const packedOptionNames = [
  'score',
  'scale',
  'softcap',
  'causal',
  'window',
  'queryOffset',
  'mask',
  'alibiSlopes',
  'sinks',
  'select',
  'backend',
  'out',
  'signal',
] as const;

export const attentionOptionNames = [...packedOptionNames, 'layout', 'kvLengths'] as const;

export type AttentionOptionName = (typeof attentionOptionNames)[number];
