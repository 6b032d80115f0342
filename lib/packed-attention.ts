/** Attention over sequences of different lengths, laid end to end instead of padded. */
import {
  type AttentionArguments,
  type AttentionInputs,
  type AttentionShape,
  buildProblem,
  checkShape,
  type Placement,
  readInputs,
  readSettings,
  type Strides,
} from './attention-arguments.js';
import { type AttentionOptions, packedOptionNames } from './attention-options.js';
import { solve } from './backends.js';
import { expectLength, expectRank } from './checks/dims.js';
import { type OptionValues, readOptions } from './checks/options.js';
import { readOut } from './checks/out.js';
import { packedSequences, readQueryOffset, readStarts } from './checks/sequences.js';
import type { Tensor } from './tensor.js';
import type { TensorLike } from './tensor-type.js';

/** The options of {@link packedAttention}: those of attention that make sense there, and where sequences start. */
export interface PackedAttentionOptions extends Omit<AttentionOptions, 'layout' | 'kvLengths'> {
  /** Where each sequence starts among the query tokens, and at last their number: batch + 1 entries. */
  queryStarts: ArrayLike<number>;
  /** The same for keys and values. Default: queryStarts. */
  keyStarts?: ArrayLike<number>;
}

const optionNames = [...packedOptionNames, 'queryStarts', 'keyStarts'] as const;

function longest(starts: readonly number[]): number {
  let steps = 0;
  for (let entry = 1; entry < starts.length; entry++)
    steps = Math.max(steps, starts[entry] - starts[entry - 1]);
  return steps;
}

function readShape(
  { query, key, value }: AttentionInputs,
  queryStarts: readonly number[],
  keyStarts: readonly number[],
): AttentionShape {
  const shape = {
    batch: queryStarts.length - 1,
    queryHeads: query.dims[1],
    keyHeads: key.dims[1],
    querySteps: longest(queryStarts),
    keySteps: longest(keyStarts),
    width: query.dims[2],
    valueWidth: value.dims[2],
  };
  expectLength(value.dims[0], 'value.dims[0]', key.dims[0], 'key.dims[0]');
  expectLength(value.dims[1], 'value.dims[1]', shape.keyHeads, 'key.dims[1]');
  checkShape(
    shape,
    {
      queryHeads: 'query.dims[1]',
      keyHeads: 'key.dims[1]',
      keyWidth: 'key.dims[2]',
      queryWidth: 'query.dims[2]',
      valueWidth: 'value.dims[2]',
    },
    key.dims[2],
  );
  return shape;
}

function strides(heads: number, width: number): Strides {
  return { batchStride: 0, headStride: width, stepStride: heads * width };
}

function place({ queryHeads, keyHeads, width, valueWidth }: AttentionShape): Placement {
  return {
    query: strides(queryHeads, width),
    key: strides(keyHeads, width),
    value: strides(keyHeads, valueWidth),
    output: strides(queryHeads, valueWidth),
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
  const queryOffset = readQueryOffset(options.queryOffset, 'options.queryOffset', shape.batch);
  const outDims = [inputs.query.dims[0], shape.queryHeads, shape.valueWidth];
  return {
    inputs,
    shape,
    placement: place(shape),
    settings: readSettings(options, inputs.type, shape),
    sequences: () => packedSequences(queryStarts, keyStarts, queryOffset),
    out: readOut(options.out, 'options.out', inputs.type, outDims, 'query.type'),
  };
}

/**
 * {@link attention} over sequences of different lengths without padding, all tokens end to end in
 * one tensor (what flash-attn calls varlen). No token attends one of another sequence.
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
export async function packedAttention(
  query: TensorLike,
  key: TensorLike,
  value: TensorLike,
  options: PackedAttentionOptions,
): Promise<Tensor> {
  const args = readPackedArguments(query, key, value, readOptions(options, optionNames));
  const { problem, output } = buildProblem(args);
  await solve(args.settings.backend, [problem], args.settings.signal);
  return output;
}
