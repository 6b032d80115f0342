/** Outputs: made here, or given by the caller to be reused. */

import { HeedError } from '../errors.js';
import type { Allocations } from '../memory/allocations.js';
import { isResizable, overlaps } from '../memory/arrays.js';
import { type Elements, isOnDevice } from '../memory/device.js';
import type { NamedInput } from '../problem/accesses.js';
import { Tensor } from '../tensor/tensor.js';
import type { FloatType, Location } from '../tensor/types.js';
import { checkData } from './data.js';
import { expectDims } from './lists.js';
import { expectPlace } from './location.js';
import { expectType, readTensor, type TensorArgument } from './tensor.js';
import { invalid, isInstance } from './values.js';

/** A tensor to write to: the caller's `out`, or a new one that is made when its memory is asked for. */
export interface OutArgument {
  readonly type: FloatType;
  readonly dims: readonly number[];
  /** Its location. */
  readonly location: Location;
  readonly given: { readonly tensor: Tensor; readonly argument: TensorArgument } | undefined;
  /** Whether it is for the operation only, not for its caller. */
  readonly temporary?: boolean;
}

export function readOut(
  value: unknown,
  name: string,
  type: FloatType,
  dims: readonly number[],
  source: string,
  input: TensorArgument,
): OutArgument {
  const { location } = input;
  if (value === undefined) return { type, dims, location, given: undefined };
  if (!isInstance(value, Tensor)) throw invalid(name, 'a heed Tensor', value);
  const argument = readTensor(value, name);
  expectType(argument, type, source);
  expectDims(argument.dims, name, dims);
  expectPlace(argument, location, input.name);
  return { type, dims, location, given: { tensor: value, argument } };
}

function shareMemory(a: Elements, b: Elements): boolean {
  return isOnDevice(a) || isOnDevice(b) ? a === b : overlaps(a, b);
}

/** The output tensor, once it is known to be safe to write while the inputs are read. */
export function outTensor(
  out: OutArgument,
  inputs: readonly NamedInput[],
  allocations: Allocations,
): { tensor: Tensor; data: Elements } {
  if (out.given === undefined) {
    const { type, dims, location } = out;
    const tensor = out.temporary
      ? allocations.temporary(type, dims, location)
      : allocations.result(type, dims, location);
    return { tensor, data: tensor.elements };
  }
  const { tensor, argument } = out.given;
  const data = isOnDevice(argument.data)
    ? argument.data
    : checkData(argument.data, argument.type, argument.size, `${argument.name}.data`);
  if (!isOnDevice(data) && isResizable(data)) {
    throw new HeedError(
      'HEED_RESIZABLE',
      `Expected ${argument.name} to lie in an ArrayBuffer of fixed length, received a resizable one`,
    );
  }
  for (const input of inputs) {
    if (shareMemory(data, input.data)) {
      throw new HeedError(
        'HEED_OVERLAP',
        `Expected ${argument.name} not to share memory with ${input.name}, received tensors that overlap`,
      );
    }
  }
  return { tensor, data };
}
