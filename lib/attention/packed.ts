/** Attention over sequences of different lengths, laid end to end instead of padded. */

import { expectLength, expectRank } from '../checks/dims.js';
import { type OptionValues, readOptions } from '../checks/options.js';
import { readOut } from '../checks/out.js';
import type { KeyValueCache } from '../key-value-cache/key-value-cache.js';
import { packedStrides } from '../tensor/layout.js';
import type { Tensor } from '../tensor/tensor.js';
import type { TensorLike } from '../tensor/types.js';
import {
  type AttentionArguments,
  type AttentionShape,
  checkShape,
  readInputs,
  readSettings,
  type TensorInputs,
  tensorSource,
} from './arguments.js';
import { attentionOperation } from './attention.js';
import { readCachedPackedArguments } from './cached.js';
import type { TensorPlacement } from './dense.js';
import { type AttentionForms, attend, attendSync } from './forms.js';
import { type AttentionOptions, packedOptionNames } from './options.js';
import { readScore, type ScoreArgument } from './score-argument.js';
import { longestSequence, packedKeys, packedSequences, readQueryOffset, readStarts } from './sequences.js';

/**
 * The options of {@link packedAttention}: the options of attention that apply to packed sequences, and where
 * sequences start.
 */
export interface PackedAttentionOptions extends Omit<AttentionOptions, 'layout' | 'kvLengths'> {
  /** Where each sequence starts among the query tokens, followed by their number: batch + 1 entries. */
  queryStarts: ArrayLike<number>;
  /** The same for keys and values. Default: queryStarts. */
  keyStarts?: ArrayLike<number>;
}

/** The options of {@link packedAttention} with a cache, whose entries are the key sequences. */
export interface CachedPackedAttentionOptions extends Omit<PackedAttentionOptions, 'keyStarts'> {
  /** How many keys are valid, per sequence. Default: all in the cache. */
  kvLengths?: ArrayLike<number>;
}

const optionNames = [...packedOptionNames, 'queryStarts', 'keyStarts'] as const;

function readShape(
  { query, key, value }: TensorInputs,
  queryStarts: readonly number[],
  keyStarts: readonly number[],
  score: ScoreArgument,
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
  checkShape(shape, score, {
    queryHeads: 'query.dims[1]',
    keyHeads: 'key.dims[1]',
    keyWidth: 'key.dims[2]',
    queryWidth: 'query.dims[2]',
    valueWidth: 'value.dims[2]',
    keySteps: 'the longest key sequence',
  });
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
  const score = readScore(options.score, 'options.score');
  const shape = readShape(inputs, queryStarts, keyStarts, score);
  const queryOffset = readQueryOffset(options.queryOffset, 'options.queryOffset', shape.batch);
  const placement = place(shape);
  const outDims = [inputs.query.dims[0], shape.queryHeads, shape.valueWidth];
  return {
    inputs: { type: inputs.type, query: inputs.query, stored: tensorSource(inputs, placement) },
    shape,
    placement,
    settings: readSettings(options, inputs.query, shape, score),
    sequences: () => packedSequences(queryStarts, packedKeys(keyStarts), queryOffset),
    out: readOut(options.out, 'options.out', inputs.type, outDims, 'query.type', inputs.query),
  };
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
