/** Attention over sequences of different lengths, laid end to end instead of padded. */
import { chooseBackend } from '../backends/choose.js';
import { expectLength, expectRank } from '../checks/lists.js';
import { type OptionValues, readOptions } from '../checks/options.js';
import { readOut } from '../checks/out.js';
import { readTensor } from '../checks/tensor.js';
import { invalid } from '../checks/values.js';
import type { KeyValueCache } from '../key-value-cache/key-value-cache.js';
import { packedStrides } from '../tensor/layout.js';
import type { Tensor } from '../tensor/tensor.js';
import type { IntegerList, TensorLike } from '../tensor/types.js';
import {
  type AttentionArguments,
  type AttentionShape,
  attentionOperation,
  checkShape,
  readInputs,
  readSettings,
  type TensorInputs,
  type TensorPlacement,
  tensorSource,
} from './arguments.js';
import { type AttentionOptions, packedOptionNames } from './options.js';
import { readScoring } from './scoring.js';
import { longestSequence, packedKeys, packedSequences, readQueryOffset, readStarts } from './sequences.js';
import {
  type AttendedCache,
  type AttentionForms,
  attend,
  attendSync,
  type Queries,
  readCachedArguments,
} from './sources.js';

/**
 * The options of {@link packedAttention}: the options of attention that apply to packed sequences, and where
 * sequences start.
 */
export interface PackedAttentionOptions extends Omit<AttentionOptions, 'layout' | 'kvLengths'> {
  /** Where each sequence starts among the query tokens, followed by their number: batch + 1 entries. */
  queryStarts: IntegerList;
  /** The same for keys and values. Default: queryStarts. */
  keyStarts?: IntegerList;
}

/** The options of {@link packedAttention} with a cache, whose entries are the key sequences. */
export interface CachedPackedAttentionOptions extends Omit<PackedAttentionOptions, 'keyStarts'> {
  /** How many keys are valid, per sequence. Default: all in the cache. */
  kvLengths?: IntegerList;
}

const optionNames = [...packedOptionNames, 'queryStarts', 'keyStarts'] as const;

function readShape(
  { query, key, value }: TensorInputs,
  queryStarts: readonly number[],
  keyStarts: readonly number[],
): AttentionShape {
  const shape = {
    batch: queryStarts.length - 1,
    queryHeads: query.dims[1],
    keyHeads: key.dims[1],
    querySteps: longestSequence(queryStarts),
    keySteps: longestSequence(keyStarts),
    width: query.dims[2],
    keyWidth: key.dims[2],
    valueWidth: value.dims[2],
  };
  expectLength(value.dims[0], 'value.dims[0]', key.dims[0], 'key.dims[0]');
  expectLength(value.dims[1], 'value.dims[1]', shape.keyHeads, 'key.dims[1]');
  return shape;
}

function place({ queryHeads, keyHeads, width, keyWidth, valueWidth }: AttentionShape): TensorPlacement {
  return {
    query: packedStrides(queryHeads, width),
    key: packedStrides(keyHeads, keyWidth),
    value: packedStrides(keyHeads, valueWidth),
    output: packedStrides(queryHeads, valueWidth),
  };
}

function readPackedArguments(
  query: unknown,
  key: unknown,
  value: unknown,
  options: OptionValues<(typeof optionNames)[number]>,
): AttentionArguments {
  const inputs = readInputs(query, key, value);
  for (const tensor of [inputs.query, inputs.key, inputs.value]) {
    expectRank(tensor.dims, 3, tensor.name, 'tokens, heads, width');
  }
  const queryStarts = readStarts(
    options.queryStarts,
    'options.queryStarts',
    inputs.query.dims[0],
    'query.dims[0]',
  );
  const keyStarts =
    options.keyStarts === undefined
      ? queryStarts
      : readStarts(options.keyStarts, 'options.keyStarts', inputs.key.dims[0], 'key.dims[0]');
  expectLength(
    keyStarts.length,
    'the length of options.keyStarts',
    queryStarts.length,
    'that of options.queryStarts',
  );
  expectLength(
    inputs.key.dims[0],
    'key.dims[0]',
    keyStarts[keyStarts.length - 1],
    'the end of the last sequence',
  );
  const shape = readShape(inputs, queryStarts, keyStarts);
  const scoring = readScoring(options, shape.queryHeads);
  checkShape(shape, scoring.score, {
    queryHeads: 'query.dims[1]',
    keyHeads: 'key.dims[1]',
    keyWidth: 'key.dims[2]',
    queryWidth: 'query.dims[2]',
    valueWidth: 'value.dims[2]',
    keySteps: 'the longest key sequence',
  });
  const queryOffset = readQueryOffset(options.queryOffset, 'options.queryOffset', shape.batch);
  const placement = place(shape);
  const backend = chooseBackend(options.backend, inputs.type, inputs.query.location);
  const outDims = [inputs.query.dims[0], shape.queryHeads, shape.valueWidth];
  return {
    inputs: { type: inputs.type, query: inputs.query, stored: tensorSource(inputs, placement) },
    shape,
    placement,
    settings: readSettings(options, scoring, inputs.query, shape, backend),
    sequences: () => packedSequences(queryStarts, packedKeys(keyStarts), queryOffset),
    out: readOut(options.out, 'options.out', inputs.type, outDims, 'query.type', inputs.query),
  };
}

