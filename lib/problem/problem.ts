/**
 * Problem descriptions: what the facade hands to a backend once every argument has been checked and
 * every default resolved. A backend that solves these answers the whole public interface. The
 * native side mirrors them in `native/core/problem.h`.
 */
import type { DeviceArray, Elements, HostArray } from '../memory/device.js';
import type { Location, Numbers, ScaledType, TensorType } from '../tensor/types.js';

/** A strided look at [batch, heads, steps, width]; the width is always contiguous. Strides count elements. */
export interface View {
  readonly data: Elements;
  readonly type: TensorType;
  readonly batchStride: number;
  readonly headStride: number;
  readonly stepStride: number;
}

/** The types of keys and values. */
export type StoredType = TensorType | ScaledType;
export type StoredElements = HostArray | DeviceArray;

/** The pages of one batch entry of a cache: the first `count` of the ids. */
export interface PageIds {
  readonly ids: Int32Array;
  readonly count: number;
}

/**
 * Where a cache keeps keys or values. Page p is page p % perSlab of slab ⌊p / perSlab⌋, and a slab may have fewer; step s of an
 * entry is step s % steps of its page ⌊s / steps⌋.
 */
export interface Pages {
  readonly steps: number;
  /** Elements from one page of a slab to the next. */
  readonly stride: number;
  readonly perSlab: number;
  readonly slabs: readonly StoredElements[];
  /** For a ScaledType, one array per slab: the scale of each row, [heads, steps] for each page. */
  readonly scales?: readonly (Float32Array | DeviceArray)[];
  /** For keys of int8 that may have outlier channels, one array per slab: [heads, blocks, 2, pitch] for each page, see outliers.ts. */
  readonly outliers?: readonly (Uint8Array | DeviceArray)[];
  /** For each batch entry. */
  readonly lists: readonly PageIds[];
}

/**
 * Keys or values: an ordinary view, or pages. With pages, head and step strides are those within a page, and
 * `data` only shows the type.
 */
export interface StoredView extends Omit<View, 'data' | 'type'> {
  readonly data: StoredElements;
  readonly type: StoredType;
  readonly pages?: Pages | undefined;
}

/** A mask's strides are 0 along every axis that it broadcasts. */
export interface MaskView {
  readonly data: Elements;
  /** 'bool' keeps where true; a float type is added, and −∞ excludes the key altogether. */
  readonly type: TensorType;
  readonly batchStride: number;
  readonly headStride: number;
  readonly queryStride: number;
  readonly keyStride: number;
}

/** A matrix for each head, contiguous, or one for all where headStride is 0. */
export interface HeadMatrix {
  readonly data: Elements;
  readonly type: TensorType;
  readonly headStride: number;
}

/** The score of a query q and a key k, before the scale. */
export type ScoreForm =
  /** q·k */
  | { readonly kind: 'product' }
  /** q·k / (‖q‖ ‖k‖), 0 where either is all zeros. */
  | { readonly kind: 'cosine' }
  /** qᵀ W k, W [queryWidth, width] per query head. */
  | { readonly kind: 'general'; readonly weight: HeadMatrix }
  /** vᵀ tanh(W q + U k), W [hidden, queryWidth] and v [hidden] per query head, U [hidden, width] per key head. */
  | {
      readonly kind: 'additive';
      readonly hidden: number;
      readonly query: HeadMatrix;
      readonly key: HeadMatrix;
      readonly vector: HeadMatrix;
    }
  /** q·k over keys that all sequences share: step j of the key view is key j, independent of keyStart. */
  | { readonly kind: 'location' };

/** How the weights select values. */
export type SelectionForm =
  /** The weighted sum of all values. */
  | { readonly kind: 'soft' }
  /**
   * The value of the key with the largest score; of several, the first. If a sink has a larger score, zeros.
   */
  | { readonly kind: 'hard' }
  /** The value of a key drawn from the weights: lib/backends/reference/draws.ts says how. */
  | { readonly kind: 'drawn'; readonly seed: number }
  /** Keys no further than halfWidth from a row's center; weights times exp(−(key − center)² / (2σ²)), σ = halfWidth / 2. */
  | { readonly kind: 'local'; readonly centers: Centers; readonly halfWidth: number };

/** Key positions for [batch, heads, queries]; strides are 0 along every axis that they broadcast. */
export interface Centers {
  readonly data: Elements;
  readonly type: TensorType;
  readonly batchStride: number;
  readonly headStride: number;
  readonly queryStride: number;
}

/** The key that each row of [batch, heads, queries] has chosen, −1 for none. */
export interface Choices {
  /** float64 */
  readonly data: Elements;
  /** The element of the first row. */
  readonly start: number;
  readonly batchStride: number;
  readonly headStride: number;
}

