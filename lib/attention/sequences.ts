/** Which keys each batch entry has, and where its queries stand among them. */
import { integerElement, readIntegerElements, readIntegers } from '../checks/numbers.js';
import { integerBetween } from '../checks/values.js';
import { HeedError } from '../errors.js';
import type { Sequence } from '../problem/problem.js';

/** Positions stay well inside what every backend counts with. */
const farthest = 2 ** 31 - 1;

/** Valid keys per batch entry; undefined when all are. */
export function readKeyLengths(
  value: unknown,
  name: string,
  batch: number,
  keySteps: number,
): readonly number[] | undefined {
  return value === undefined ? undefined : readIntegers(value, name, batch, 'batch entry', 0, keySteps);
}

/** The key position of query row 0: one for all batch entries, one for each, or undefined for the default. */
export type QueryOffset = number | readonly number[] | undefined;

export function readQueryOffset(value: unknown, name: string, batch: number): QueryOffset {
  if (value === undefined) return undefined;
  if (typeof value === 'object') return readIntegers(value, name, batch, 'batch entry', -farthest, farthest);
  return integerBetween(value, name, -farthest, farthest);
}

function offsetOf(queryOffset: QueryOffset, entry: number, keySteps: number, querySteps: number): number {
  if (queryOffset === undefined) return keySteps - querySteps;
  return typeof queryOffset === 'number' ? queryOffset : queryOffset[entry];
}

/** A longer batch of steps without width takes no memory of the caller, but would exhaust heed's. */
const mostEntries = 2 ** 22;

/** Valid keys of each entry of a cache: all its steps, or fewer. */
export function readCachedLengths(
  value: unknown,
  name: string,
  lengths: ArrayLike<number>,
): readonly number[] {
  const has = Array.from(lengths);
  if (value === undefined) return has;
  const list = readIntegers(value, name, has.length, 'batch entry', 0, farthest);
  for (const [entry, length] of list.entries()) integerBetween(length, `${name}[${entry}]`, 0, has[entry]);
  return list;
}

export interface DenseSteps {
  readonly batch: number;
  readonly querySteps: number;
  readonly keySteps: number;
}

/** The entries of a batch whose tensors have an axis for it. */
export function denseSequences(
  { batch, querySteps, keySteps }: DenseSteps,
  keyLengths: readonly number[] | undefined,
  queryOffset: QueryOffset,
): Sequence[] {
  const sequences: Sequence[] = [];
  // Without queries there is nothing to compute, and a batch of nothing may claim any length.
  if (querySteps === 0) return sequences;
  if (batch > mostEntries) {
    throw new HeedError(
      'HEED_INVALID_DIMS',
      `Expected a batch of at most ${mostEntries} entries, received ${batch}`,
    );
  }
  for (let entry = 0; entry < batch; entry++) {
    const valid = keyLengths ? keyLengths[entry] : keySteps;
    sequences.push({
      queryStart: 0,
      querySteps,
      keyStart: 0,
      keySteps: valid,
      queryOffset: offsetOf(queryOffset, entry, valid, querySteps),
    });
  }
  return sequences;
}

/** Where sequences start among the tokens, which lie end to end, and where the last one ends. */
export function readStarts(value: unknown, name: string, tokens: number, source: string): readonly number[] {
  const starts: number[] = [];
  for (const [i, element] of readIntegerElements(value, name).entries()) {
    starts.push(integerElement(element, `${name}[${i}]`, starts.at(-1) ?? 0, tokens));
  }
  if (starts[0] !== 0 || starts.at(-1) !== tokens) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected ${name} to begin with 0 and end with ${source} (${tokens}), received ` +
        (starts.length ? `${starts[0]} and ${starts.at(-1)}` : 'no elements'),
    );
  }
  return starts;
}

export function longestSequence(starts: readonly number[]): number {
  let steps = 0;
  for (let entry = 1; entry < starts.length; entry++)
    steps = Math.max(steps, starts[entry] - starts[entry - 1]);
  return steps;
}

/** The keys of a sequence among all of them. */
export interface KeyRange {
  readonly start: number;
  readonly steps: number;
}

/** Those of sequences that lie end to end. */
export function packedKeys(keyStarts: readonly number[]): KeyRange[] {
  return keyStarts.slice(0, -1).map((start, entry) => ({ start, steps: keyStarts[entry + 1] - start }));
}

/** The entries of a batch whose queries lie end to end. */
export function packedSequences(
  queryStarts: readonly number[],
  keys: readonly KeyRange[],
  queryOffset: QueryOffset,
): Sequence[] {
  return keys.map(({ start: keyStart, steps: keySteps }, entry) => {
    const queryStart = queryStarts[entry];
    const querySteps = queryStarts[entry + 1] - queryStart;
    const offset = offsetOf(queryOffset, entry, keySteps, querySteps);
    return { queryStart, querySteps, keyStart, keySteps, queryOffset: offset };
  });
}
