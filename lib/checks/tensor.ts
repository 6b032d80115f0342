/** Tensors among arguments: a heed Tensor, an onnxruntime Tensor, or a plain object. */
import { describeFromAnotherCopy } from '../copies.js';
import { HeedError } from '../errors.js';
import { isResizable } from '../memory/arrays.js';
import { type DeviceArray, type Elements, isOnDevice } from '../memory/device.js';
import { readElements } from '../tensor/elements.js';
import { Tensor } from '../tensor/tensor.js';
import {
  bytesPerElement,
  type FloatType,
  floatTypes,
  isFloatType,
  isTensorType,
  type Location,
  type TensorType,
  type TypedArray,
  tensorTypes,
} from '../tensor/types.js';
import { allocate, checkData, checkReach, copyData, tooShort } from './data.js';
import { readDims, readList, sizeOf } from './lists.js';
import {
  describe,
  describeDims,
  integerBetween,
  invalid,
  isInstance,
  listChoices,
  unreadable,
} from './values.js';

/** What was read, once, from a tensor that a caller passed. `data` is checked by {@link dataOf}. */
export interface TensorArgument {
  readonly name: string;
  readonly type: TensorType;
  readonly dims: readonly number[];
  readonly size: number;
  readonly location: Location;
  readonly data: unknown;
  /** Elements from one place along each axis to the next, and past the last one that is reached; undefined where dense. */
  readonly strided?: { readonly strides: readonly number[]; readonly reach: number } | undefined;
}

function checkType(value: unknown, name: string): TensorType {
  if (isTensorType(value)) return value;
  throw new HeedError(
    'HEED_UNSUPPORTED_TYPE',
    `Expected ${name} to be ${listChoices(tensorTypes)}, received ${describe(value)}`,
  );
}

/** onnxruntime's tensors have a location, which is 'none' once they are disposed. */
function isOnCpu(location: unknown): boolean {
  return location === undefined || location === 'cpu' || location === 'cpu-pinned';
}

function notOnCpu(name: string, location: unknown): HeedError {
  return new HeedError(
    'HEED_NOT_ON_CPU',
    `Expected the elements of ${name} to be in the memory of the CPU, received location ${describe(location)}`,
  );
}

/** A heed tensor on one of its devices; all other tensors are on the CPU. */
function readDeviceData(
  value: Parts,
  location: unknown,
  name: string,
): Pick<TensorArgument, 'location' | 'data'> {
  const elements = isInstance(value, Tensor) ? value.elements : undefined;
  if (!isOnDevice(elements)) throw notOnCpu(name, location);
  return { location: elements.device.location, data: elements };
}

interface Parts {
  readonly type?: unknown;
  readonly location?: unknown;
  readonly dims?: unknown;
  readonly data?: unknown;
  readonly strides?: unknown;
}

/** If the elements are elsewhere or disposed, reading them throws; the location is the better explanation. */
function readParts(value: Parts, name: string): Parts & Pick<TensorArgument, 'location' | 'data'> {
  try {
    const { type, location, dims, strides } = value;
    if (isOnCpu(location)) return { type, dims, strides, location: 'cpu', data: value.data };
    return { type, dims, strides, ...readDeviceData(value, location, name) };
  } catch (error) {
    throw unreadable(name, error);
  }
}

function rowMajor(dims: readonly number[]): number[] {
  return dims.map((_, axis) => sizeOf(dims.slice(axis + 1)));
}

