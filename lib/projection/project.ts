/** Linear maps, as in nn.Linear, whose results can be split into heads. */
import type { BackendName } from '../backends/backend.js';
import { type Operation, run, runSync } from '../backends/operation.js';
import { expectLength, expectRank } from '../checks/lists.js';
import { readOptions } from '../checks/options.js';
import { outTensor, readOut } from '../checks/out.js';
import { dataOf, expectFloat, readTensor, type TensorArgument } from '../checks/tensor.js';
import { integerBetween, signalOption } from '../checks/values.js';
import { HeedError } from '../errors.js';
import type { Allocations } from '../memory/allocations.js';
import type { ProjectionProblem } from '../problem/problem.js';
import { denseStrides } from '../tensor/layout.js';
import type { Tensor } from '../tensor/tensor.js';
import type { TensorLike } from '../tensor/types.js';
import { biasNumbers, readBias } from './bias.js';
import type { PackedWeight } from './packed-weight.js';
import { chooseFor, factorOf, readWeight, type WeightArgument } from './weight-argument.js';

/** The options of {@link project}. */
export interface ProjectOptions {
  /** Splits the result into heads of equal width: [batch, heads, steps, width], ready for attention. */
  heads?: number;
  /**
   * 'auto' (default) as for attention. A packed weight is multiplied by the backend that it was packed for;
   * an input in the memory of the CPU is copied to the device of a weight that was packed for one.
   */
  backend?: BackendName;
  /** A tensor to write the result to, which is then returned. Must not share memory with an input. */
  out?: Tensor;
  /** Cancels the operation: the promise rejects with the signal's reason once nothing accesses the tensors. */
  signal?: AbortSignal;
}

interface ProductShape {
  readonly dims: readonly number[];
  readonly rows: number;
  readonly steps: number;
  readonly headWidth: number;
}

/** Without heads the product keeps all axes of the input but the last, and its rows count as steps of one batch entry. */
function shapeOf(input: TensorArgument, weight: WeightArgument, headsOption: unknown): ProductShape {
  const { columns, inner } = weight;
  const axes = input.dims.length;
  if (axes === 0) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      'Expected input.dims to have at least 1 axis, […, in], received []',
    );
  }
  if (headsOption !== undefined) expectRank(input.dims, 3, 'input', 'batch, steps, in');
  expectLength(input.dims[axes - 1], `input.dims[${axes - 1}]`, inner, 'weight.dims[1]');
  if (headsOption === undefined) {
    const outer = input.dims.slice(0, -1);
    const rows = outer.reduce((product, length) => product * length, 1);
    return { dims: [...outer, columns], rows, steps: rows, headWidth: columns };
  }
  const heads = integerBetween(headsOption, 'options.heads', 1, Number.MAX_SAFE_INTEGER);
  if (columns % heads !== 0) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected weight.dims[0] to be a multiple of options.heads (${heads}), received ${columns}`,
    );
  }
  const [batch, steps] = input.dims;
  const headWidth = columns / heads;
  return { dims: [batch, heads, steps, headWidth], rows: batch * steps, steps, headWidth };
}

function prepare(
  allocations: Allocations,
  inputValue: unknown,
  weightValue: unknown,
  biasValue: unknown,
  options: unknown,
): Operation<Tensor> {
  const input = readTensor(inputValue, 'input');
  const type = expectFloat(input);
  const weight = readWeight(weightValue, 'weight', 'out, in');
  const { columns, inner } = weight;
  const bias = readBias(biasValue, 'bias', columns, 'weight.dims[0]');
  const values = readOptions(options, ['heads', 'backend', 'out', 'signal']);
  const { dims, rows, steps, headWidth } = shapeOf(input, weight, values.heads);
  const backend = chooseFor(values.backend, input, type, weight);
  const signal = signalOption(values.signal, 'options.signal');
  const out = readOut(values.out, 'options.out', type, dims, 'input.type', input);

  const inputData = dataOf(input);
  const factor = factorOf(weight);
  const read = [
    { name: 'input', data: inputData },
    ...('data' in factor ? [{ name: 'weight', data: factor.data }] : []),
  ];
  const output = outTensor(out, read, allocations);
  const strides = denseStrides('bhsd', columns === 0 ? 0 : columns / headWidth, steps, headWidth);
  const problem: ProjectionProblem = {
    kind: 'projection',
    rows,
    steps,
    inner,
    columns,
    input: { data: inputData, type },
    weight: factor,
    ...(bias && { bias: biasNumbers(bias) }),
    targets: [{ firstColumn: 0, columns, headWidth, view: { data: output.data, type, ...strides } }],
  };
  // Rows of nothing may be beyond counting.
  const problems = output.tensor.size === 0 ? [] : [problem];
  return { backend, problems, result: output.tensor, signal };
}

/**
 * input · weightᵀ + bias, as in nn.Linear; with `heads`, split into heads in the layout that attention
 * takes. Sums are in float32 (float64 if input or weight is), whatever the storage types, which may differ.
 *
 * @param input […, in], any floating-point type; [batch, steps, in] with `options.heads`
 * @param weight [out, in], any floating-point type, or a result of {@link packWeight}
 * @param bias [out], any floating-point type; in the memory of the CPU, wherever the rest is, since it is passed with the call
 * @returns […, out] in the type of input; [batch, heads, steps, out / heads] with `options.heads`; `options.out` if given
 * @throws HeedError (as a rejection) for every bad argument, before any work starts: see `code`.
 *   When aborted, it rejects with the signal's reason.
 *
 * @example
 * const query = await project(input, weight, bias, { heads: 8 });
 */
export async function project(
  input: TensorLike,
  weight: TensorLike | PackedWeight,
  bias?: TensorLike,
  options?: ProjectOptions,
): Promise<Tensor> {
  return await run((allocations) => prepare(allocations, input, weight, bias, options));
}

/** {@link project}, synchronously: it throws instead of rejecting, and blocks the event loop. */
export function projectSync(
  input: TensorLike,
  weight: TensorLike | PackedWeight,
  bias?: TensorLike,
  options?: ProjectOptions,
): Tensor {
  return runSync((allocations) => prepare(allocations, input, weight, bias, options));
}
