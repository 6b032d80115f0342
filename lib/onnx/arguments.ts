/** What the arguments of all operators have in common: an operator set, named inputs, heads, integers. */
import { expectPlace } from '../checks/location.js';
import { type OptionValues, readOptions } from '../checks/options.js';
import { dataOf, expectFloat, fetchedDataOf, readTensor, type TensorArgument } from '../checks/tensor.js';
import { describeDims, integerBetween, invalid } from '../checks/values.js';
import { HeedError } from '../errors.js';
import type { Allocations } from '../memory/allocations.js';
import { type Elements, isOnDevice } from '../memory/device.js';
import { Tensor } from '../tensor/tensor.js';
import type { FloatType, TensorType } from '../tensor/types.js';

/** A version of the default ONNX operator set. */
export type Opset = 23 | 24 | 25;

const newestOpset: Opset = 25;

export function readOpset(value: unknown): Opset {
  if (value === undefined) return newestOpset;
  if (value === 23 || value === 24 || value === 25) return value;
  throw invalid('options.opset', '23, 24 or 25', value);
}

type Read<Required extends string, Optional extends string> = {
  readonly [Name in Required]: TensorArgument;
} & { readonly [Name in Optional]?: TensorArgument };

/**
 * Reads the given inputs; the caller's getters run only here. The memory of those on a device stays until the
 * operation ends, whatever the caller disposes of.
 */
export function readInputs<Required extends string, Optional extends string>(
  allocations: Allocations,
  inputs: unknown,
  required: readonly Required[],
  optional: readonly Optional[],
): Read<Required, Optional> {
  if (inputs === undefined) throw invalid('inputs', 'an object', inputs);
  const values = readOptions<Required | Optional>(inputs, [...required, ...optional], 'inputs');
  const read = (name: Required | Optional) => {
    const tensor = readTensor(values[name], name);
    if (isOnDevice(tensor.data)) allocations.hold(tensor.data);
    return tensor;
  };
  const given = [...required, ...optional.filter((name) => values[name] !== undefined)];
  return Object.fromEntries(given.map((name) => [name, read(name)])) as Read<Required, Optional>;
}

/** A tensor over memory that it has no share in: whoever has keeps it. */
export function tensorOver(type: TensorType, data: Elements, dims: readonly number[]): Tensor {
  // One constructor takes typed arrays, another one arrays of devices.
  return isOnDevice(data) ? new Tensor(type, data, dims) : new Tensor(type, data, dims);
}

/**
 * The tensor that was read, or its elements with other dims, over memory that stays valid: on the CPU as long
 * as the tensor, on a device until the operation ends.
 */
export function toTensor(argument: TensorArgument, dims = argument.dims): Tensor {
  return tensorOver(argument.type, dataOf(argument), dims);
}

/**
 * The elements of a tensor of integers, wherever it is; one beyond 2⁵³ is rounded, and in no range that is
 * checked afterwards.
 */
export function integersOf(tensor: TensorArgument): Float64Array {
  return Float64Array.from<number | bigint>(fetchedDataOf(tensor), Number);
}

/** Inputs that are computed with where they are; numbers that are read at once may be anywhere. */
export function expectOnePlace(
  first: TensorArgument,
  ...inputs: readonly (TensorArgument | undefined)[]
): void {
  for (const input of inputs) if (input) expectPlace(input, first.location, first.name);
}

/** The type of an operator that has no float64. */
export function expectOperatorFloat(tensor: TensorArgument): FloatType {
  const type = expectFloat(tensor);
  if (type !== 'float64') return type;
  throw new HeedError(
    'HEED_UNSUPPORTED_TYPE',
    `Expected ${tensor.name}.type to be 'float32', 'float16' or 'bfloat16', received 'float64'`,
  );
}

export function expectRankOf(tensor: TensorArgument, ranks: readonly number[]): void {
  if (ranks.includes(tensor.dims.length)) return;
  throw new HeedError(
    'HEED_SHAPE_MISMATCH',
    `Expected ${tensor.name}.dims to have ${ranks.join(' or ')} axes, received ${describeDims(tensor.dims)}`,
  );
}

/** The width of heads that lie side by side along the last of three axes, and that an attribute counts. */
export function widthOfHeads(tensor: TensorArgument, heads: number, attribute: string): number {
  const hidden = tensor.dims[2];
  if (hidden % heads === 0) return hidden / heads;
  throw new HeedError(
    'HEED_SHAPE_MISMATCH',
    `Expected ${tensor.name}.dims[2] to be a multiple of ${attribute} (${heads}), received ${hidden}`,
  );
}

export function readInteger(
  attributes: OptionValues<string>,
  name: string,
  low: number,
  high: number,
): number | undefined {
  const value = attributes[name];
  return value === undefined ? undefined : integerBetween(value, name, low, high);
}
