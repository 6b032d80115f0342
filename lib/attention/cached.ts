/** Attention over a cache: the arguments that differ from those with tensors. */

import { chooseBackendAt } from '../backends/choose.js';
import { expectLength, expectRank } from '../checks/dims.js';
import { expectReach } from '../checks/location.js';
import { invalid } from '../checks/numbers.js';
import type { OptionValues } from '../checks/options.js';
import { readOut } from '../checks/out.js';
import { expectFloat, readTensor, type TensorArgument } from '../checks/tensor.js';
import type { Sequence } from '../problem/problem.js';
import { axesOf, denseStrides, packedStrides, readLayout, type Strides } from '../tensor/layout.js';
import { type AttentionArguments, type AttentionShape, checkShape, readSettings } from './arguments.js';
import type { HeldCache } from './held-cache.js';
import type { AttentionOptionName, packedOptionNames } from './options.js';
import { readScore, type ScoredNames } from './score-argument.js';
import {
  denseSequences,
  longestSequence,
  packedSequences,
  type QueryOffset,
  readCachedLengths,
  readQueryOffset,
  readStarts,
} from './sequences.js';

/** Queries over a cache. Dense and packed queries differ only in their memory layout. */
interface Queries {
  readonly tensor: TensorArgument;
  readonly batch: number;
  readonly heads: number;
  readonly steps: number;
  readonly width: number;
  readonly names: Pick<ScoredNames, 'queryHeads' | 'queryWidth'>;
  /** Of rows as wide as these. */
  readonly strides: (width: number) => Strides;
  readonly sequences: (
    shape: AttentionShape,
    keyLengths: readonly number[],
    queryOffset: QueryOffset,
  ) => readonly Sequence[];
}

const cacheNames = {
  keyHeads: 'cache.heads',
  keyWidth: 'cache.width',
  valueWidth: 'cache.valueWidth',
  keySteps: 'the longest entry of the cache',
};

function attendCache(
  { tensor, batch, heads, steps, width, names, strides, sequences }: Queries,
  cache: HeldCache,
  options: OptionValues<AttentionOptionName>,
): AttentionArguments {
  const type = expectFloat(tensor);
  expectReach(tensor, cache.location, 'cache');
  const keyLengths = readCachedLengths(options.kvLengths, 'options.kvLengths', cache.lengths);
  const score = readScore(options.score, 'options.score');
  const shape: AttentionShape = {
    batch,
    queryHeads: heads,
    keyHeads: cache.heads,
    querySteps: steps,
    keySteps: cache.lengths.reduce((most, length) => Math.max(most, length), 0),
    width,
    keyWidth: cache.width,
    valueWidth: cache.valueWidth,
  };
  checkShape(shape, score, { ...cacheNames, ...names });
  const queryOffset = readQueryOffset(options.queryOffset, 'options.queryOffset', batch);
  const outDims = [...tensor.dims.slice(0, -1), shape.valueWidth];
  return {
    inputs: { type, query: tensor, stored: cache.source },
    shape,
    placement: { query: strides(width), output: strides(shape.valueWidth) },
    settings: readSettings(
      options,
      tensor,
      shape,
      score,
      chooseBackendAt(options.backend, type, cache.location),
    ),
    sequences: () => sequences(shape, keyLengths, queryOffset),
    out: readOut(options.out, 'options.out', type, outDims, 'query.type', tensor),
  };
}

/** The arguments of `attention` with a cache. */
export function readCachedArguments(
  query: unknown,
  cache: HeldCache,
  options: OptionValues<AttentionOptionName>,
): AttentionArguments {
  const tensor = readTensor(query, 'query');
  const { dims } = tensor;
  const layout = readLayout(options.layout);
  const axes = axesOf[layout];
  expectRank(dims, 4, 'query', axes.names);
  expectLength(dims[0], 'query.dims[0]', cache.lengths.length, 'cache.batch');
  const [heads, steps] = [dims[axes.heads], dims[axes.steps]];
  const queries: Queries = {
    tensor,
    batch: dims[0],
    heads,
    steps,
    width: dims[3],
    names: { queryHeads: `query.dims[${axes.heads}]`, queryWidth: 'query.dims[3]' },
    strides: (width) => denseStrides(layout, heads, steps, width),
    sequences: denseSequences,
  };
  return attendCache(queries, cache, options);
}

export type CachedPackedOptionName =
  | (typeof packedOptionNames)[number]
  | 'kvLengths'
  | 'queryStarts'
  | 'keyStarts';

/** The arguments of `packedAttention` with a cache: as many sequences of queries as the cache has entries. */
export function readCachedPackedArguments(
  query: unknown,
  cache: HeldCache,
  options: OptionValues<CachedPackedOptionName>,
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
  return attendCache(queries, cache, options);
}
