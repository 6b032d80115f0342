/** Numbers among rotary options, one for each pair of elements: how many there are is known once a head's width is. */
import { expectRank, readList } from '../checks/lists.js';
import { expectFloat, fetchedDataOf, readTensor } from '../checks/tensor.js';
import { describe, invalid, isArray, readProperty } from '../checks/values.js';
import { HeedError } from '../errors.js';
import { typedArrayName } from '../memory/arrays.js';
import { widestHead } from '../problem/problem.js';
import { readElements } from '../tensor/elements.js';

const mostPairs = widestHead / 2;

/** Typed arrays whose elements are the numbers that they stand for: those of a Uint16Array may be bits. */
const floatArrays: readonly string[] = ['Float32Array', 'Float64Array', 'Float16Array'];

/** A list of numbers, or a tensor of them, copied. Each is finite, and positive or at least not negative. */
export function readPairNumbers(value: unknown, name: string, isPositive: boolean): readonly number[] {
  const list = isTensor(value, name) ? readFromTensor(value, name) : readFromList(value, name);
  if (list.length === 0) throw invalid(name, 'numbers for at least one pair', value);
  return list.map((element, i) => {
    const isGood = typeof element === 'number' && (isPositive ? element > 0 : element >= 0);
    if (isGood && element < Number.POSITIVE_INFINITY) return element;
    throw invalid(
      `${name}[${i}]`,
      isPositive ? 'a finite, positive number' : 'a finite, non-negative number',
      element,
    );
  });
}

function isTensor(value: unknown, name: string): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (isArray(value) || typedArrayName(value) !== undefined) return false;
  return readProperty(value, 'dims', name) !== undefined;
}

function readFromTensor(value: unknown, name: string): unknown[] {
  const tensor = readTensor(value, name);
  const type = expectFloat(tensor);
  expectRank(tensor.dims, 1, name, 'pairs');
  expectFew(tensor.size, name);
  const numbers = new Float64Array(tensor.size);
  readElements(type, fetchedDataOf(tensor), 0, tensor.size, numbers);
  return [...numbers];
}

function readFromList(value: unknown, name: string): unknown[] {
  const array = typedArrayName(value);
  if (array === undefined || floatArrays.includes(array)) return readList(value, name, mostPairs);
  throw new HeedError(
    'HEED_TYPE_MISMATCH',
    `Expected ${name} to be a list of numbers or a tensor, received ${describe(value)}, which does not say what type of number it holds; pass a tensor: { type: 'bfloat16', dims, data }`,
  );
}

function expectFew(size: number, name: string): void {
  if (size <= mostPairs) return;
  throw new HeedError(
    'HEED_SHAPE_MISMATCH',
    `Expected ${name} to have at most ${mostPairs} elements, received ${size}`,
  );
}
