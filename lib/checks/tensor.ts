/** Tensors among arguments: a heed Tensor, an onnxruntime Tensor, or a plain object. */
import { HeedError } from '../errors.js';
import type { FloatType, TensorType, TypedArray } from '../tensor-type.js';
import { floatTypes, isFloatType, isTensorType, tensorTypes } from '../tensor-type.js';
import { checkData, copyData, isResizable } from './data.js';
import { describe, listChoices } from './describe.js';
import { readDims, sizeOf } from './dims.js';
import { invalid } from './numbers.js';
import { unreadable } from './read.js';

/** What was read, once, from a tensor that a caller passed. `data` is checked by {@link dataOf}. */
export interface TensorArgument {
  readonly name: string;
  readonly type: TensorType;
  readonly dims: readonly number[];
  readonly size: number;
  readonly data: unknown;
}

function checkType(value: unknown, name: string): TensorType {
  if (isTensorType(value)) return value;
  throw new HeedError(
    'HEED_UNSUPPORTED_TYPE',
    `Expected ${name} to be ${listChoices(tensorTypes)}, received ${describe(value)}`,
  );
}

/** onnxruntime's tensors tell where their elements are, and 'none' once they are disposed. */
function checkLocation(location: unknown, name: string): void {
  if (location === undefined || location === 'cpu' || location === 'cpu-pinned') return;
  throw new HeedError(
    'HEED_NOT_ON_CPU',
    `Expected the elements of ${name} to be in the memory of the CPU, received location ${describe(location)}`,
  );
}

interface Parts {
  readonly type?: unknown;
  readonly location?: unknown;
  readonly dims?: unknown;
  readonly data?: unknown;
}

/** Where elements are elsewhere or gone, asking for them throws: the location is the better explanation. */
function readParts(value: Parts, name: string): Parts {
  try {
    const { type, location, dims } = value;
    checkLocation(location, name);
    return { type, dims, data: value.data };
  } catch (error) {
    throw unreadable(name, error);
  }
}

/**
 * Reads a tensor. This runs the caller's code where properties are getters, so whoever needs several
 * arguments reads all of them first and asks for their memory with {@link dataOf} afterwards.
 */
export function readTensor(value: unknown, name: string): TensorArgument {
  if (typeof value !== 'object' || value === null) throw invalid(name, 'a tensor', value);
  const parts = readParts(value, name);
  const type = checkType(parts.type, `${name}.type`);
  const dims = readDims(parts.dims, `${name}.dims`);
  return { name, type, dims, size: sizeOf(dims), data: parts.data };
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
