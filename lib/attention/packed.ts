/** Attention over sequences of different lengths, laid end to end instead of padded. */
import { chooseBackend } from '../backends/choose.js';
import type { Operation } from '../backends/operation.js';
import { expectLength, expectRank } from '../checks/lists.js';
import { type OptionValues, readOptions } from '../checks/options.js';
import { readOut } from '../checks/out.js';
import { readStridedTensor } from '../checks/tensor.js';
import { invalid, isArray } from '../checks/values.js';
import { readCacheList } from '../key-value-cache/cache-list.js';
import type { KeyValueCache } from '../key-value-cache/key-value-cache.js';
import type { Allocations } from '../memory/allocations.js';
import { packedStrides, packedStridesIn } from '../tensor/layout.js';
import type { Tensor } from '../tensor/tensor.js';
import type { IntegerList, TensorLike } from '../tensor/types.js';
import {
  type AttentionArguments,
  attentionOperation,
  readInputs,
  readSettings,
  type TensorInputs,
  type TensorPlacement,
  tensorSource,
} from './arguments.js';
import type { AttentionDetailsOptions } from './details.js';
import { type AttentionOptions, packedOptionNames } from './options.js';
import { type PackedAttentionDetails, packedDetailsOperation } from './packed-details.js';
import { readScoring } from './scoring.js';
import {
  longestSequence,
  packedKeys,
  packedSequences,
  readLengths,
  readQueryOffset,
  readStarts,
} from './sequences.js';
import { type AttentionShape, checkShape } from './shape.js';
import {
  type AttendedCache,
  type AttentionForms,
  attend,
  attendedCache,
  attendedEntries,
  attendSync,
  namesOverCache,
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
  /**
   * How many steps of each sequence count, from its start on, where sequences are padded at their ends. See
   * {@link AttentionOptions.lengths}. Default: all steps up to the next sequence.
   */
  lengths?: IntegerList;
}

/** The options of {@link packedAttention} with a cache, or several, whose entries are the key sequences. */
export interface CachedPackedAttentionOptions extends Omit<PackedAttentionOptions, 'keyStarts' | 'lengths'> {
  /** How many keys are valid, per sequence. Default: all in the cache. */
  kvLengths?: IntegerList;
}

/** What {@link packedAttentionDetails} returns beside the output, and for which rows. */
export interface RequestedPackedDetails extends Pick<AttentionDetailsOptions, 'include'> {
  /**
   * Limits weights and scores to these heads and query tokens, counted over all sequences. Each sequence gives
   * those of its own, in this order. Default: all.
   */
  rows?: {
    /** Query heads. Default: all. */
    heads?: IntegerList;
    /** Query tokens. Default: all. */
    queries?: IntegerList;
  };
}

/**
 * The options of {@link packedAttentionDetails}: those of packed attention, what to return, and for which rows.
 * `include` names the same as for {@link attentionDetails}.
 */
export type PackedAttentionDetailsOptions = PackedAttentionOptions & RequestedPackedDetails;

/** The same with a cache, or several, whose entries are the key sequences. */
export type CachedPackedAttentionDetailsOptions = CachedPackedAttentionOptions & RequestedPackedDetails;

const optionNames = [...packedOptionNames, 'queryStarts', 'keyStarts'] as const;

type PackedOptionName = (typeof optionNames)[number];

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

function place(
  { query, key, value }: TensorInputs,
  { queryHeads, keyHeads, width, keyWidth, valueWidth }: AttentionShape,
): TensorPlacement {
  return {
    query: packedStridesIn(query, queryHeads, width),
    key: packedStridesIn(key, keyHeads, keyWidth),
    value: packedStridesIn(value, keyHeads, valueWidth),
    output: packedStrides(queryHeads, valueWidth),
  };
}

function readPackedArguments(
  query: unknown,
  key: unknown,
  value: unknown,
  options: OptionValues<PackedOptionName>,
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
  const lengths = readLengths(
    options,
    shape.batch,
    (entry) => ({
      queries: queryStarts[entry + 1] - queryStarts[entry],
      keys: keyStarts[entry + 1] - keyStarts[entry],
    }),
    "each sequence's number",
  );
  const queryOffset = readQueryOffset(options.queryOffset, 'options.queryOffset', shape.batch);
  const placement = place(inputs, shape);
  const backend = chooseBackend(options.backend, inputs.type, inputs.query.location);
  const outDims = [inputs.query.dims[0], shape.queryHeads, shape.valueWidth];
  return {
    inputs: { type: inputs.type, query: inputs.query, stored: tensorSource(inputs, placement) },
    shape,
    placement,
    settings: readSettings(options, scoring, inputs.query, shape, backend),
    sequences: () => packedSequences(queryStarts, packedKeys(keyStarts), queryOffset),
    lengths,
    out: readOut(options.out, 'options.out', inputs.type, outDims, 'query.type', inputs.query),
  };
}

const cachedNames = namesOverCache({ queryHeads: 'query.dims[1]', queryWidth: 'query.dims[2]' });

