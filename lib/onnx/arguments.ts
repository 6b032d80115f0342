/** What both operators' arguments have in common: an operator set, named inputs and outputs, integer attributes. */

import { type OptionValues, readOptions } from '../checks/options.js';
import { hostDataOf, readTensor, type TensorArgument } from '../checks/tensor.js';
import { integerBetween, invalid } from '../checks/values.js';
import { Tensor } from '../tensor/tensor.js';

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

/** Reads the given inputs; the caller's getters run only here. */
export function readInputs<Required extends string, Optional extends string>(
  inputs: unknown,
  required: readonly Required[],
  optional: readonly Optional[],
): Read<Required, Optional> {
  if (inputs === undefined) throw invalid('inputs', 'an object', inputs);
  const values = readOptions<Required | Optional>(inputs, [...required, ...optional], 'inputs');
  const read = (name: Required | Optional) => readTensor(values[name], name);
  const given = [...required, ...optional.filter((name) => values[name] !== undefined)];
  return Object.fromEntries(given.map((name) => [name, read(name)])) as Read<Required, Optional>;
}

/** The tensor that was read, over memory that stays valid as long as the tensor. */
export function toTensor(argument: TensorArgument): Tensor {
  return new Tensor(argument.type, hostDataOf(argument), argument.dims);
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
