/**
 * An independent implementation of a layer: linear maps, norms, rotations, the oracle of attention, and a
 * linear map, each step rounded to the layer's type like the layer's intermediate results.
 */
import type { Score, Selection } from '../../lib/attention/options.js';
import type {
  HeadNormWeights,
  MultiHeadAttentionOptions,
  MultiHeadAttentionWeights,
} from '../../lib/multi-head-attention/multi-head-attention.js';
import { quantiseWeight } from '../../lib/projection/quantise-weight.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import type { FloatType, TensorLike, TypedArray } from '../../lib/tensor/types.js';
import { type LinearMap, linearOracle, toHeads } from '../support/linear.js';
import { listOf, slopesOf, toNumbers } from '../support/numbers.js';
import { attentionOracle, type OracleResult } from '../support/oracle.js';
import { quantisedProductOracle } from '../support/quantised-oracle.js';
import { biasedMask } from '../support/relative-bias.js';
import { rotaryOracle } from '../support/rotary-oracle.js';

export interface OracleCall {
  readonly select?: Selection;
  readonly context?: TensorLike;
  readonly mask?: TensorLike;
  readonly lengths?: readonly number[];
  readonly kvLengths?: readonly number[];
  readonly positions?: readonly number[];
}

function rounded(type: FloatType, numbers: readonly number[]): number[] {
  return toNumbers(new Tensor(Float64Array.from(numbers), [numbers.length]).cast(type));
}

function wide(numbers: readonly number[], dims: readonly number[]): TensorLike {
  return { type: 'float64', dims, data: Float64Array.from(numbers) };
}

type Turn = (head: number[], entry: number, step: number) => number[];

/** Rows of [heads · width]: each head of each row normalised, or all heads of a row together. */
function normRows(
  rows: readonly number[],
  { weight, bias, type = 'rms', together = false }: HeadNormWeights,
  heads: number,
  width: number,
  epsilon: number,
): number[] {
  const [factors, offsets] = [toNumbers(weight), bias && toNumbers(bias)];
  const length = together ? heads * width : width;
  const normed: number[] = [];
  for (let at = 0; at < rows.length; at += length) {
    const x = rows.slice(at, at + length);
    const mean = type === 'layer' ? x.reduce((sum, element) => sum + element, 0) / length : 0;
    const root = Math.sqrt(x.reduce((sum, element) => sum + (element - mean) ** 2, 0) / length + epsilon);
    // A weight for each head is as long as a row.
    const own = at % factors.length;
    normed.push(
      ...x.map((element, i) => ((element - mean) / root) * factors[own + i] + (offsets?.[own + i] ?? 0)),
    );
  }
  return normed;
}

/** [batch, heads, steps, width], with each head rotated. */
function turnHeads(
  numbers: readonly number[],
  { heads, steps, width }: { heads: number; steps: number; width: number },
  turn: Turn,
): number[] {
  const turned: number[] = [];
  for (let at = 0; at < numbers.length; at += width) {
    const row = at / width;
    turned.push(...turn(numbers.slice(at, at + width), Math.floor(row / steps / heads), row % steps));
  }
  return turned;
}

/** The positions of a location score are keys, and have the layer's type. */
function rounding(type: FloatType, score: Exclude<Score, string>): Score {
  if (score.type !== 'location') return score;
  const { weight } = score;
  return { type: 'location', weight: wide(rounded(type, toNumbers(weight)), weight.dims) };
}

