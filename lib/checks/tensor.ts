/** Tensors among arguments: a heed Tensor, an onnxruntime Tensor, or a plain object. */
import { HeedError } from '../errors.js';
import type { FloatType, TensorType, TypedArray } from '../tensor-type.js';
import { floatTypes, isFloatType, tensorTypes } from '../tensor-type.js';
import { checkData, copyData, isResizable } from './data.js';
import { describe, listChoices } from './describe.js';
import { readDims, sizeOf } from './dims.js';
import { invalid } from './numbers.js';
import { readProperty } from './read.js';

/** What was read, once, from a tensor that a caller passed. `data` is checked by {@link dataOf}. */
export interface TensorArgument {
  readonly name: string;
  readonly type: TensorType;
  readonly dims: readonly number[];
  readonly size: number;
  readonly data: unknown;
}

function checkType(value: unknown, name: string): TensorType {
  const type = tensorTypes.find((candidate) => candidate === value);
  if (type === undefined) {
    throw new HeedError(
      'HEED_UNSUPPORTED_TYPE',
      `Expected ${name} to be ${listChoices(tensorTypes)}, received ${describe(value)}`,
    );
  }
  return type;
}

/** onnxruntime's tensors tell where their elements are, and 'none' once they are disposed. */
function checkLocation(location: unknown, name: string): void {
  if (location === undefined || location === 'cpu' || location === 'cpu-pinned') return;
  throw new HeedError(
    'HEED_NOT_ON_CPU',
    `Expected the elements of ${name} to be in the memory of the CPU, received location ${describe(location)}`,
  );
}

/**
 * Reads a tensor. This runs the caller's code where properties are getters, so whoever needs several
 * arguments reads all of them first and asks for their memory with {@link dataOf} afterwards.
 */
export function readTensor(value: unknown, name: string): TensorArgument {
  if (typeof value !== 'object' || value === null) throw invalid(name, 'a tensor', value);
  const type = checkType(readProperty(value, 'type', name), `${name}.type`);
  checkLocation(readProperty(value, 'location', name), name);
  const dims = readDims(readProperty(value, 'dims', name), `${name}.dims`);
  return { name, type, dims, size: sizeOf(dims), data: readProperty(value, 'data', name) };
}

/** The elements of a tensor that was read: in place, or copied from where the memory could shrink. */
export function dataOf(tensor: TensorArgument): TypedArray {
  const data = checkData(tensor.data, tensor.type, tensor.size, `${tensor.name}.data`);
  return isResizable(data) ? copyData(data, tensor.type, tensor.name) : data;
}

export function expectFloat(tensor: TensorArgument): FloatType {
  if (!isFloatType(tensor.type)) {
    throw new HeedError(
      'HEED_UNSUPPORTED_TYPE',
      `Expected ${tensor.name}.type to be ${listChoices(floatTypes)}, received '${tensor.type}'`,
    );
  }
  return tensor.type;
}

export function expectType(tensor: TensorArgument, type: TensorType, source: string): void {
  if (tensor.type !== type) {
    throw new HeedError(
      'HEED_TYPE_MISMATCH',
      `Expected ${tensor.name}.type to equal ${source} ('${type}'), received '${tensor.type}'`,
    );
  }
}
