/** Outputs: made here, or given by the caller to be reused. */
import { HeedError } from '../errors.js';
import { Tensor } from '../tensor.js';
import type { FloatType, TypedArray } from '../tensor-type.js';
import { checkData, isResizable, overlaps } from './data.js';
import { isInstance } from './describe.js';
import { expectDims } from './dims.js';
import { invalid } from './numbers.js';
import { expectType, readTensor, type TensorArgument } from './tensor.js';

/** A tensor to write to: the caller's `out`, or a new one that is made when its memory is asked for. */
export interface OutArgument {
  readonly type: FloatType;
  readonly dims: readonly number[];
  readonly given: { readonly tensor: Tensor; readonly argument: TensorArgument } | undefined;
}

export function readOut(
  value: unknown,
  name: string,
  type: FloatType,
  dims: readonly number[],
  source: string,
): OutArgument {
  if (value === undefined) return { type, dims, given: undefined };
  if (!isInstance(value, Tensor)) throw invalid(name, 'a heed Tensor', value);
  const argument = readTensor(value, name);
  expectType(argument, type, source);
  expectDims(argument.dims, name, dims);
  return { type, dims, given: { tensor: value, argument } };
}

interface NamedInput {
  readonly name: string;
  readonly data: TypedArray;
}

/** The output tensor, once it is known to be safe to write while the inputs are read. */
export function outTensor(
  out: OutArgument,
  inputs: readonly NamedInput[],
): { tensor: Tensor; data: TypedArray } {
  if (out.given === undefined) {
    const tensor = Tensor.zeros(out.type, out.dims);
    return { tensor, data: tensor.data };
  }
  const { tensor, argument } = out.given;
  const data = checkData(argument.data, argument.type, argument.size, `${argument.name}.data`);
  if (isResizable(data)) {
    throw new HeedError(
      'HEED_RESIZABLE',
      `Expected ${argument.name} to lie in an ArrayBuffer of fixed length, received a resizable one`,
    );
  }
  for (const input of inputs) {
    if (overlaps(data, input.data)) {
      throw new HeedError(
        'HEED_OVERLAP',
        `Expected ${argument.name} not to share memory with ${input.name}, received tensors that overlap`,
      );
    }
  }
  return { tensor, data };
}