/** The arguments of `packedAttention` with caches: as many sequences of queries as they have entries. */
function readCachedPackedArguments(
  query: unknown,
  cache: AttendedCache,
  options: OptionValues<PackedOptionName | 'kvLengths'>,
): AttentionArguments {
  const tensor = readStridedTensor(query, 'query');
  expectRank(tensor.dims, 3, 'query', 'tokens, heads, width');
  const [tokens, heads, width] = tensor.dims;
  if (options.keyStarts !== undefined)
    throw invalid('options.keyStarts', 'left out with a cache', options.keyStarts);
  const starts = readStarts(options.queryStarts, 'options.queryStarts', tokens, 'query.dims[0]');
  const batch = cache.lengths.length;
  expectLength(starts.length, 'the length of options.queryStarts', batch + 1, `${cache.batchName} + 1`);
  const queries: Queries = {
    tensor,
    batch,
    heads,
    steps: longestSequence(starts),
    width,
    names: cachedNames,
    placement: packedStridesIn(tensor, heads, width),
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

/** A cache in place of key and value, or a list of caches, each of one sequence; undefined for anything else. */
function attendedCaches(key: unknown): AttendedCache | undefined {
  if (!isArray(key)) return attendedCache(key);
  const entries = readCacheList(key, 'caches');
  if (entries === undefined) throw invalid('caches', 'a list of at least one cache', key);
  return attendedEntries(entries, 'the number of caches');
}

/** Over tensors, or over caches, whose entries are the key sequences. */
function formsOf<Name extends string, Result>(
  names: readonly (PackedOptionName | Name)[],
  build: (
    args: AttentionArguments,
    values: OptionValues<PackedOptionName | Name>,
    allocations: Allocations,
  ) => Operation<Result>,
): AttentionForms<Result> {
  return {
    attended: attendedCaches,
    overTensors(allocations, query, key, value, options) {
      const values = readOptions(options, names);
      return build(readPackedArguments(query, key, value, values), values, allocations);
    },
    overCache(allocations, query, cache, options) {
      const values = readOptions(options, [...names, 'kvLengths']);
      return build(readCachedPackedArguments(query, cache, values), values, allocations);
    },
  };
}

const forms = formsOf(optionNames, (args, _, allocations) => attentionOperation(args, allocations));
const detailsForms = formsOf([...optionNames, 'include', 'rows'], packedDetailsOperation);

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
 * The same over the keys and values of a cache with an entry for each sequence, or of a cache for each: those
 * are of one {@link KeyValuePool}, or forks of one cache. Sequences may have different numbers of new steps,
 * which have been appended before; the last query of a sequence is at the position of its last step.
 *
 * @param query [queryTokens, heads, width], any floating-point type
 * @param cache with as many entries as there are sequences; or as many caches, each with one entry
 * @returns [queryTokens, heads, valueWidth] in the type of query
 */
export function packedAttention(
  query: TensorLike,
  cache: KeyValueCache | readonly KeyValueCache[],
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
/** The same over the keys and values of caches. */
export function packedAttentionSync(
  query: TensorLike,
  cache: KeyValueCache | readonly KeyValueCache[],
  options: CachedPackedAttentionOptions,
): Tensor;
export function packedAttentionSync(query: TensorLike, ...rest: readonly unknown[]): Tensor {
  return attendSync(forms, query, rest);
}

/**
 * {@link packedAttention}, with its scores, weights and log-sum-exps. Weights and scores are recomputed from
 * the log-sum-exp, so that only what `include` names takes memory: for each sequence
 * heads · queries · keys elements, of the chosen rows.
 *
 * @param query [queryTokens, heads, width]
 * @param key [keyTokens, keyHeads, width]
 * @param value [keyTokens, keyHeads, valueWidth]
 * @throws HeedError as {@link attentionDetails} does
 *
 * @example
 * const { output, logSumExp } = await packedAttentionDetails(query, key, value, {
 *   queryStarts: [0, 5, 12],
 *   include: ['logSumExp'],
 * });
 */
export function packedAttentionDetails(
  query: TensorLike,
  key: TensorLike,
  value: TensorLike,
  options: PackedAttentionDetailsOptions,
): Promise<PackedAttentionDetails>;
/** The same over the keys and values of caches: the keys of a sequence are the valid ones of its entry. */
export function packedAttentionDetails(
  query: TensorLike,
  cache: KeyValueCache | readonly KeyValueCache[],
  options: CachedPackedAttentionDetailsOptions,
): Promise<PackedAttentionDetails>;
export async function packedAttentionDetails(
  query: TensorLike,
  ...rest: readonly unknown[]
): Promise<PackedAttentionDetails> {
  return await attend(detailsForms, query, rest);
}

/** {@link packedAttentionDetails}, synchronously: it throws instead of rejecting, and blocks the event loop. */
export function packedAttentionDetailsSync(
  query: TensorLike,
  key: TensorLike,
  value: TensorLike,
  options: PackedAttentionDetailsOptions,
): PackedAttentionDetails;
/** The same over the keys and values of caches. */
export function packedAttentionDetailsSync(
  query: TensorLike,
  cache: KeyValueCache | readonly KeyValueCache[],
  options: CachedPackedAttentionDetailsOptions,
): PackedAttentionDetails;
export function packedAttentionDetailsSync(
  query: TensorLike,
  ...rest: readonly unknown[]
): PackedAttentionDetails {
  return attendSync(detailsForms, query, rest);
}
