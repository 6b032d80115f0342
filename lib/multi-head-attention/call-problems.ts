/**
 * The problems of one call of a layer. The backend gets everything as a single operation: project, attend,
 * project.
 */
import {
  type AttentionArguments,
  buildProblem,
  cacheSource,
  type KeyValueSource,
  tensorSource,
} from '../attention/arguments.js';
import type { AttentionDetails, BuiltDetails } from '../attention/details.js';
import type { Backend } from '../backends/backend.js';
import { sizeOf } from '../checks/lists.js';
import { outTensor } from '../checks/out.js';
import { dataOf, type TensorArgument } from '../checks/tensor.js';
import { HeedError } from '../errors.js';
import { CacheEntries, type CacheViews } from '../key-value-cache/entries.js';
import { KeyValueCache } from '../key-value-cache/key-value-cache.js';
import type { Allocations } from '../memory/allocations.js';
import type { Elements } from '../memory/device.js';
import { attentionReads, type NamedInput } from '../problem/accesses.js';
import type {
  AttentionProblem,
  HeadNorm,
  Problem,
  ProjectionProblem,
  ProjectionTarget,
  Rotation,
} from '../problem/problem.js';
import { denseStrides, type Strides } from '../tensor/layout.js';
import type { FloatType, Location } from '../tensor/types.js';
import type { ContextArguments } from './call-arguments.js';
import type { CallArguments, Layer } from './call-parts.js';
import type { LayerOptions } from './options.js';
import { contextRotation, queryRotation } from './positions.js';
import { biasMask, type RelativeBias } from './relative-bias.js';
import type { LayerWeights, Norm, Part } from './weights.js';

interface Source {
  readonly name: string;
  readonly data: Elements;
  readonly batch: number;
  readonly steps: number;
}

function projection(
  source: Source,
  type: FloatType,
  parts: readonly [Part, ProjectionTarget][],
  residual?: Elements,
): ProjectionProblem {
  const { product } = parts[0][0];
  const { handle } = product.weight;
  return {
    kind: 'projection',
    rows: source.batch * source.steps,
    steps: source.steps,
    inner: handle.inner,
    columns: handle.columns,
    input: { data: source.data, type },
    weight: handle,
    ...(product.bias && { bias: product.bias }),
    ...(residual && { epilogue: { residual } }),
    targets: parts.map(([, target]) => target),
  };
}

/** An intermediate result: projected heads in their own memory. */
function makeHeads(
  name: string,
  { type, backend }: Layer,
  dims: readonly [number, number, number, number],
  allocations: Allocations,
): TensorArgument {
  const size = sizeOf(dims);
  const data = allocations.scratch(backend, type, size, `the layer's ${name}`);
  return { name, type, dims, size, location: backend.location, data };
}

function headsTarget(
  { firstColumn, columns }: Part,
  type: FloatType,
  heads: TensorArgument,
  done: Pick<ProjectionTarget, 'norm' | 'rotation'> = {},
): ProjectionTarget {
  const [, count, steps, width] = heads.dims;
  const view = { data: dataOf(heads), type, ...denseStrides('bhsd', count, steps, width) };
  return { firstColumn, columns, headWidth: width, view, ...done };
}

function rowsTarget(
  { firstColumn, columns }: Part,
  type: FloatType,
  steps: number,
  data: Elements,
): ProjectionTarget {
  const view = { data, type, ...denseStrides('bshd', 1, steps, columns) };
  return { firstColumn, columns, headWidth: columns, view };
}

/** Keys and values that the layer projects. */
interface NewHeads {
  readonly key: TensorArgument;
  readonly value: TensorArgument;
}

function makeNewHeads(batch: number, steps: number, layer: Layer, allocations: Allocations): NewHeads {
  const { keyValueHeads, keyWidth, valueWidth } = layer.shape;
  return {
    key: makeHeads('key', layer, [batch, keyValueHeads, steps, keyWidth], allocations),
    value: makeHeads('value', layer, [batch, keyValueHeads, steps, valueWidth], allocations),
  };
}

