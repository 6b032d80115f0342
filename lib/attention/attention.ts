/** Scaled dot-product attention, and the same with what a fused kernel normally hides. */
import { chooseBackend } from '../backends/choose.js';
import type { Operation } from '../backends/operation.js';
import { expectLength, expectRank } from '../checks/lists.js';
import { type OptionValues, readOptions } from '../checks/options.js';
import { readOut } from '../checks/out.js';
import { readStridedTensor } from '../checks/tensor.js';
import type { KeyValueCache } from '../key-value-cache/key-value-cache.js';
import type { Allocations } from '../memory/allocations.js';
import { type Axes, axesOf, denseStrides, type Layout, readLayout, stridesIn } from '../tensor/layout.js';
import type { Tensor } from '../tensor/tensor.js';
import type { TensorLike } from '../tensor/types.js';
import {
  type AttentionArguments,
  attentionOperation,
  readInputs,
  readSettings,
  type TensorInputs,
  type TensorPlacement,
  tensorSource,
} from './arguments.js';
import {
  type AttentionDetails,
  type AttentionDetailsOptions,
  detailsOperation,
  detailsOptionNames,
} from './details.js';
import { type AttentionOptionName, type AttentionOptions, attentionOptionNames } from './options.js';
import { readScoring } from './scoring.js';
import { denseSequences, readKeyLengths, readLengths, readQueryOffset } from './sequences.js';
import { type AttentionShape, checkShape } from './shape.js';
import {
  type AttendedCache,
  type AttentionForms,
  attend,
  attendedCache,
  attendSync,
  namesOverCache,
  type Queries,
  readCachedArguments,
} from './sources.js';

function namesOf({ heads, steps }: Axes) {
  return {
    queryHeads: `query.dims[${heads}]`,
    keyHeads: `key.dims[${heads}]`,
    valueHeads: `value.dims[${heads}]`,
    keySteps: `key.dims[${steps}]`,
    valueSteps: `value.dims[${steps}]`,
    queryWidth: 'query.dims[3]',
    keyWidth: 'key.dims[3]',
    valueWidth: 'value.dims[3]',
  };
}
/** What messages call the lengths. Made once, since a small call takes only microseconds. */
const namesIn = { bhsd: namesOf(axesOf.bhsd), bshd: namesOf(axesOf.bshd) };
const cachedNamesIn = { bhsd: namesOverCache(namesIn.bhsd), bshd: namesOverCache(namesIn.bshd) };

function readShape({ query, key, value }: TensorInputs, layout: Layout): AttentionShape {
  const axes = axesOf[layout];
  const names = namesIn[layout];
  for (const tensor of [query, key, value]) expectRank(tensor.dims, 4, tensor.name, axes.names);
  const { heads, steps } = axes;
  const shape = {
    batch: query.dims[0],
    queryHeads: query.dims[heads],
    keyHeads: key.dims[heads],
    querySteps: query.dims[steps],
    keySteps: key.dims[steps],
    width: query.dims[3],
    keyWidth: key.dims[3],
    valueWidth: value.dims[3],
  };
  expectLength(key.dims[0], 'key.dims[0]', shape.batch, 'query.dims[0]');
  expectLength(value.dims[0], 'value.dims[0]', shape.batch, 'query.dims[0]');
  expectLength(value.dims[heads], names.valueHeads, shape.keyHeads, names.keyHeads);
  expectLength(value.dims[steps], names.valueSteps, shape.keySteps, names.keySteps);
  return shape;
}

function place(
  layout: Layout,
  { query, key, value }: TensorInputs,
  { queryHeads, keyHeads, querySteps, keySteps, width, keyWidth, valueWidth }: AttentionShape,
): TensorPlacement {
  return {
    query: stridesIn(query, layout, queryHeads, querySteps, width),
    key: stridesIn(key, layout, keyHeads, keySteps, keyWidth),
    value: stridesIn(value, layout, keyHeads, keySteps, valueWidth),
    output: denseStrides(layout, queryHeads, querySteps, valueWidth),
  };
}