/** How far from a query a key may be, in steps; Infinity where a side is unbounded. Causal attention is `right: 0`. */
export interface Window {
  readonly left: number;
  readonly right: number;
}

/** What ALiBi multiplies a slope by: key position − query position, or −|key position − query position|. */
export const alibiDistances = ['signed', 'absolute'] as const;
export type AlibiDistance = (typeof alibiDistances)[number];

/** How the scores of a query become the weights of values: everything about attention but where its tensors lie. */
export interface Scoring {
  readonly score: ScoreForm;
  readonly scale: number;
  /** 0 when scores are not capped. */
  readonly softcap: number;
  readonly window: Window;
  readonly mask?: MaskView | undefined;
  /** One per query head, or one per batch entry and query head. */
  readonly alibiSlopes?: Float64Array | undefined;
  readonly alibiDistance: AlibiDistance;
  /** One per query head. */
  readonly sinks?: Float64Array | undefined;
  readonly select: SelectionForm;
}

/** The lists of a scoring with one number for each query head (slopes also for each batch entry), in the order in which they cross to the addon. */
export const headNumbers = ['alibiSlopes', 'sinks'] as const satisfies readonly (keyof Scoring)[];

/** One batch entry: its rows of query and key. In a dense batch both starts are 0. */
export interface Sequence {
  readonly queryStart: number;
  readonly querySteps: number;
  readonly keyStart: number;
  /** Valid keys of this entry (kvLengths already applied). */
  readonly keySteps: number;
  /** Key position of query row 0; may be negative. */
  readonly queryOffset: number;
}

/** Elements of the widest query, key or value that backends take. */
export const widestHead = 576;

/** softmax(scale · score(q, k), capped, biased, masked) · v, without storing the scores. */
export interface AttentionProblem {
  readonly kind: 'attention';
  readonly queryHeads: number;
  /** Divides queryHeads: consecutive query heads share a key head. */
  readonly keyHeads: number;
  /** Of keys. */
  readonly width: number;
  /** Of queries, where that is another. */
  readonly queryWidth?: number | undefined;
  readonly valueWidth: number;
  readonly query: View;
  /** Both in pages or neither, except that positions stand in for the keys of a location score. */
  readonly key: StoredView;
  readonly value: StoredView;
  readonly output: View;
  /**
   * float32 (float64 for float64 problems), natural logarithm, sink included: for a row without keys it is
   * the sink, or −∞ without one.
   */
  readonly logSumExp?: View | undefined;
  readonly sequences: readonly Sequence[];
  readonly scoring: Scoring;
  /** Where to write the choices of a hard selection. */
  readonly choices?: Choices | undefined;
}

/**
 * Scores and weights of chosen heads and query rows, recomputed from an attention's logSumExp, or
 * weights from its choices where the selection is hard. Every
 * present array is [batch, heads.length, queries.length, keys], contiguous, float32 (float64 for
 * float64 problems). Keys past an entry's keySteps get score −∞ and weight 0, and so do all keys for query
 * rows past its querySteps.
 */
export interface RowsProblem {
  readonly kind: 'rows';
  readonly attention: AttentionProblem;
  readonly keys: number;
  readonly heads: Int32Array;
  readonly queries: Int32Array;
  /** scale · score(q, k) */
  readonly scores?: Elements;
  /** after the softcap */
  readonly cappedScores?: Elements;
  /** after mask and ALiBi, −∞ where a key may not be attended */
  readonly biasedScores?: Elements;
  readonly weights?: Elements;
}

/** A weight packed by a backend, opaque to everyone else. */
export interface PackedHandle {
  readonly backend: 'cuda' | 'cpu' | 'reference';
  /** Where its memory is. */
  readonly location: Location;
  readonly columns: number;
  readonly inner: number;
  readonly byteLength: number;
  dispose(): void;
}

/**
 * Divides x, the elements of consecutive heads, by its root mean square √(Σ x² / n + epsilon), multiplies it by the
 * weight, element by element, and adds the bias.
 */
export interface HeadNorm {
  /** How many heads x consists of: divides the number of heads of the target. */
  readonly heads: number;
  /** Whether the mean of x is subtracted first. */
  readonly centered: boolean;
  /** For each x its own weight and bias, contiguous, or one for all. */
  readonly shared: boolean;
  /** In the precision that the backend computes in. */
  readonly weight: Numbers | DeviceArray;
  readonly bias?: Numbers | DeviceArray | undefined;
  readonly epsilon: number;
}

