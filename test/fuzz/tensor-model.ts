/** The interface's rules for tensors among arguments, read strictly and independently. */
import { types } from 'node:util';
import type { TensorType } from '../../lib/tensor/types.js';
import { decode, type NdArray } from '../onnx/nd-array.js';

/** The arguments break the contract: only an error is correct. */
export class Invalid extends Error {}

export function expect(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Invalid(what);
}

const arrayNames: Record<TensorType, readonly string[]> = {
  float32: ['Float32Array'],
  float16: ['Uint16Array', 'Float16Array'],
  bfloat16: ['Uint16Array'],
  float64: ['Float64Array'],
  bool: ['Uint8Array'],
  uint8: ['Uint8Array'],
  int32: ['Int32Array'],
  int64: ['BigInt64Array'],
};

export const floats: readonly string[] = ['float32', 'float16', 'bfloat16', 'float64'];

export interface ModelTensor extends NdArray {
  readonly type: string;
}

/** Of real typed arrays only. */
const tagOf = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag,
)?.get;

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

export function isInteger(value: unknown, low: number, high: number): value is number {
  return Number.isInteger(value) && (value as number) >= low && (value as number) <= high;
}

/** A list of anything: an array, a typed array, or an array-like object. */
export function list(value: unknown): unknown[] {
  expect(isObject(value), 'a list');
  const { length } = value;
  expect(isInteger(length, 0, 2 ** 24), 'a length');
  return Array.from({ length }, (_, index) => value[index]);
}

const integerTypes: readonly string[] = ['int32', 'int64', 'uint8'];

/** Numbers are a list, or a tensor if they have dims; not a buffer. */
export function isTensor(value: unknown): boolean {
  expect(isObject(value) && !types.isAnyArrayBuffer(value) && !types.isDataView(value), 'a list or tensor');
  return !Array.isArray(value) && !ArrayBuffer.isView(value) && value.dims !== undefined;
}

/** Integers in a list of numbers or bigints, or in a tensor; a list has one axis. */
function integersOf(value: unknown): { elements: unknown[]; dims: readonly number[] } {
  if (!isTensor(value)) {
    const elements = list(value);
    return { elements, dims: [elements.length] };
  }
  const { type, dims } = tensor(value);
  expect(integerTypes.includes(type), 'an integer type');
  return { elements: [...((value as { data: unknown }).data as Iterable<unknown>)], dims };
}

function expectInteger(element: unknown, low: number, high: number): number {
  if (typeof element === 'bigint') expect(element >= low && element <= high, 'a bigint in range');
  const number = typeof element === 'bigint' ? Number(element) : element;
  expect(isInteger(number, low, high), 'an integer in range');
  return number + 0;
}

/** Integers of any dims. */
export function shapedIntegers(
  value: unknown,
  low: number,
  high: number,
): { elements: number[]; dims: readonly number[] } {
  const { elements, dims } = integersOf(value);
  return { elements: elements.map((element) => expectInteger(element, low, high)), dims };
}

/** Any number of integers. */
export function integerList(value: unknown, low: number, high: number): number[] {
  const { elements, dims } = integersOf(value);
  expect(dims.length === 1, 'one axis');
  return elements.map((element) => expectInteger(element, low, high));
}

export function integers(value: unknown, count: number, low: number, high: number): number[] {
  const elements = integerList(value, low, high);
  expect(elements.length === count, 'one element for each');
  return elements;
}

/** Integers in one of several shapes; a list may have the size of any. */
export function integersOfDims(
  value: unknown,
  shapes: readonly (readonly number[])[],
  low: number,
  high: number,
): number[] {
  const { elements, dims } = integersOf(value);
  const sizes = shapes.map((shape) => shape.reduce((product, length) => product * length, 1));
  expect(dims.length === 1 ? sizes.includes(dims[0]) : shapes.some((s) => sameDims(s, dims)), 'a shape');
  return elements.map((element) => expectInteger(element, low, high));
}

/** Numbers in a list, but not the bits of any, or in a tensor of a floating-point type. */
export function numbers(value: unknown, count: number): number[] {
  if (isTensor(value)) {
    const { dims, values } = floatTensor(value);
    expect(sameDims(dims, [count]), 'one axis, one element for each');
    return [...values].map(finite);
  }
  expect(!ArrayBuffer.isView(value) || /^Float/.test(String(tagOf?.call(value))), 'no bits');
  const elements = list(value);
  expect(elements.length === count, 'one element for each');
  return elements.map(finite);
}