function stridesOf({ dims: [, heads, steps, width] }: TensorArgument): Strides {
  return denseStrides('bhsd', heads, steps, width);
}

/** The same for attention: sequences that lie end to end are told apart by where they start, not by a stride. */
function attendedStrides(strides: Strides, starts: CallArguments['starts']): Strides {
  return starts === undefined ? strides : { ...strides, batchStride: 0 };
}

/** Reading other arguments may have run code that changes the cache. */
function expectUnchanged(name: string, before: readonly number[], now: ArrayLike<number>): void {
  if (before.every((length, entry) => length === now[entry])) return;
  throw new HeedError(
    'HEED_INVALID_ARGUMENT',
    `Expected ${name} to stay unchanged while arguments are read, received one that has changed`,
  );
}

/** Keys and values in a cache, for one operation. */
interface Stored {
  readonly views: CacheViews;
  /** What puts new ones there. */
  readonly problems: readonly Problem[];
  /** Called at the end of the operation. */
  end(solved: boolean): void;
}

function append(
  entries: CacheEntries,
  counts: readonly number[],
  type: FloatType,
  { key, value }: NewHeads,
  starts?: CallArguments['starts'],
): Stored {
  const view = (heads: TensorArgument) => ({
    data: dataOf(heads),
    type,
    ...attendedStrides(stridesOf(heads), starts),
  });
  const write = entries.write({ key: view(key), value: view(value), counts, starts });
  return {
    views: write.views,
    problems: [write.problem],
    // New steps belong to a cache once all is done, and not at all where that fails.
    end: (solved) => (solved ? write.commit() : write.cancel()),
  };
}

/** Where attention finds keys and values, if not in the layer's own memory. */
function storedOf(
  { cache, kept, starts }: CallArguments,
  type: FloatType,
  made: NewHeads | undefined,
): Stored | undefined {
  if (kept) {
    expectUnchanged(kept.name, kept.lengths, kept.entries.lengths);
    const snapshot = kept.entries.snapshot();
    return { views: snapshot, problems: [], end: snapshot.release };
  }
  if (cache === undefined || made === undefined) return undefined;
  const now = cache.entries.whenAppended(cache.counts);
  expectUnchanged(cache.name, cache.lengths, now.lengths);
  expectUnchanged(cache.name, cache.dropped, now.dropped);
  return append(cache.entries, cache.counts, type, made, starts);
}

/** The relative biases in place of the mask, or in its sum. */
function biased(
  { shape, settings, sequences }: CallArguments['attention'],
  relativeBias: RelativeBias,
  type: FloatType,
): Pick<AttentionArguments, 'settings' | 'sequences'> {
  const { scoring } = settings;
  const entries = sequences();
  const mask = biasMask(relativeBias, shape, entries, scoring.mask, type);
  return { settings: { ...settings, scoring: { ...scoring, mask } }, sequences: () => entries };
}

/**
 * Attention from its intermediate inputs to heads that lie side by side, at the location where the output map reads them in
 * place; without such a map, to the layer's output.
 */
function attendArguments(
  { input, rows, starts, attention, out }: CallArguments,
  { type, relativeBias }: Layer,
  heads: Location | undefined,
  query: TensorArgument,
  stored: KeyValueSource,
): AttentionArguments {
  const { queryHeads, valueWidth } = attention.shape;
  const headDims = [...input.dims.slice(0, -1), queryHeads * valueWidth];
  const { settings, sequences } = relativeBias ? biased(attention, relativeBias, type) : attention;
  return {
    inputs: { type, query, stored },
    shape: attention.shape,
    settings,
    sequences,
    lengths: attention.lengths,
    placement: {
      query: attendedStrides(stridesOf(query), starts),
      output: attendedStrides(denseStrides('bshd', queryHeads, rows.steps, valueWidth), starts),
    },
    out:
      heads === undefined
        ? out
        : { type, dims: headDims, location: heads, given: undefined, temporary: true },
  };
}

