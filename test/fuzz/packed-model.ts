/**
 * The expected results of attention over consecutive sequences in one tensor: each sequence is attended
 * separately.
 */
import { packedOptionNames } from '../../lib/attention/options.js';
import { attentionOracle, type OracleOptions, type OracleResult } from '../support/oracle.js';
import {
  type Expected,
  expectHeads,
  indices,
  isTame,
  matrixNames,
  type Operands,
  readLengths,
  readOperands,
  readSettings,
  upTo,
} from './attention-model.js';
import { heldBy } from './cache-model.js';
import { centersOf } from './selection-model.js';
import * as model from './tensor-model.js';
import { expect, type ModelTensor, plain } from './tensor-model.js';

export function readStarts(value: unknown, tokens: number): number[] {
  const starts = model.integerList(value, 0, tokens);
  expect(starts[0] === 0 && starts.at(-1) === tokens, 'starts from end to end');
  expect(
    starts.every((start, index) => index === 0 || start >= starts[index - 1]),
    'starts in order',
  );
  return starts;
}

/** One sequence of [tokens, heads, width] as a batch of one in layout bshd. */
function sequence({ dims, values }: ModelTensor, start: number, steps: number) {
  const [, heads, width] = dims;
  const data = values.slice(start * heads * width, (start + steps) * heads * width);
  return { type: 'float64' as const, dims: [1, steps, heads, width], data };
}

/** The part of a mask that belongs to one sequence: its batch entry, with its numbers of queries and keys. */
function maskOf(mask: ModelTensor, entry: number, queries: number, keys: number) {
  const [batch, heads, rows, columns] = [1, 1, 1, 1, ...mask.dims].slice(-4);
  const size = [heads, rows === 1 ? 1 : queries, columns === 1 ? 1 : keys];
  const values: number[] = [];
  for (let h = 0; h < size[0]; h++) {
    for (let i = 0; i < size[1]; i++) {
      const start = (((batch === 1 ? 0 : entry) * heads + h) * rows + i) * columns;
      values.push(...mask.values.subarray(start, start + size[2]));
    }
  }
  return plain({ ...mask, dims: [1, ...size], values: Float64Array.from(values) });
}

/** The expected result of packedAttention(query, key, value, options). */
export function packedAttentionModel(args: readonly unknown[]): Expected {
  return readPacked(args, []).output;
}

/** The expected result of packedAttentionDetails(query, key, value, options), each tensor of a list by its place. */
export function packedDetailsModel(args: readonly unknown[]): Record<string, Expected> {
  const { output, sequences, loose, query } = readPacked(args, ['include', 'rows']);
  const optionValues = args[3];
  expect(model.isObject(optionValues), 'options');
  const include = model.list(optionValues.include);
  expect(include.length <= 16, 'few names');
  const rows = model.options(optionValues.rows, ['heads', 'queries']);
  const [tokens, heads] = query.dims;
  const chosenHeads = indices(rows.heads, heads).elements ?? upTo(heads);
  const chosen = indices(rows.queries, tokens).elements ?? upTo(tokens);
  const type = query.type === 'float64' ? 'float64' : 'float32';
  const details: Record<string, Expected> = { output };
  for (const name of include) {
    if (name === 'logSumExp') {
      const values = sequences.flatMap(({ queries, result }) =>
        upTo(queries).flatMap((i) => upTo(heads).map((h) => result.logSumExp[h * queries + i])),
      );
      details[name] = { type, dims: [tokens, heads], values, loose };
      continue;
    }
    const matrix = matrixNames.find((each) => each === name);
    expect(matrix !== undefined, 'a name');
    for (const [entry, { start, queries, keys, result }] of sequences.entries()) {
      const steps = chosen.map((token) => token - start).filter((step) => step >= 0 && step < queries);
      const values = chosenHeads.flatMap((h) =>
        steps.flatMap((i) => result[matrix].slice((h * queries + i) * keys, (h * queries + i + 1) * keys)),
      );
      const dims = [chosenHeads.length, steps.length, keys];
      details[`${matrix} of ${entry}`] = { type, dims, values, loose };
    }
  }
  return details;
}

function readPacked(args: readonly unknown[], more: readonly string[]): Packed {
  const operands = readOperands(args, 3);
  const { query, key, value } = operands;
  const given = model.options(args[3], [...packedOptionNames, 'queryStarts', 'keyStarts', ...more]);
  expect(value.dims[0] === key.dims[0] && value.dims[1] === key.dims[1], 'dims that fit');
  const queryStarts = readStarts(given.queryStarts, query.dims[0]);
  const keyStarts = readStarts(given.keyStarts === undefined ? queryStarts : given.keyStarts, key.dims[0]);
  expect(queryStarts.length === keyStarts.length, 'as many sequences');
  const keySteps = stepsOf(keyStarts);
  const keys = { keyStarts, keySteps, longest: Math.max(0, ...keySteps) };
  return packedModel(operands, given, queryStarts, keys, true);
}