function readStrides(value: unknown, name: string, rank: number): readonly number[] {
  const strides = readList(value, name, rank);
  if (strides.length !== rank) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected ${name} to have one element per axis (${rank}), received ${strides.length}`,
    );
  }
  return strides.map((stride, axis) =>
    integerBetween(stride, `${name}[${axis}]`, 0, Number.MAX_SAFE_INTEGER),
  );
}

/**
 * Reads a tensor whose rows, the elements along the last axis, lie densely and anywhere. This runs the caller's code if
 * properties are getters, so a caller that needs several arguments reads all of them first and asks for their memory with
 * {@link dataOf} afterwards.
 */
export function readStridedTensor(value: unknown, name: string): TensorArgument {
  const { tensor, given } = readParted(value, name);
  if (given === undefined) return tensor;
  const { dims, size } = tensor;
  const strides = readStrides(given, `${name}.strides`, dims.length);
  const last = dims.length - 1;
  if (dims[last] > 1 && strides[last] !== 1) {
    throw new HeedError(
      'HEED_INVALID_ARGUMENT',
      `Expected ${name}.strides[${last}] to be 1, received ${strides[last]}`,
    );
  }
  const reach = size === 0 ? 0 : dims.reduce((sum, length, axis) => sum + (length - 1) * strides[axis], 1);
  if (reach < size) {
    throw new HeedError(
      'HEED_INVALID_ARGUMENT',
      `Expected ${name}.strides to visit no element twice, received ${describeDims(strides)} for dims ${describeDims(dims)}`,
    );
  }
  return { ...tensor, strided: { strides, reach } };
}

/** The same of a tensor that has to be dense. */
export function readTensor(value: unknown, name: string): TensorArgument {
  const { tensor, given } = readParted(value, name);
  if (given === undefined) return tensor;
  const { dims } = tensor;
  const strides = readStrides(given, `${name}.strides`, dims.length);
  const dense = rowMajor(dims);
  if (tensor.size === 0 || strides.every((stride, axis) => dims[axis] === 1 || stride === dense[axis]))
    return tensor;
  throw new HeedError(
    'HEED_INVALID_ARGUMENT',
    `Expected ${name}.strides to be those of a dense tensor, ${describeDims(dense)}, received ${describeDims(strides)}; ` +
      'copy its elements to one, as only query, key and value of attention and of append() may have others',
  );
}

/** A tensor, and its strides as they are given, not yet checked. */
function readParted(value: unknown, name: string): { tensor: TensorArgument; given: unknown } {
  if (typeof value !== 'object' || value === null || describeFromAnotherCopy(value) !== undefined)
    throw invalid(name, 'a tensor', value);
  const parts = readParts(value, name);
  const type = checkType(parts.type, `${name}.type`);
  const dims = readDims(parts.dims, `${name}.dims`);
  const { location, data, strides } = parts;
  return { tensor: { name, type, dims, size: sizeOf(dims), location, data }, given: strides };
}

/** The elements of a tensor that was read: in place, or copied from where the memory could shrink. */
export function dataOf(tensor: TensorArgument): Elements {
  return tensor.location === 'cpu' ? hostDataOf(tensor) : deviceDataOf(tensor);
}

function deviceDataOf({ name, type, data, strided }: TensorArgument): DeviceArray {
  const array = data as DeviceArray;
  const elements = array.byteLength / bytesPerElement[type];
  if (strided === undefined || strided.reach <= elements) return array;
  throw tooShort(`${name}.data`, strided.reach, elements);
}

/** The same, for tensors that must be in the memory of the CPU. */
export function hostDataOf(tensor: TensorArgument): TypedArray {
  if (tensor.location !== 'cpu') throw notOnCpu(tensor.name, tensor.location);
  const { strided, type, name } = tensor;
  const data = strided
    ? checkReach(tensor.data, type, strided.reach, `${name}.data`)
    : checkData(tensor.data, type, tensor.size, `${name}.data`);
  return isResizable(data) ? copyData(data, tensor.type, tensor.name) : data;
}

/** The same, for any location: a copy if it is on a device, which waits for all enqueued work. */
export function fetchedDataOf(tensor: TensorArgument): TypedArray {
  const data = dataOf(tensor);
  if (!isOnDevice(data)) return data;
  const copy = allocate(tensor.type, tensor.size, tensor.name);
  data.device.downloadSync(data, copy);
  return copy;
}

/**
 * The elements, and the type to read them as. What is float64 takes part in the precision of the
 * computation: unless that is float64 too it is rounded to float32 here, where a huge number becomes ∞. Devices have none.
 */
export function computedData(
  tensor: TensorArgument,
  computeType: FloatType,
): { readonly data: Elements; readonly type: TensorType } {
  const data = dataOf(tensor);
  if (tensor.type !== 'float64' || computeType === 'float64') return { data, type: tensor.type };
  if (isOnDevice(data)) throw doubleOnDevice(tensor);
  const rounded = allocate('float32', tensor.size, tensor.name) as Float32Array;
  readElements(tensor.type, data, 0, tensor.size, rounded);
  return { data: rounded, type: 'float32' };
}

function doubleOnDevice({ name, location }: TensorArgument): HeedError {
  return new HeedError(
    'HEED_UNSUPPORTED_TYPE',
    `Expected ${name}.type to be one that is supported at '${location}', received 'float64'`,
  );
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

/** The stride of a tensor along each of the target's axes, 0 where it broadcasts; `axes` names the target. */
export function broadcastStrides(
  { dims, name }: Pick<TensorArgument, 'dims' | 'name'>,
  target: readonly number[],
  axes: string,
): number[] {
  const strides = target.map(() => 0);
  const missing = target.length - dims.length;
  let stride = 1;
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    const length = dims[axis];
    const wanted = target[axis + missing];
    if (missing < 0 || (length !== wanted && length !== 1)) {
      throw new HeedError(
        'HEED_SHAPE_MISMATCH',
        `Expected ${name}.dims to broadcast to [${axes}] ${describeDims(target)}, received ${describeDims(dims)}`,
      );
    }
    if (length !== 1) strides[axis + missing] = stride;
    stride *= length;
  }
  return strides;
}