/** The arguments of `packedAttention` with a cache: as many sequences of queries as the cache has entries. */
function readCachedPackedArguments(
  query: unknown,
  cache: AttendedCache,
  options: OptionValues<(typeof optionNames)[number] | 'kvLengths'>,
): AttentionArguments {
  const tensor = readTensor(query, 'query');
  expectRank(tensor.dims, 3, 'query', 'tokens, heads, width');
  const [tokens, heads, width] = tensor.dims;
  if (options.keyStarts !== undefined)
    throw invalid('options.keyStarts', 'left out with a cache', options.keyStarts);
  const starts = readStarts(options.queryStarts, 'options.queryStarts', tokens, 'query.dims[0]');
  const batch = cache.lengths.length;
  expectLength(starts.length, 'the length of options.queryStarts', batch + 1, 'cache.batch + 1');
  const queries: Queries = {
    tensor,
    batch,
    heads,
    steps: longestSequence(starts),
    width,
    names: { queryHeads: 'query.dims[1]', queryWidth: 'query.dims[2]' },
    strides: (elements) => packedStrides(heads, elements),
    sequences: (_, keyLengths, queryOffset) =>
      packedSequences(
        starts,
        keyLengths.map((steps) => ({ start: 0, steps })),
        queryOffset,
      ),
  };
  return readCachedArguments(queries, cache, options);
}

const forms: AttentionForms<Tensor> = {
  overTensors(allocations, query, key, value, options) {
    const values = readOptions(options, optionNames);
    return attentionOperation(readPackedArguments(query, key, value, values), allocations);
  },
  overCache(allocations, query, cache, options) {
    const values = readOptions(options, [...optionNames, 'kvLengths']);
    return attentionOperation(readCachedPackedArguments(query, cache, values), allocations);
  },
};

/**
 * {@link attention} over sequences of different lengths without padding, with all tokens end to end in
 * one tensor (flash-attn calls this varlen). No token attends a token of another sequence.
 *
 * Takes the options of {@link attention} apart from layout and kvLengths. A mask broadcasts to
 * [batch, heads, longest query sequence, longest key sequence]; positions for causal, window and
 * alibiSlopes count within each sequence. Sequences may be empty.
 *
 * @param query [queryTokens, heads, width]
 * @param key [keyTokens, keyHeads, width]
 * @param value [keyTokens, keyHeads, valueWidth]
 * @returns [queryTokens, heads, valueWidth]
 * @throws HeedError as {@link attention} does
 */
export function packedAttention(
  query: TensorLike,
  key: TensorLike,
  value: TensorLike,
  options: PackedAttentionOptions,
): Promise<Tensor>;
/**
 * The same over the keys and values of a cache, with one entry for each sequence. Sequences may have
 * different numbers of new steps, which have been appended to the cache before; the last query of a sequence
 * is at the position of its last step.
 *
 * @param query [queryTokens, heads, width], any floating-point type
 * @param cache with as many entries as there are sequences
 * @returns [queryTokens, heads, valueWidth] in the type of query
 */
export function packedAttention(
  query: TensorLike,
  cache: KeyValueCache,
  options: CachedPackedAttentionOptions,
): Promise<Tensor>;
export async function packedAttention(query: TensorLike, ...rest: readonly unknown[]): Promise<Tensor> {
  return await attend(forms, query, rest);
}

/** {@link packedAttention}, synchronously: it throws instead of rejecting, and blocks the event loop. */
export function packedAttentionSync(
  query: TensorLike,
  key: TensorLike,
  value: TensorLike,
  options: PackedAttentionOptions,
): Tensor;
/** The same over the keys and values of a cache. */
export function packedAttentionSync(
  query: TensorLike,
  cache: KeyValueCache,
  options: CachedPackedAttentionOptions,
): Tensor;
export function packedAttentionSync(query: TensorLike, ...rest: readonly unknown[]): Tensor {
  return attendSync(forms, query, rest);
}