export function readDenseArguments(
  query: unknown,
  key: unknown,
  value: unknown,
  options: OptionValues<AttentionOptionName>,
): AttentionArguments {
  const inputs = readInputs(query, key, value);
  const layout = readLayout(options.layout);
  const shape = readShape(inputs, layout);
  const scoring = readScoring(options, shape.queryHeads);
  checkShape(shape, scoring.score, namesIn[layout]);
  const lengths = readLengths(
    options,
    shape.batch,
    () => ({ queries: shape.querySteps, keys: shape.keySteps }),
    'the number',
  );
  const keyLengths = readKeyLengths(options.kvLengths, 'options.kvLengths', shape.batch, shape.keySteps);
  const queryOffset = readQueryOffset(options.queryOffset, 'options.queryOffset', shape.batch);
  const placement = place(layout, inputs, shape);
  const backend = chooseBackend(options.backend, inputs.type, inputs.query.location);
  const [batch, second, third] = inputs.query.dims;
  const outDims = [batch, second, third, shape.valueWidth];
  return {
    inputs: { type: inputs.type, query: inputs.query, stored: tensorSource(inputs, placement) },
    shape,
    placement,
    settings: readSettings(options, scoring, inputs.query, shape, backend),
    sequences: () => denseSequences(shape, keyLengths, queryOffset),
    lengths,
    out: readOut(options.out, 'options.out', inputs.type, outDims, 'query.type', inputs.query),
  };
}

/** The arguments of `attention` with a cache. */
function readDenseCachedArguments(
  query: unknown,
  cache: AttendedCache,
  options: OptionValues<AttentionOptionName>,
): AttentionArguments {
  const tensor = readStridedTensor(query, 'query');
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
    names: cachedNamesIn[layout],
    placement: stridesIn(tensor, layout, heads, steps, dims[3]),
    strides: (width) => denseStrides(layout, heads, steps, width),
    sequences: denseSequences,
  };
  return readCachedArguments(queries, cache, options);
}

/** Over tensors with an axis for the batch, or over a cache. */
function formsOf<Name extends string, Result>(
  names: readonly (AttentionOptionName | Name)[],
  build: (
    args: AttentionArguments,
    values: OptionValues<AttentionOptionName | Name>,
    allocations: Allocations,
  ) => Operation<Result>,
): AttentionForms<Result> {
  return {
    attended: attendedCache,
    overTensors(allocations, query, key, value, options) {
      const values = readOptions(options, names);
      return build(readDenseArguments(query, key, value, values), values, allocations);
    },
    overCache(allocations, query, cache, options) {
      const values = readOptions(options, names);
      return build(readDenseCachedArguments(query, cache, values), values, allocations);
    },
  };
}

const forms = formsOf(attentionOptionNames, (args, _, allocations) => attentionOperation(args, allocations));
const detailsForms = formsOf(detailsOptionNames, detailsOperation);

/**
 * softmax(query · keyᵀ / √width) · value for every batch entry and head, computed without storing the matrix
 * of weights (Vaswani et al. 2017, "Attention Is All You Need"; Dao et al. 2022, "FlashAttention"). Runs on
 * heed's own threads and does not block the event loop. (An operation of up to about a millisecond is done
 * before the promise is returned, unless there is a signal or a turn of the event loop has had four of them.)
 *
 * A query row that may attend no key gets zeros. Consecutive query heads share a key/value head
 * if there are fewer of those (Ainslie et al. 2023, "GQA"). float16 and bfloat16 are summed in
 * float32; float64 runs on the reference backend only.
 *
 * @param query [batch, heads, querySteps, width], any floating-point type; width from 1 to 576
 * @param key [batch, keyHeads, keySteps, width], of the same type; keyHeads divides heads
 * @param value [batch, keyHeads, keySteps, valueWidth], of the same type
 * @returns [batch, heads, querySteps, valueWidth] in the type and layout of query; `options.out` if given
 * @throws HeedError (as a rejection) for every bad argument, before any work starts: see `code`.
 *   When aborted, it rejects with the signal's reason.
 *
 * @example
 * const output = await attention(query, key, value, { causal: true });
 */
