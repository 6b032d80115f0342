/** Lists of any kind (arrays, typed arrays, anything with a length and elements), and dims, which are lists of lengths. */
import { HeedError } from '../errors.js';
import { describe, describeDims, invalid, listChoices, unreadable } from './values.js';

/** A longer list is a mistake, or an attempt to keep heed busy. */
export const longestList = 2 ** 24;

function readLength(value: { readonly length?: unknown }, name: string): unknown {
  try {
    return value.length;
  } catch (error) {
    throw unreadable(name, error);
  }
}

function copyElements(list: ArrayLike<unknown>, length: number, name: string): unknown[] {
  try {
    const copy: unknown[] = [];
    for (let i = 0; i < length; i++) copy.push(list[i]);
    return copy;
  } catch (error) {
    throw unreadable(name, error);
  }
}

/** The elements of a list, each read once. Typed arrays of any realm and plain arrays alike. */
export function readList(value: unknown, name: string, most = longestList): unknown[] {
  if (typeof value !== 'object' || value === null) throw invalid(name, 'a list', value);
  const length = readLength(value, name);
  if (typeof length !== 'number' || !Number.isInteger(length) || length < 0) {
    throw invalid(name, 'a list', value);
  }
  if (length > most) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected ${name} to have at most ${most} elements, received ${length}`,
    );
  }
  return copyElements(value as ArrayLike<unknown>, length, name);
}

/** A list of names out of those that exist, as a set. */
export function readNames<Name extends string>(
  value: unknown,
  name: string,
  known: readonly Name[],
): ReadonlySet<Name> {
  const names = readList(value, name, 16).map((element, i) => {
    const found = known.find((candidate) => candidate === element);
    if (found === undefined) throw invalid(`${name}[${i}]`, listChoices(known), element);
    return found;
  });
  return new Set(names);
}

const mostAxes = 8;

function readLengths(value: unknown, name: string): unknown[] {
  try {
    return readList(value, name, mostAxes);
  } catch (error) {
    throw new HeedError(
      'HEED_INVALID_DIMS',
      `Expected ${name} to be a list of at most ${mostAxes} lengths, received ${describe(value)}`,
      { cause: error },
    );
  }
}

/**
 * The dims of a tensor, copied. Their product without the zeros must be exact in a number, so that
 * every stride computed from them is too.
 */
export function readDims(value: unknown, name: string): readonly number[] {
  const dims = readLengths(value, name);
  let reach = 1;
  for (let axis = 0; axis < dims.length; axis++) {
    const length = dims[axis];
    if (typeof length !== 'number' || !Number.isInteger(length) || length < 0) {
      throw new HeedError(
        'HEED_INVALID_DIMS',
        `Expected ${name}[${axis}] to be a non-negative integer, received ${describe(length)}`,
      );
    }
    reach *= Math.max(length, 1);
    // Adding 0 makes -0 an ordinary 0.
    dims[axis] = length + 0;
  }
  if (reach > Number.MAX_SAFE_INTEGER) {
    throw new HeedError(
      'HEED_INVALID_DIMS',
      `Expected the product of ${name} to be less than 2^53, received ${describeDims(dims as number[])}`,
    );
  }
  return dims as number[];
}

export function sizeOf(dims: readonly number[]): number {
  let size = 1;
  for (const length of dims) size *= length;
  return size;
}

export function expectRank(dims: readonly number[], rank: number, name: string, axes: string): void {
  if (dims.length !== rank) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected ${name}.dims to have ${rank} axes, [${axes}], received ${describeDims(dims)}`,
    );
  }
}

/** Reads as "Expected key.dims[3] to equal query.dims[3] (64), received 32". */
export function expectLength(received: number, name: string, expected: number, source: string): void {
  if (received !== expected) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected ${name} to equal ${source} (${expected}), received ${received}`,
    );
  }
}

export function expectDims(received: readonly number[], name: string, expected: readonly number[]): void {
  if (received.length !== expected.length || received.some((length, axis) => length !== expected[axis])) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected ${name}.dims to be ${describeDims(expected)}, received ${describeDims(received)}`,
    );
  }
}