function sourceOf(
  type: FloatType,
  { made, stored }: CallHeads,
  starts: CallArguments['starts'],
): KeyValueSource {
  if (stored) return cacheSource(stored.views);
  if (made === undefined) throw new TypeError('A layer without kept keys projects some');
  const { key, value } = made;
  const strides = (heads: TensorArgument) => attendedStrides(stridesOf(heads), starts);
  return tensorSource({ type, key, value }, { key: strides(key), value: strides(value) });
}

/** The targets of keys and values. */
function newTargets(
  { options, type, backend }: Layer,
  weights: LayerWeights,
  { key, value }: NewHeads,
  rotation: Rotation | undefined,
): [Part, ProjectionTarget][] {
  const done = { norm: headNorm(weights.keyNorm, options), rotation: placed(rotation, backend) };
  return [
    [weights.key, headsTarget(weights.key, type, key, done)],
    [weights.value, headsTarget(weights.value, type, value)],
  ];
}

/** The problems of a call, and their results. */
export interface BuiltCall<Result> {
  readonly problems: Problem[];
  readonly result: Result;
  /** Called once the problems are solved, or will not be. */
  readonly end: ((solved: boolean) => void) | undefined;
}

/** The same of a call that attends. */
export interface BuiltAttention extends BuiltCall<AttentionDetails> {
  /** What of its caller's memory it reads. */
  readonly reads: readonly NamedInput[];
}

/**
 * Accesses the memory of all arguments for the first time. From here to the backend, none of the caller's
 * code runs.
 *
 * @param residual added to the output, and laid out as it is; only for layers with an output map
 */
export function buildCall(
  layer: Layer,
  weights: LayerWeights,
  call: CallArguments,
  allocations: Allocations,
  attend: Attend = attendOnly,
  residual?: Elements,
): BuiltAttention {
  let stored: Stored | undefined;
  try {
    const { queryHeads, width } = call.attention.shape;
    const { batch, steps } = call.rows;
    const query = makeHeads('query', layer, [batch, queryHeads, steps, width], allocations);
    const newSteps = call.context ? call.context.dims[1] : steps;
    const made = call.kept ? undefined : makeNewHeads(batch, newSteps, layer, allocations);
    stored = storedOf(call, layer.type, made);
    return {
      ...buildProblems(layer, weights, call, { query, made, stored }, allocations, attend, residual),
      end: stored?.end,
    };
  } catch (error) {
    stored?.end(false);
    throw error;
  }
}

interface CallHeads {
  readonly query: TensorArgument;
  readonly made: NewHeads | undefined;
  readonly stored: Stored | undefined;
}