/** The expected result of packedAttention(query, cache, options). */
export function cachedPackedModel([queryValue, cache, optionValues, ...more]: readonly unknown[]): Expected {
  expect(
    more.every((value) => value === undefined),
    'only options after a cache',
  );
  const given = model.options(optionValues, [...packedOptionNames, 'queryStarts', 'keyStarts', 'kvLengths']);
  expect(given.keyStarts === undefined, 'no starts of keys');
  const query = model.operand(queryValue);
  expect(query.dims.length === 3, 'the axes');
  const { key, value, lengths } = heldBy(cache, 'bshd');
  const [batch, longest, ...row] = key.dims;
  // The entries of the cache are consecutive, too, each as long as the longest.
  const flat = (tensor: ModelTensor) => ({
    ...tensor,
    dims: [batch * longest, ...tensor.dims.slice(2)],
  });
  const queryStarts = readStarts(given.queryStarts, query.dims[0]);
  expect(queryStarts.length === batch + 1 && row.length === 2, 'a sequence for each entry');
  const keySteps =
    given.kvLengths === undefined ? lengths : model.integers(given.kvLengths, batch, 0, longest);
  expect(
    keySteps.every((steps, entry) => steps <= lengths[entry]),
    'keys that are there',
  );
  const { kvLengths: _, ...others } = given;
  const keyStarts = upTo(batch).map((entry) => entry * longest);
  const operands = { query, key: flat(key), value: flat(value) };
  return packedModel(operands, others, queryStarts, { keyStarts, keySteps, longest }, false).output;
}

const stepsOf = (starts: readonly number[]) => starts.slice(1).map((end, entry) => end - starts[entry]);

/** The positions of each sequence's keys among all keys. */
interface PackedKeys {
  readonly keyStarts: readonly number[];
  readonly keySteps: readonly number[];
  readonly longest: number;
}

function slopesOfEntry(slopes: NonNullable<OracleOptions['alibiSlopes']>, entry: number): ArrayLike<number> {
  const own = slopes[entry];
  return typeof own === 'object' ? own : (slopes as ArrayLike<number>);
}

interface Packed {
  readonly query: ModelTensor;
  readonly output: Expected;
  readonly sequences: readonly {
    readonly start: number;
    readonly queries: number;
    readonly keys: number;
    readonly result: OracleResult;
  }[];
  readonly loose: boolean;
}

/** @param mayPad whether sequences may have padding at their ends */
function packedModel(
  operands: Operands,
  given: Record<string, unknown>,
  queryStarts: readonly number[],
  { keyStarts, keySteps, longest }: PackedKeys,
  mayPad: boolean,
): Packed {
  const { query, key, value } = operands;
  const [tokens, heads, width] = query.dims;
  const [, keyHeads, keyWidth] = key.dims;
  const valueWidth = value.dims[2];
  expectHeads(heads, keyHeads, width, keyWidth, valueWidth);
  const querySteps = stepsOf(queryStarts);
  const target = [querySteps.length, heads, Math.max(0, ...querySteps), longest];
  const { options, mask, queryOffset, loose, selection } = readSettings(given, {
    type: query.type,
    target,
    keyHeads,
    width,
    keyWidth,
  });
  const lengths = readLengths(given, mayPad, querySteps.length, (entry) => [
    querySteps[entry],
    keySteps[entry],
  ]);
  const sequences = querySteps.map((queries, entry) => {
    const keys = [key, value].map((each) => sequence(each, keyStarts[entry], keySteps[entry]));
    const { centers, select } = selection;
    const result = attentionOracle(sequence(query, queryStarts[entry], queries), keys[0], keys[1], {
      ...options,
      ...(centers &&
        typeof select === 'object' &&
        select.type === 'local' && { select: { ...select, centers: centersOf(centers, entry, queries) } }),
      layout: 'bshd',
      ...(options.alibiSlopes && { alibiSlopes: slopesOfEntry(options.alibiSlopes, entry) }),
      ...(lengths && { lengths: [lengths[entry]] }),
      ...(queryOffset && { queryOffset: queryOffset[entry] }),
      ...(mask && { mask: maskOf(mask, entry, queries, keySteps[entry]) }),
    });
    return { start: queryStarts[entry], queries, keys: keySteps[entry], result };
  });
  const isLoose = loose || selection.chooses || !isTame(operands);
  const values = sequences.flatMap(({ result }) => result.output);
  const output = { type: query.type, dims: [tokens, heads, valueWidth], values, loose: isLoose };
  return { query, output, sequences, loose: isLoose };
}