/** Also finite in float32, in which kernels compute. */
export function finite(value: unknown): number {
  expect(typeof value === 'number' && Number.isFinite(Math.fround(value)), 'a finite number');
  return value;
}

function isType(value: unknown): value is TensorType {
  return typeof value === 'string' && Object.hasOwn(arrayNames, value);
}

/** The places of the elements in memory, in row-major order. */
function placesOf(lengths: readonly number[], strides: readonly number[]): number[] {
  return lengths.reduce<number[]>(
    (places, length, axis) =>
      places.flatMap((place) => Array.from({ length }, (_, i) => place + i * strides[axis])),
    [0],
  );
}

/** Where the elements lie, if not densely. */
function readStrides(value: unknown, lengths: readonly number[], mayHave: boolean): number[] | undefined {
  if (value === undefined) return undefined;
  const strides = list(value).map((stride) => {
    expect(isInteger(stride, 0, Number.MAX_SAFE_INTEGER), 'a stride');
    return stride;
  });
  expect(strides.length === lengths.length, 'a stride for each axis');
  if (mayHave) return strides;
  const size = lengths.reduce((product, length) => product * length, 1);
  let dense = size;
  for (const [axis, length] of lengths.entries()) {
    dense /= length;
    expect(size === 0 || length === 1 || strides[axis] === dense, 'a dense tensor');
  }
  return undefined;
}

/** @param mayHaveStrides as query, key and value may */
export function tensor(value: unknown, mayHaveStrides = false): ModelTensor {
  expect(isObject(value), 'a tensor');
  const { type, dims, data, location } = value;
  expect(isType(type), 'a type');
  expect(location === undefined || location === 'cpu' || location === 'cpu-pinned', 'a location');
  const lengths = list(dims).map((length) => {
    expect(isInteger(length, 0, Number.MAX_SAFE_INTEGER), 'a length');
    return length + 0;
  });
  expect(lengths.length <= 8, 'at most eight axes');
  const name: unknown = tagOf?.call(data);
  expect(typeof name === 'string' && arrayNames[type].includes(name), 'the array of the type');
  const array = data as Float32Array;
  const size = lengths.reduce((product, length) => product * length, 1);
  const strides = readStrides(value.strides, lengths, mayHaveStrides);
  if (strides) {
    const last = lengths.length - 1;
    expect(!(lengths[last] > 1) || strides[last] === 1, 'dense rows');
    const reach =
      size === 0 ? 0 : lengths.reduce((sum, length, axis) => sum + (length - 1) * strides[axis], 1);
    expect(size <= reach && reach <= array.length, 'elements that are there, each once');
    const all = decode({ type, dims: [array.length], data: array }).values;
    const picked = size === 0 ? [] : placesOf(lengths, strides).map((place) => all[place]);
    return { type, dims: lengths, values: Float64Array.from(picked), bool: false };
  }
  expect(array.length === size, 'as many elements as dims say');
  const { values } = decode({ type, dims: lengths, data: array });
  const bool = type === 'bool';
  return { type, dims: lengths, values: bool ? values.map((bit) => (bit === 0 ? 0 : 1)) : values, bool };
}

export function floatTensor(value: unknown): ModelTensor {
  const result = tensor(value);
  expect(floats.includes(result.type), 'a floating-point type');
  return result;
}

/** The same of query, key or value, which may have strides. */
export function operand(value: unknown): ModelTensor {
  const result = tensor(value, true);
  expect(floats.includes(result.type), 'a floating-point type');
  return result;
}

export function sameDims(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((length, axis) => length === b[axis]);
}

/** An options object without unknown properties. */
export function options(value: unknown, known: readonly string[]): Record<string, unknown> {
  if (value === undefined) return {};
  expect(isObject(value) && !Array.isArray(value), 'an object');
  for (const key of Object.keys(value)) expect(known.includes(key), `no ${key}`);
  return value;
}

export function expectBackend(value: unknown): void {
  expect([undefined, 'auto', 'cuda', 'cpu', 'reference'].includes(value as string), 'a backend');
}

/** The options that do not affect the result. */
export function expectCallOptions({ backend, signal, out }: Record<string, unknown>): void {
  expectBackend(backend);
  expect(signal === undefined || (signal instanceof AbortSignal && !signal.aborted), 'a live signal');
  expect(out === undefined, 'no out');
}

/** For the oracle: the same elements, in a type that represents them all. */
export function plain({ dims, values, bool }: ModelTensor) {
  return bool
    ? { type: 'bool' as TensorType, dims, data: Uint8Array.from(values) }
    : { type: 'float64' as TensorType, dims, data: values };
}