export function attention(
  query: TensorLike,
  key: TensorLike,
  value: TensorLike,
  options?: AttentionOptions,
): Promise<Tensor>;
/**
 * The same over the keys and values of a cache, to which the newest steps have already been appended: the
 * last query is at the position of the last step. Each entry has as many keys as the cache has steps of it,
 * or `options.kvLengths`. Queries may have another type than the cache.
 *
 * @param query [batch, heads, querySteps, width], any floating-point type
 * @param cache with as many entries as query, and the same width
 * @returns [batch, heads, querySteps, valueWidth] in the type and layout of query
 *
 * @example
 * cache.append(key, value);
 * const output = await attention(query, cache, { causal: true });
 */
export function attention(
  query: TensorLike,
  cache: KeyValueCache,
  options?: AttentionOptions,
): Promise<Tensor>;
export async function attention(query: TensorLike, ...rest: readonly unknown[]): Promise<Tensor> {
  return await attend(forms, query, rest);
}

/**
 * {@link attention}, synchronously: it throws instead of rejecting, and blocks the event loop.
 * For small inputs, scripts and worker threads.
 */
export function attentionSync(
  query: TensorLike,
  key: TensorLike,
  value: TensorLike,
  options?: AttentionOptions,
): Tensor;
/** The same over the keys and values of a cache. */
export function attentionSync(query: TensorLike, cache: KeyValueCache, options?: AttentionOptions): Tensor;
export function attentionSync(query: TensorLike, ...rest: readonly unknown[]): Tensor {
  return attendSync(forms, query, rest);
}

/**
 * {@link attention}, with its scores, weights and log-sum-exps. Weights and scores are recomputed
 * from the log-sum-exp, so that only what `include` names takes memory:
 * batch · heads · queries · keys elements each, of the chosen rows.
 *
 * @param query [batch, heads, querySteps, width]
 * @param key [batch, keyHeads, keySteps, width]
 * @param value [batch, keyHeads, keySteps, valueWidth]
 * @throws HeedError as {@link attention} does; HEED_OUT_OF_MEMORY if the details do not fit into memory
 *
 * @example
 * const { output, weights } = await attentionDetails(query, key, value, {
 *   include: ['weights'],
 *   rows: { heads: [0], queries: [7] },
 * });
 */
export function attentionDetails(
  query: TensorLike,
  key: TensorLike,
  value: TensorLike,
  options: AttentionDetailsOptions,
): Promise<AttentionDetails>;
/** The same over the keys and values of a cache; keys are those of its longest entry. */
export function attentionDetails(
  query: TensorLike,
  cache: KeyValueCache,
  options: AttentionDetailsOptions,
): Promise<AttentionDetails>;
export async function attentionDetails(
  query: TensorLike,
  ...rest: readonly unknown[]
): Promise<AttentionDetails> {
  return await attend(detailsForms, query, rest);
}

/**
 * {@link attentionDetails}, synchronously: throws what the promise would reject with, and blocks the event
 * loop.
 */
export function attentionDetailsSync(
  query: TensorLike,
  key: TensorLike,
  value: TensorLike,
  options: AttentionDetailsOptions,
): AttentionDetails;
/** The same over the keys and values of a cache. */
export function attentionDetailsSync(
  query: TensorLike,
  cache: KeyValueCache,
  options: AttentionDetailsOptions,
): AttentionDetails;
export function attentionDetailsSync(query: TensorLike, ...rest: readonly unknown[]): AttentionDetails {
  return attendSync(detailsForms, query, rest);
}
