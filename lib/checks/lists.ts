/** Lists: arrays, typed arrays, and anything with a length and elements. */
import { HeedError } from '../errors.js';
import { listChoices } from './describe.js';
import { integerBetween, invalid, isFiniteFloat32 } from './numbers.js';
import { unreadable } from './read.js';

/** A longer list is a mistake, or an attempt to keep heed busy. */
const longest = 2 ** 24;

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
export function readList(value: unknown, name: string, most = longest): unknown[] {
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

/** A list with one element for each of `count` things, which `per` names. */
function readListFor(value: unknown, name: string, count: number, per: string): unknown[] {
  const list = readList(value, name);
  if (list.length !== count) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected ${name} to have one element per ${per} (${count}), received ${list.length}`,
    );
  }
  return list;
}

export function readIntegers(
  value: unknown,
  name: string,
  count: number,
  per: string,
  low: number,
  high: number,
): number[] {
  return readListFor(value, name, count, per).map((element, i) =>
    integerBetween(element, `${name}[${i}]`, low, high),
  );
}

/** Finite numbers, one per head. */
export function readPerHead(value: unknown, name: string, heads: number): Float64Array {
  const list = readListFor(value, name, heads, 'query head');
  const numbers = new Float64Array(heads);
  for (const [i, element] of list.entries()) {
    if (!isFiniteFloat32(element)) {
      throw invalid(`${name}[${i}]`, 'a finite number in the range of float32', element);
    }
    numbers[i] = element;
  }
  return numbers;
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