/** Rotates each pair (x, y) among the first `width` elements of a head to (x cos − y sin, x sin + y cos). */
export interface Rotation {
  /** Even, and no wider than a head. */
  readonly width: number;
  /** Pairs are neighbours; otherwise they lie width / 2 apart. */
  readonly interleaved: boolean;
  /** Row m of a product takes row m % rows of the tables: one for each step, or one for each row. */
  readonly rows: number;
  /** [rows, width / 2], contiguous, in the precision that the backend computes in. */
  readonly cos: Numbers | DeviceArray;
  readonly sin: Numbers | DeviceArray;
}

/** The functions that elements between the products of a feed-forward network pass through. */
export type Activation = 'silu' | 'gelu' | 'gelu-tanh' | 'relu';

export const activations: readonly Activation[] = ['silu', 'gelu', 'gelu-tanh', 'relu'];

/** What becomes of the sums of a product before they are written: in this order, and in their precision. */
export interface Epilogue {
  readonly activation?: Activation | undefined;
  /** The activation of an even column is multiplied by the odd column after it, and half as many are written. */
  readonly gated?: boolean | undefined;
  /** cap · tanh(x / cap); 0 where sums are not capped. */
  readonly softcap?: number | undefined;
  /** Added; where and in the type that the target is written. */
  readonly residual?: Elements | undefined;
}

/** Columns [firstColumn, firstColumn + columns) of a product, written as [batch, heads, steps, headWidth]. */
export interface ProjectionTarget {
  readonly firstColumn: number;
  readonly columns: number;
  /** columns / headWidth heads; headWidth equal to columns leaves a plain row. */
  readonly headWidth: number;
  readonly view: View;
  /** Both are applied in this order and in the precision of the sums, before heads are written. */
  readonly norm?: HeadNorm | undefined;
  readonly rotation?: Rotation | undefined;
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
  readonly input: { readonly data: Elements; readonly type: TensorType };
  /** [columns, inner], contiguous, or packed by the same backend. */
  readonly weight: { readonly data: Elements; readonly type: TensorType } | PackedHandle;
  /** One per column. */
  readonly bias?: Float64Array;
  /**
   * Only with a single target without norm and rotation. Of a gated one, firstColumn and headWidth are even, and half of
   * the head width is written. Not solved by the cuda backend yet.
   */
  readonly epilogue?: Epilogue | undefined;
  readonly targets: readonly ProjectionTarget[];
}

/** Joins attention over disjoint sets of keys: rows of [rows, width] weighted by their share of the joint log-sum-exp. */
export interface MergeProblem {
  readonly kind: 'merge';
  readonly rows: number;
  /** One per head, for parts that were computed without. */
  readonly sinks?: Float64Array | undefined;
  /** Consecutive rows of one head, at least 1. The next rows are those of the next head, and heads repeat. */
  readonly rowsPerHead: number;
  readonly width: number;
  readonly type: TensorType;
  readonly parts: readonly { readonly output: Elements; readonly logSumExp: Elements }[];
  readonly output: Elements;
  readonly logSumExp: Elements;
}

/** Writes new keys and values to the pages of a cache, rounded to its type. */
export interface AppendProblem {
  readonly kind: 'append';
  readonly heads: number;
  readonly width: number;
  readonly valueWidth: number;
  readonly key: View;
  readonly value: View;
  readonly cachedKey: StoredView;
  readonly cachedValue: StoredView;
  /** Batch entries of the cache. */
  readonly entries: number;
  /** Steps [start, start + steps) of an entry of key and value, from `position` on in the cache. No two go to the same place. */
  readonly parts: readonly {
    readonly entry: number;
    readonly start: number;
    readonly steps: number;
    readonly position: number;
  }[];
}

/** The same elements in another type, rounded to nearest even. Solved by the cuda backend only: elsewhere tensors cast themselves. */
export interface CastProblem {
  readonly kind: 'cast';
  readonly count: number;
  readonly from: { readonly data: Elements; readonly type: TensorType };
  readonly to: { readonly data: Elements; readonly type: TensorType };
}

/**
 * Copies heads of [batch, heads, steps, width] from one view to another of the same type, which do not overlap. First a bias is
 * added, then pairs are rotated. Solved by the cuda backend only: elsewhere lib/onnx does it itself.
 */
export interface HeadsProblem {
  readonly kind: 'heads';
  readonly batch: number;
  readonly heads: number;
  readonly steps: number;
  readonly width: number;
  readonly from: View;
  /** The element of `from` at which the first head begins. */
  readonly fromStart: number;
  readonly to: View;
  /** Of the same type: [heads, width] from an element on. */
  readonly bias?: { readonly data: Elements; readonly start: number } | undefined;
  readonly rotation?: HeadRotation | undefined;
}

