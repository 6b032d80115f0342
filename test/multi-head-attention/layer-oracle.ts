/**
 * A second opinion on what a layer is: linear maps, the oracle of attention, and a linear map, each
 * step rounded to the layer's type as its intermediate results are.
 */
import type { MultiHeadAttentionOptions, MultiHeadAttentionWeights } from '../../lib/multi-head-attention.js';
import { Tensor } from '../../lib/tensor.js';
import type { FloatType, TensorLike } from '../../lib/tensor-type.js';
import { type LinearMap, linearOracle, toHeads } from '../support/linear.js';
import { toNumbers } from '../support/numbers.js';
import { attentionOracle, type OracleResult } from '../support/oracle.js';

export interface OracleCall {
  readonly context?: TensorLike;
  readonly mask?: TensorLike;
  readonly kvLengths?: readonly number[];
}

function rounded(type: FloatType, numbers: readonly number[]): number[] {
  return toNumbers(new Tensor(Float64Array.from(numbers), [numbers.length]).cast(type));
}

function wide(numbers: readonly number[], dims: readonly number[]): TensorLike {
  return { type: 'float64', dims, data: Float64Array.from(numbers) };
}

export function layerOracle(
  type: FloatType,
  weights: MultiHeadAttentionWeights,
  options: MultiHeadAttentionOptions,
  input: TensorLike,
  call: OracleCall = {},
): { output: number[]; attention: OracleResult } {
  const { heads, keyValueHeads = heads, causal, window, softcap, scale, alibiSlopes, sinks } = options;
  const { context = input, mask, kvLengths } = call;
  const [batch, steps] = input.dims;

  const map = (x: readonly number[], { weight, bias }: LinearMap, rows: number) => {
    const cast = wide(rounded(type, toNumbers(weight)), weight.dims);
    return rounded(type, linearOracle(x, { weight: cast, ...(bias && { bias }) }, rows));
  };
  const cut = (source: TensorLike, linear: LinearMap, count: number) => {
    const width = linear.weight.dims[0] / count;
    const sourceSteps = source.dims[1];
    const rows = map(toNumbers(source), linear, batch * sourceSteps);
    const numbers = toHeads(rows, { batch, steps: sourceSteps, heads: count, width });
    return wide(numbers, [batch, count, sourceSteps, width]);
  };

  const attention = attentionOracle(
    cut(input, weights.query, heads),
    cut(context, weights.key, keyValueHeads),
    cut(context, weights.value, keyValueHeads),
    {
      ...(causal !== undefined && { causal }),
      ...(window && { window }),
      ...(softcap !== undefined && { softcap }),
      ...(scale !== undefined && { scale }),
      ...(alibiSlopes && { alibiSlopes }),
      ...(sinks && { sinks }),
      ...(mask && { mask }),
      ...(kvLengths && { kvLengths }),
      // Steps that attend each other stand where their keys do.
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
  return { output: weights.output ? map(joined, weights.output, batch * steps) : joined, attention };
}
