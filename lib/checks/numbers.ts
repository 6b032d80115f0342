/**
 * Numbers among arguments: in a list, or in a tensor of a type that holds such numbers. They are copied when they are read,
 * so that nothing can change them later.
 */
import { types } from 'node:util';
import { HeedError } from '../errors.js';
import { typedArrayName } from '../memory/arrays.js';
import { readElements } from '../tensor/elements.js';
import { integerTypes, isIntegerType } from '../tensor/types.js';
import { allocate } from './data.js';
import { expectDims, longestList, readList } from './lists.js';
import { expectFloat, fetchedDataOf, readTensor, type TensorArgument } from './tensor.js';
import {
  describe,
  integerBetween,
  invalid,
  isArray,
  isFiniteFloat32,
  listChoices,
  readProperty,
} from './values.js';

/** Typed arrays whose elements are the numbers that they stand for: those of a Uint16Array may be bits. */
const floatArrays: readonly string[] = ['Float32Array', 'Float64Array', 'Float16Array'];

/** Lists come first: most arguments are lists, and asking an array costs nothing. */
function isTensor(value: unknown, name: string): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (isArray(value) || typedArrayName(value) !== undefined) return false;
  return readProperty(value, 'dims', name) !== undefined;
}

function notNumbers(value: object, name: string, tensor: string): HeedError {
  return new HeedError(
    'HEED_TYPE_MISMATCH',
    `Expected ${name} to be a list of numbers or a tensor, received ${describe(value)}, ` +
      `which does not say what type of number it holds; pass a tensor: ${tensor}`,
  );
}

/** A list of elements of any kind, but no memory without a type. */
function readElementList(value: unknown, name: string, tensor: string, most?: number): unknown[] {
  if (types.isAnyArrayBuffer(value) || types.isDataView(value)) throw notNumbers(value, name, tensor);
  return readList(value, name, most);
}

function expectCount(received: number, name: string, count: number, per: string): void {
  if (received === count) return;
  throw new HeedError(
    'HEED_SHAPE_MISMATCH',
    `Expected ${name} to have one element per ${per} (${count}), received ${received}`,
  );
}

function expectAtMost(size: number, name: string, most: number): void {
  if (size <= most) return;
  throw new HeedError(
    'HEED_SHAPE_MISMATCH',
    `Expected ${name} to have at most ${most} elements, received ${size}`,
  );
}

/** @param count of the elements; undefined for any number of them, up to `most` */
function readFloatTensor(value: unknown, name: string, count?: number, most = longestList): Float64Array {
  const tensor = readTensor(value, name);
  const type = expectFloat(tensor);
  const { size, dims } = tensor;
  expectDims(dims, name, [count ?? size]);
  expectAtMost(size, name, most);
  const numbers = allocate('float64', size, name) as Float64Array;
  readElements(type, fetchedDataOf(tensor), 0, size, numbers);
  return numbers;
}

function readFloatList(value: unknown, name: string, dims: string, most?: number): readonly unknown[] {
  const tensor = `{ type: 'bfloat16', ${dims}, data }`;
  const array = typedArrayName(value);
  if (array !== undefined && !floatArrays.includes(array)) throw notNumbers(value as object, name, tensor);
  return readElementList(value, name, tensor, most);
}

function finiteFloats(elements: readonly unknown[] | Float64Array, name: string): Float64Array {
  return Float64Array.from(elements, (element, i) => {
    if (isFiniteFloat32(element)) return element;
    throw invalid(`${name}[${i}]`, 'a finite number in the range of float32', element);
  });
}

/** Finite numbers, one for each of `count` things, which `per` names. */
export function readNumbers(value: unknown, name: string, count: number, per: string): Float64Array {
  if (isTensor(value, name)) return finiteFloats(readFloatTensor(value, name, count), name);
  const list = readFloatList(value, name, `dims: [${count}]`);
  expectCount(list.length, name, count, per);
  return finiteFloats(list, name);
}

/** Any number of finite numbers, up to `most`. */
export function readNumberList(value: unknown, name: string, most: number): Float64Array {
  const given = isTensor(value, name)
    ? readFloatTensor(value, name, undefined, most)
    : readFloatList(value, name, 'dims', most);
  return finiteFloats(given, name);
}

/** Integers that were read, not yet checked against a range; a list has one axis. */
interface IntegerElements {
  readonly dims: readonly number[];
  readonly elements: readonly unknown[];
}

function expectInteger(tensor: TensorArgument): void {
  if (isIntegerType(tensor.type)) return;
  throw new HeedError(
    'HEED_UNSUPPORTED_TYPE',
    `Expected ${tensor.name}.type to be ${listChoices(integerTypes)}, received '${tensor.type}'`,
  );
}

/** Integers in a list, or in a tensor of any shape: for a caller who checks the dims. */
export function readShapedIntegers(value: unknown, name: string, most = longestList): IntegerElements {
  if (!isTensor(value, name)) {
    const elements = readElementList(value, name, "{ type: 'int64', dims, data }", most);
    return { dims: [elements.length], elements };
  }
  const tensor = readTensor(value, name);
  expectInteger(tensor);
  expectAtMost(tensor.size, name, most);
  return { dims: tensor.dims, elements: Array.from<unknown>(fetchedDataOf(tensor)) };
}

/** Integers in a list, or in a tensor with one axis. {@link integerElement} checks each. */
export function readIntegerElements(value: unknown, name: string, most?: number): readonly unknown[] {
  const { dims, elements } = readShapedIntegers(value, name, most);
  if (dims.length !== 1) expectDims(dims, name, [elements.length]);
  return elements;
}

/** An element of a list of integers: a number or a bigint. */
export function integerElement(element: unknown, name: string, low: number, high: number): number {
  if (typeof element !== 'bigint') return integerBetween(element, name, low, high);
  if (element >= low && element <= high) return Number(element);
  // A bigint may have a million digits.
  const shown = element === BigInt.asIntN(64, element) ? `${element}n` : 'a bigint beyond int64';
  throw new HeedError(
    'HEED_INVALID_ARGUMENT',
    `Expected ${name} to be an integer from ${low} to ${high}, received ${shown}`,
  );
}

/** An integer for each of `count` things, which `per` names. */
export function readIntegers(
  value: unknown,
  name: string,
  count: number,
  per: string,
  low: number,
  high: number,
): number[] {
  const elements = readIntegerElements(value, name);
  expectCount(elements.length, name, count, per);
  return elements.map((element, i) => integerElement(element, `${name}[${i}]`, low, high));
}
