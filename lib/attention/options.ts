/** The options of attention. */
import type { BackendName } from '../backends/choose.js';
import type { Tensor } from '../tensor/tensor.js';
import type { TensorLike } from '../tensor/types.js';
import type { Score } from './score.js';
import type { Selection } from './selection.js';

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
  queryOffset?: number | ArrayLike<number>;
  /** How many keys are valid, per batch entry. Default: all. */
  kvLengths?: ArrayLike<number>;
  /**
   * Broadcasts to [batch, heads, queries, keys] in every layout. bool: true may be attended.
   * Floating point: added to the score; −∞ excludes the key exactly as false does. A float64 mask is
   * rounded to float32 first, before anything else and on the calling thread, unless query is float64 too.
   */
  mask?: TensorLike;
  /** One per query head: slope · (key position − query position) is added (Press et al. 2022, "Train Short, Test Long"). */
  alibiSlopes?: ArrayLike<number>;
  /**
   * One logit per query head that takes part in the softmax and contributes no value (Xiao et al. 2024,
   * "Attention Sinks").
   */
  sinks?: ArrayLike<number>;
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
