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
import { Tensor } from '../../lib/tensor/tensor.js';
import type { FloatType, TensorLike } from '../../lib/tensor/types.js';
import { type LinearMap, linearOracle, toHeads } from '../support/linear.js';
import { listOf, toNumbers } from '../support/numbers.js';
import { attentionOracle, type OracleResult } from '../support/oracle.js';
import { rotaryOracle } from '../support/rotary-oracle.js';

export interface OracleCall {
  readonly select?: Selection;
  readonly context?: TensorLike;
  readonly mask?: TensorLike;
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

function rmsNorm(head: readonly number[], weight: readonly number[], epsilon: number): number[] {
  const meanSquare = head.reduce((sum, x) => sum + x * x, 0) / head.length;
  return head.map((x, i) => (x / Math.sqrt(meanSquare + epsilon)) * weight[i]);
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
    sinks,
    score,
    select,
  } = options;
  const { context = input, mask, kvLengths, positions } = call;
  const [batch, steps] = input.dims;

  const map = (x: readonly number[], { weight, bias }: LinearMap, rows: number) => {
    const cast = wide(rounded(type, toNumbers(weight)), weight.dims);
    return linearOracle(x, { weight: cast, ...(bias && { bias }) }, rows);
  };
  const cut = (source: TensorLike, linear: LinearMap, count: number, turn?: Turn) => {
    const width = linear.weight.dims[0] / count;
    const sourceSteps = source.dims[1];
    const rows = map(toNumbers(source), linear, batch * sourceSteps);
    const numbers = toHeads(rows, { batch, steps: sourceSteps, heads: count, width });
    const turned = turn ? turnHeads(numbers, { heads: count, steps: sourceSteps, width }, turn) : numbers;
    return wide(rounded(type, turned), [batch, count, sourceSteps, width]);
  };
  const keySteps = context.dims[1];
  const valid = (entry: number) => kvLengths?.[entry] ?? keySteps;
  const given = (entry: number, step: number) =>
    positions && (positions.length === steps ? positions[step] : positions[entry * steps + step]);
  const queryPosition = (entry: number, step: number) =>
    given(entry, step) ?? (call.context ? valid(entry) - steps + step : step);
  const keyPosition = call.context ? (_: number, step: number) => step : queryPosition;
  const finish =
    (norm: HeadNormWeights | undefined, position: (entry: number, step: number) => number): Turn =>
    (head, entry, step) => {
      const normed = norm ? rmsNorm(head, toNumbers(norm.weight), normEpsilon) : head;
      if (rotary === undefined) return [...normed];
      const keys = Array.from({ length: valid(entry) }, (_, key) => keyPosition(entry, key));
      return rotaryOracle(normed, rotary, position(entry, step), Math.max(-1, ...keys) + 1);
    };

  const attention = attentionOracle(
    cut(input, weights.query, heads, finish(weights.queryNorm, queryPosition)),
    cut(context, weights.key, keyValueHeads, finish(weights.keyNorm, keyPosition)),
    cut(context, weights.value, keyValueHeads),
    {
      ...(causal !== undefined && { causal }),
      ...(window && { window }),
      ...(softcap !== undefined && { softcap }),
      ...(score !== undefined && { score: typeof score === 'string' ? score : rounding(type, score) }),
      ...((call.select ?? select) && { select: call.select ?? select }),
      ...(scale !== undefined && { scale }),
      ...(alibiSlopes && { alibiSlopes: listOf(alibiSlopes) }),
      ...(sinks && { sinks: listOf(sinks) }),
      ...(mask && { mask }),
      ...(kvLengths && { kvLengths }),
      // In self-attention, queries have the positions of their keys.
      ...(!call.context && { queryOffset: 0 }),
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
