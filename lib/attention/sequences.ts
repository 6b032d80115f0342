/** Which keys each batch entry has, and where its queries stand among them. */
import { expectLength } from '../checks/lists.js';
import { integerElement, readIntegerElements, readIntegers } from '../checks/numbers.js';
import { integerBetween, invalid } from '../checks/values.js';
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

/** The option `lengths`, and those that say otherwise where sequences end and where their queries stand. */
export interface LengthOptions {
  readonly lengths?: unknown;
  readonly kvLengths?: unknown;
  readonly queryOffset?: unknown;
}

/** The steps of one entry, as queries and as keys, padding included. */
export interface EntrySteps {
  readonly queries: number;
  readonly keys: number;
}

/**
 * How many steps of each entry of a right-padded self attention are no padding; undefined when all are.
 *
 * @param stepsOf the steps of an entry; `source` names what says so
 */
export function readLengths(
  { lengths, kvLengths, queryOffset }: LengthOptions,
  batch: number,
  stepsOf: (entry: number) => EntrySteps,
  source: string,
): readonly number[] | undefined {
  if (lengths === undefined) return undefined;
  const alone = 'left out with options.lengths, which is about queries and keys alike';
  if (kvLengths !== undefined) throw invalid('options.kvLengths', alone, kvLengths);
  if (queryOffset !== undefined) throw invalid('options.queryOffset', alone, queryOffset);
  const list = readIntegers(lengths, 'options.lengths', batch, 'batch entry', 0, farthest);
  for (const [entry, length] of list.entries()) {
    const { queries, keys } = stepsOf(entry);
    expectLength(keys, `${source} of keys with options.lengths`, queries, 'that of queries');
    integerBetween(length, `options.lengths[${entry}]`, 0, queries);
  }
  return list;
}

/**
 * Sequences whose queries and keys are the same steps, without their padding; and the rows of padding, as
 * sequences that attend no key, so that a backend gives them zeros and a log-sum-exp of −∞.
 */
export function withoutPadding(
  sequences: readonly Sequence[],
  lengths: readonly number[],
): { readonly sequences: readonly Sequence[]; readonly padding: readonly Sequence[] } {
  return {
    sequences: sequences.map((sequence, entry) => ({
      ...sequence,
      querySteps: lengths[entry],
      keySteps: sequence.queryOffset + lengths[entry],
    })),
    padding: sequences.map((sequence, entry) => ({
      ...sequence,
      queryStart: sequence.queryStart + lengths[entry],
      querySteps: sequence.querySteps - lengths[entry],
      keySteps: 0,
    })),
  };
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