function buildProblems(
  layer: Layer,
  weights: LayerWeights,
  call: CallArguments,
  projected: CallHeads,
  allocations: Allocations,
  attend: Attend,
  residual: Elements | undefined,
): Omit<BuiltAttention, 'end'> {
  const { type, angles, backend } = layer;
  const { query, made, stored } = projected;
  const input: Source = { name: 'input', data: dataOf(call.input), ...call.rows };
  const context = call.context && contextSource('options.context', call.context);
  const keys = sourceOf(type, projected, call.starts);
  const args = attendArguments(call, layer, weights.output && backend.location, query, keys);
  const { attention, problems, details } = attend(args, allocations);
  const { sequences } = attention;
  const { mask } = call.attention.settings.scoring;
  const sources = [input, ...(context ? [context] : []), ...readBeside(attention)];
  // Attention reads a sum of it and the relative biases.
  if (layer.relativeBias && mask) sources.push({ name: mask.tensor.name, data: dataOf(mask.tensor) });
  const turned =
    angles &&
    queryRotation(angles, {
      steps: call.rows.steps,
      packed: call.starts !== undefined,
      positions: call.positions,
      sequences,
      dropped: call.cache?.dropped,
      withKeys: context === undefined && call.kept === undefined,
    });
  const contextTurned =
    angles && context
      ? contextRotation(
          angles,
          context.steps,
          sequences.map(({ keySteps }) => keySteps),
        )
      : turned;
  const queries: [Part, ProjectionTarget] = [
    weights.query,
    headsTarget(weights.query, type, query, {
      norm: headNorm(weights.queryNorm, layer.options),
      rotation: placed(turned, backend),
    }),
  ];
  const others = made ? newTargets(layer, weights, made, contextTurned) : [];
  const projections = context
    ? [projection(input, type, [queries]), projection(context, type, others)]
    : [projection(input, type, [queries, ...others])];
  const before = [...projections, ...(stored?.problems ?? [])];
  if (weights.output === undefined) {
    // Attention wrote to `out` directly, and checked it only against its own inputs.
    if (call.out.given) outTensor(call.out, sources, allocations);
    return { problems: [...before, ...problems], result: details, reads: sources };
  }
  const heads = details.output.elements;
  const output = outTensor(call.out, sources, allocations);
  const target = rowsTarget(weights.output, type, call.rows.steps, output.data);
  const after =
    output.tensor.size === 0
      ? []
      : [
          projection(
            { name: 'heads', data: heads, ...call.rows },
            type,
            [[weights.output, target]],
            residual,
          ),
        ];
  const result = { ...details, output: output.tensor };
  return { problems: [...before, ...problems, ...after], result, reads: sources };
}

/** The problems that project a context and keep its keys and values in a cache of their own. */
export function buildContext(
  layer: Layer,
  weights: LayerWeights,
  { context, lengths, type }: ContextArguments,
  allocations: Allocations,
): BuiltCall<KeyValueCache> {
  const { angles, shape } = layer;
  const [batch, steps] = context.dims;
  const { keyValueHeads: heads, keyWidth: width, valueWidth } = shape;
  const { location } = layer.backend;
  const cache = new KeyValueCache({ batch, heads, width, valueWidth, capacity: steps, type, location });
  try {
    const made = makeNewHeads(batch, steps, layer, allocations);
    const turned = angles && contextRotation(angles, steps, lengths);
    const targets = newTargets(layer, weights, made, turned);
    const projected = projection(contextSource('context', context), layer.type, targets);
    const stored = append(CacheEntries.of(KeyValueCache.stateOf(cache)), lengths, layer.type, made);
    return {
      problems: [projected, ...stored.problems],
      result: cache,
      end: (solved) => {
        stored.end(solved);
        if (!solved) cache.dispose();
      },
    };
  } catch (error) {
    cache.dispose();
    throw error;
  }
}

function contextSource(name: string, context: TensorArgument): Source {
  const [batch, steps] = context.dims;
  return { name, data: dataOf(context), batch, steps };
}

/** The rotation with its tables where the backend reads them. */
function placed(rotation: Rotation | undefined, backend: Backend): Rotation | undefined {
  return rotation && { ...rotation, cos: backend.table(rotation.cos), sin: backend.table(rotation.sin) };
}

function headNorm(norm: Norm | undefined, { normEpsilon }: LayerOptions): HeadNorm | undefined {
  return norm && { ...norm, epsilon: normEpsilon };
}

/** How attention is built from its arguments, and with what besides the output. */
export type Attend = (args: AttentionArguments, allocations: Allocations) => BuiltDetails;

function attendOnly(args: AttentionArguments, allocations: Allocations): BuiltDetails {
  const { problem, problems, output } = buildProblem(args, allocations);
  return { attention: problem, problems, details: { output } };
}

/** What of its caller's memory attention reads besides heads, which are the layer's own. */
function readBeside(attention: AttentionProblem): NamedInput[] {
  const heads: readonly unknown[] = [attention.query.data, attention.key.data, attention.value.data];
  return attentionReads(attention).filter(({ data }) => !heads.includes(data));
}
