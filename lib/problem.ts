/**
 * Problem descriptions: what the facade hands to a backend once every argument has been checked and
 * every default resolved. A backend that solves these answers the whole public interface. The
 * native side mirrors them in `native/core/problem.h`.
 */
import type { TensorType, TypedArray } from './tensor-type.js';

/** A strided look at [batch, heads, steps, width]; the width is always contiguous. Strides count elements. */
export interface View {
  readonly data: TypedArray;
  readonly type: TensorType;
  readonly batchStride: number;
  readonly headStride: number;
  readonly stepStride: number;
}

/** A mask's strides are 0 along every axis that it broadcasts. */
export interface MaskView {
  readonly data: TypedArray;
  /** 'bool' keeps where true; a float type is added, and −∞ excludes the key altogether. */
  readonly type: TensorType;
  readonly batchStride: number;
  readonly headStride: number;
  readonly queryStride: number;
  readonly keyStride: number;
}

/** One batch entry: which rows of query and key are its own. In a dense batch both starts are 0. */
export interface Sequence {
  readonly queryStart: number;
  readonly querySteps: number;
  readonly keyStart: number;
  /** Valid keys of this entry (kvLengths already applied). */
  readonly keySteps: number;
  /** Key position of query row 0; may be negative. */
  readonly queryOffset: number;
}

/** softmax(scale · q kᵀ, capped, biased, masked) · v, never holding a score matrix. */
export interface AttentionProblem {
  readonly kind: 'attention';
  readonly queryHeads: number;
  /** Divides queryHeads: consecutive query heads share a key head. */
  readonly keyHeads: number;
  readonly width: number;
  readonly valueWidth: number;
  readonly query: View;
  readonly key: View;
  readonly value: View;
  readonly output: View;
  /** float32 (float64 for float64 problems), natural logarithm, sink included; −∞ for a row without keys. stepStride 1. */
  readonly logSumExp?: View | undefined;
  readonly sequences: readonly Sequence[];
  readonly scale: number;
  /** 0 when scores are not capped. */
  readonly softcap: number;
  readonly causal: boolean;
  /** Infinity when unbounded. */
  readonly windowLeft: number;
  readonly windowRight: number;
  readonly mask?: MaskView | undefined;
  /** One per query head. */
  readonly alibiSlopes?: Float64Array | undefined;
  readonly sinks?: Float64Array | undefined;
}

/** The same result by way of whole score matrices: what fused attention is measured against. */
export interface UnfusedProblem {
  readonly kind: 'unfused';
  readonly attention: AttentionProblem;
}

/**
 * Scores and weights of chosen heads and query rows, recomputed from an attention's logSumExp. Every
 * present array is [batch, heads.length, queries.length, keys], contiguous, float32 (float64 for
 * float64 problems). Keys past an entry's keySteps get score −∞ and weight 0.
 */
export interface RowsProblem {
  readonly kind: 'rows';
  readonly attention: AttentionProblem;
  readonly keys: number;
  readonly heads: Int32Array;
  readonly queries: Int32Array;
  /** scale · q·k */
  readonly scores?: TypedArray;
  /** after the softcap */
  readonly cappedScores?: TypedArray;
  /** after mask and ALiBi, −∞ where a key may not be attended */
  readonly biasedScores?: TypedArray;
  readonly weights?: TypedArray;
}

/** A weight made ready by a backend: opaque to everyone else. */
export interface PackedHandle {
  readonly backend: 'cpu' | 'reference';
  readonly columns: number;
  readonly inner: number;
  readonly byteLength: number;
  dispose(): void;
}

/** Columns [firstColumn, firstColumn + columns) of a product, written as [batch, heads, steps, headWidth]. */
export interface ProjectionTarget {
  readonly firstColumn: number;
  readonly columns: number;
  /** columns / headWidth heads; headWidth equal to columns leaves a plain row. */
  readonly headWidth: number;
  readonly view: View;
}

/**
 * y = x Wᵀ + b. Row m of x is step m % steps of batch entry ⌊m / steps⌋. Columns that no target
 * covers are not computed: the parts of one packed weight can be multiplied with different inputs.
 */
export interface ProjectionProblem {
  readonly kind: 'projection';
  readonly rows: number;
  readonly steps: number;
  readonly inner: number;
  readonly columns: number;
  /** [rows, inner], contiguous. */
  readonly input: { readonly data: TypedArray; readonly type: TensorType };
  /** [columns, inner], contiguous, or packed by the same backend. */
  readonly weight: { readonly data: TypedArray; readonly type: TensorType } | PackedHandle;
  /** One per column. */
  readonly bias?: Float64Array;
  readonly targets: readonly ProjectionTarget[];
}

/** Joins attention over disjoint sets of keys: rows of [rows, width] weighted by their share of the joint log-sum-exp. */
export interface MergeProblem {
  readonly kind: 'merge';
  readonly rows: number;
  readonly width: number;
  readonly type: TensorType;
  readonly parts: readonly { readonly output: TypedArray; readonly logSumExp: TypedArray }[];
  readonly output: TypedArray;
  readonly logSumExp: TypedArray;
}

export type Problem = AttentionProblem | UnfusedProblem | RowsProblem | ProjectionProblem | MergeProblem;