/** Rotates each pair (x, y) among the first 2 · pairs elements of a head to (x cos − y sin, x sin + y cos). */
export interface HeadRotation {
  readonly pairs: number;
  /** Pairs are neighbours; otherwise they lie `pairs` apart. */
  readonly interleaved: boolean;
  /** [rows, pairs], contiguous, of the type of the heads. */
  readonly cos: Elements;
  readonly sin: Elements;
  readonly rows: number;
  /** The row for each [batch, step]; by default there is one for each, in order. */
  readonly positions: ArrayLike<number> | undefined;
}

/**
 * Normalises rows of [rows, width]: (x − mean) / √(variance + epsilon) · (offset + weight) + bias, where the mean is 0, and the
 * variance that around 0, unless rows are centered. With a residual, x is input + residual, rounded to the type of both.
 */
export interface NormProblem {
  readonly kind: 'norm';
  readonly rows: number;
  readonly width: number;
  /** Of input, residual, sum, addend and output, which are contiguous. */
  readonly type: TensorType;
  readonly input: Elements;
  /** Both or neither; the sum is written. */
  readonly residual?: Elements | undefined;
  readonly sum?: Elements | undefined;
  /** Rows that are added to normalised ones before these are rounded. */
  readonly addend?: Elements | undefined;
  readonly output: Elements;
  /** Both [width]. */
  readonly weight: { readonly data: Elements; readonly type: TensorType };
  readonly bias?: { readonly data: Elements; readonly type: TensorType } | undefined;
  readonly offset: number;
  readonly epsilon: number;
  readonly centered: boolean;
}

/** How a token is chosen from a row of logits. */
export interface Sampling {
  /** What logits are divided by; 0 takes the largest. */
  readonly temperature: number;
  /** How many tokens are kept, at most: those with the largest logits. */
  readonly topK: number;
  /** Of those, as few are kept as together have this share of their probability. */
  readonly topP: number;
  /** Of those, the ones with at least this share of the largest one's probability are kept. */
  readonly minP: number;
  /** What positive logits of previous tokens are divided by, and negative ones multiplied. */
  readonly repetitionPenalty: number;
  /** Tokens below the vocabulary, in any order, perhaps several times. */
  readonly previous: Int32Array;
  readonly seed: number;
}

/** Chooses a token for each row of logits, by lib/backends/reference/sample.ts. */
export interface SampleProblem {
  readonly kind: 'sample';
  readonly vocabulary: number;
  /** [rows, vocabulary], contiguous. */
  readonly logits: { readonly data: Elements; readonly type: TensorType };
  /** For each row. */
  readonly rows: readonly Sampling[];
  /** int32, [rows]; −1 where a row has none to choose from, or is not all numbers. */
  readonly tokens: Elements;
}

/** Rows of tables, added: row i is scale · tables[0][ids[i]] + tables[1][ids[i]] + …, with the ids of each. */
export interface EmbeddingProblem {
  readonly kind: 'embedding';
  readonly rows: number;
  readonly width: number;
  readonly type: TensorType;
  /** At least one; each [length, width], contiguous, with an id below its length for each row. */
  readonly tables: readonly {
    readonly data: Elements;
    readonly length: number;
    readonly ids: Int32Array;
    /** The name of its argument in messages. */
    readonly name: string;
  }[];
  /** Of the rows of the first table. */
  readonly scale: number;
  /** [rows, width], contiguous, of the type of the tables. */
  readonly output: Elements;
}

/** What a sequence of rows becomes: their mean, the first, or the last of them. */
export type PoolingType = 'mean' | 'first' | 'last';

export const poolingTypes: readonly PoolingType[] = ['mean', 'first', 'last'];

/** A row for each sequence of rows; zeros where a sequence has none. */
export interface PoolingProblem {
  readonly kind: 'pooling';
  readonly width: number;
  /** Of input and output. */
  readonly type: TensorType;
  /** [tokens, width], contiguous. */
  readonly input: Elements;
  /** Where each sequence starts, and where the last one ends: increasing, from 0 to the number of tokens. */
  readonly starts: readonly number[];
  readonly pooling: PoolingType;
  /** Whether rows are divided by their length √(Σ x²), unless that is 0. */
  readonly normalised: boolean;
  /** [sequences, width], contiguous. */
  readonly output: Elements;
}

export type Problem =
  | AttentionProblem
  | RowsProblem
  | ProjectionProblem
  | MergeProblem
  | AppendProblem
  | CastProblem
  | HeadsProblem
  | NormProblem
  | SampleProblem
  | EmbeddingProblem
  | PoolingProblem;
