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
  /** How alike a query and a key are. Default 'scaled-dot'. */
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
  /** Local attention: keys further than this many positions before or after a query are out of reach. A missing side is unbounded. */
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
   * Broadcasts to [batch, heads, queries, keys] whatever the layout. bool: true may be attended.
   * Floating point: added to the score; −∞ excludes the key exactly as false does. A float64 mask is
   * rounded to float32 first, before anything else and on the calling thread, unless query is float64 too.
   */
  mask?: TensorLike;
  /** One per query head: slope · (key position − query position) is added (Press et al. 2022, "Train Short, Test Long"). */
  alibiSlopes?: ArrayLike<number>;
  /** One logit per query head that takes part in the softmax and gives no value (Xiao et al. 2024, "Attention Sinks"). */
  sinks?: ArrayLike<number>;
  /** What is done with the weights. Default 'soft': the weighted sum of all values. */
  select?: Selection;
  /**
   * 'auto' (default) is where the tensors are: on a device, 'cuda'; in the memory of the CPU, the cpu backend where the native
   * addon is loaded and computes with the type, else the reference. 'cuda' with tensors of the CPU takes them to the device and
   * the result back.
   */
  backend?: BackendName;
  /** A tensor to write the output to, which is then what is returned. May not share memory with an input. */
  out?: Tensor;
  /** Cancels: the promise rejects with the signal's reason once nothing touches the tensors any more. */
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
