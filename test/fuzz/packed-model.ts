/**
 * The expected results of attention over consecutive sequences in one tensor: each sequence is attended
 * separately.
 */
import { packedOptionNames } from '../../lib/attention/options.js';
import { attentionOracle } from '../support/oracle.js';
import {
  type Expected,
  expectHeads,
  isTame,
  type Operands,
  readOperands,
  readSettings,
  upTo,
} from './attention-model.js';
import { heldBy } from './cache-model.js';
import { centersOf } from './selection-model.js';
import * as model from './tensor-model.js';
import { expect, type ModelTensor, plain } from './tensor-model.js';

function readStarts(value: unknown, tokens: number): number[] {
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
  const operands = readOperands(args, 3);
  const { query, key, value } = operands;
  const given = model.options(args[3], [...packedOptionNames, 'queryStarts', 'keyStarts']);
  expect(value.dims[0] === key.dims[0] && value.dims[1] === key.dims[1], 'dims that fit');
  const queryStarts = readStarts(given.queryStarts, query.dims[0]);
  const keyStarts = readStarts(given.keyStarts === undefined ? queryStarts : given.keyStarts, key.dims[0]);
  expect(queryStarts.length === keyStarts.length, 'as many sequences');
  const keySteps = stepsOf(keyStarts);
  return packedModel(operands, given, queryStarts, {
    keyStarts,
    keySteps,
    longest: Math.max(0, ...keySteps),
  });
}

/** The expected result of packedAttention(query, cache, options). */
export function cachedPackedModel([queryValue, cache, optionValues, ...more]: readonly unknown[]): Expected {
  expect(
    more.every((value) => value === undefined),
    'only options after a cache',
  );
  const given = model.options(optionValues, [...packedOptionNames, 'queryStarts', 'keyStarts', 'kvLengths']);
  expect(given.keyStarts === undefined, 'no starts of keys');
  const query = model.floatTensor(queryValue);
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
  return packedModel({ query, key: flat(key), value: flat(value) }, others, queryStarts, {
    keyStarts: upTo(batch).map((entry) => entry * longest),
    keySteps,
    longest,
  });
}

const stepsOf = (starts: readonly number[]) => starts.slice(1).map((end, entry) => end - starts[entry]);

/** The positions of each sequence's keys among all keys. */
interface PackedKeys {
  readonly keyStarts: readonly number[];
  readonly keySteps: readonly number[];
  readonly longest: number;
}

function packedModel(
  operands: Operands,
  given: Record<string, unknown>,
  queryStarts: readonly number[],
  { keyStarts, keySteps, longest }: PackedKeys,
): Expected {
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
  const values = querySteps.flatMap((queries, entry) => {
    const keys = [key, value].map((each) => sequence(each, keyStarts[entry], keySteps[entry]));
    const { centers, select } = selection;
    return attentionOracle(sequence(query, queryStarts[entry], queries), keys[0], keys[1], {
      ...options,
      ...(centers &&
        typeof select === 'object' &&
        select.type === 'local' && { select: { ...select, centers: centersOf(centers, entry, queries) } }),
      layout: 'bshd',
      ...(queryOffset && { queryOffset: queryOffset[entry] }),
      ...(mask && { mask: maskOf(mask, entry, queries, keySteps[entry]) }),
    }).output;
  });
  return {
    type: query.type,
    dims: [tokens, heads, valueWidth],
    values,
    loose: loose || selection.chooses || !isTame(operands),
  };
}
