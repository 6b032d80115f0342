/** Biases: one number per column of a product, in any floating-point type. */

import { allocate } from '../checks/data.js';
import { expectLength, expectRank } from '../checks/lists.js';
import { expectFloat, hostDataOf, readTensor, type TensorArgument } from '../checks/tensor.js';
import { readElements } from '../tensor/elements.js';

export function readBias(
  value: unknown,
  name: string,
  columns: number,
  source: string,
): TensorArgument | undefined {
  if (value === undefined) return undefined;
  const tensor = readTensor(value, name);
  expectFloat(tensor);
  expectRank(tensor.dims, 1, name, 'out');
  expectLength(tensor.dims[0], `${name}.dims[0]`, columns, source);
  return tensor;
}

/** A copy of the bias, as numbers. */
export function biasNumbers(bias: TensorArgument, data = hostDataOf(bias)): Float64Array {
  const numbers = allocate('float64', bias.size, bias.name) as Float64Array;
  readElements(bias.type, data, 0, bias.size, numbers);
  return numbers;
}