export function layerOracle(
  type: FloatType,
  weights: MultiHeadAttentionWeights,
  options: MultiHeadAttentionOptions,
  input: TensorLike,
  call: OracleCall = {},
): { output: number[]; attention: OracleResult } {
  const {
    heads,
    keyValueHeads = heads,
    rotary,
    normEpsilon = 1e-6,
    causal,
    window,
    softcap,
    scale,
    alibiSlopes,
    alibiDistance,
    sinks,
    relativeBias,
    score,
    select,
    weights: roundedTo,
  } = options;
  const { context = input, lengths, kvLengths, positions } = call;
  const [batch, steps] = input.dims;

  const map = (x: readonly number[], { weight, bias }: LinearMap, rows: number) => {
    if (roundedTo !== undefined) {
      const [columns, inner] = weight.dims;
      const given = {
        name: 'weight',
        type: weight.type as FloatType,
        data: weight.data as TypedArray,
        columns,
        inner,
      };
      const round = type === 'float64' ? (element: number) => element : Math.fround;
      return quantisedProductOracle(x, quantiseWeight(given, roundedTo), bias && toNumbers(bias), round);
    }
    const cast = wide(rounded(type, toNumbers(weight)), weight.dims);
    return linearOracle(x, { weight: cast, ...(bias && { bias }) }, rows);
  };
  const cut = (
    source: TensorLike,
    linear: LinearMap,
    count: number,
    { norm, turn }: { norm?: HeadNormWeights | undefined; turn?: Turn | undefined } = {},
  ) => {
    const width = linear.weight.dims[0] / count;
    const sourceSteps = source.dims[1];
    const rows = map(toNumbers(source), linear, batch * sourceSteps);
    const normed = norm ? normRows(rows, norm, count, width, normEpsilon) : rows;
    const numbers = toHeads(normed, { batch, steps: sourceSteps, heads: count, width });
    const turned = turn ? turnHeads(numbers, { heads: count, steps: sourceSteps, width }, turn) : numbers;
    return wide(rounded(type, turned), [batch, count, sourceSteps, width]);
  };
  const keySteps = context.dims[1];
  const valid = (entry: number) => (lengths ?? kvLengths)?.[entry] ?? keySteps;
  const given = (entry: number, step: number) =>
    positions && (positions.length === steps ? positions[step] : positions[entry * steps + step]);
  const queryPosition = (entry: number, step: number) =>
    given(entry, step) ?? (call.context ? valid(entry) - steps + step : step);
  const keyPosition = call.context ? (_: number, step: number) => step : queryPosition;
  const offsets = Array.from({ length: batch }, (_, entry) => (call.context ? valid(entry) - steps : 0));
  const table = relativeBias && {
    bidirectional: causal !== true && window?.right !== 0,
    maxDistance: 128,
    ...relativeBias,
  };
  const mask = table ? biasedMask(table, [batch, heads, steps, keySteps], offsets, call.mask) : call.mask;
  const turner =
    (position: (entry: number, step: number) => number): Turn =>
    (head, entry, step) => {
      if (rotary === undefined) return [...head];
      const keys = Array.from({ length: valid(entry) }, (_, key) => keyPosition(entry, key));
      return rotaryOracle(head, rotary, position(entry, step), Math.max(-1, ...keys) + 1);
    };

  const attention = attentionOracle(
    cut(input, weights.query, heads, { norm: weights.queryNorm, turn: turner(queryPosition) }),
    cut(context, weights.key, keyValueHeads, { norm: weights.keyNorm, turn: turner(keyPosition) }),
    cut(context, weights.value, keyValueHeads),
    {
      ...(causal !== undefined && { causal }),
      ...(window && { window }),
      ...(softcap !== undefined && { softcap }),
      ...(score !== undefined && { score: typeof score === 'string' ? score : rounding(type, score) }),
      ...((call.select ?? select) && { select: call.select ?? select }),
      ...(scale !== undefined && { scale }),
      ...(alibiSlopes && { alibiSlopes: slopesOf(alibiSlopes) }),
      ...(alibiDistance && { alibiDistance }),
      ...(sinks && { sinks: listOf(sinks) }),
      ...(mask && { mask }),
      ...(lengths && { lengths }),
      ...(kvLengths && { kvLengths }),
      // In self-attention, queries have the positions of their keys.
      ...(!call.context && !lengths && { queryOffset: 0 }),
    },
  );
  const valueWidth = weights.value.weight.dims[0] / keyValueHeads;
  // [batch, heads, steps, width] → [batch, steps, heads · width], which is the same exchange of axes.
  const joined = toHeads(rounded(type, attention.output), {
    batch,
    steps: heads,
    heads: steps,
    width: valueWidth,
  });
  const output = weights.output ? rounded(type, map(joined, weights.output, batch * steps)) : joined;
  return { output, attention };
}
