/**
 * The problems of one call of a layer. The backend gets everything as a single operation: project, attend,
 * project.
 */
import { type AttentionArguments, buildProblem, tensorSource } from '../attention/arguments.js';
import { type AttentionDetails, buildDetails, type DetailsRequest } from '../attention/details.js';
import { cacheSource } from '../attention/sources.js';
import type { Backend } from '../backends/backend.js';
import { sizeOf } from '../checks/lists.js';
import { outTensor } from '../checks/out.js';
import { dataOf, type TensorArgument } from '../checks/tensor.js';
import { HeedError } from '../errors.js';
import type { CacheWrite } from '../key-value-cache/state.js';
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
import type { CacheArgument, CallArguments, Layer } from './call-arguments.js';
import type { LayerOptions } from './options.js';
import { rotations } from './positions.js';
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

/** What the layer projects: queries, and the keys and values that are new. */
interface Heads {
  readonly query: TensorArgument;
  readonly key: TensorArgument;
  readonly value: TensorArgument;
}

function makeAllHeads({ attention, context }: CallArguments, layer: Layer, allocations: Allocations): Heads {
  const { batch, queryHeads, keyHeads, querySteps, width, keyWidth, valueWidth } = attention.shape;
  const newSteps = context ? context.dims[1] : querySteps;
  return {
    query: makeHeads('query', layer, [batch, queryHeads, querySteps, width], allocations),
    key: makeHeads('key', layer, [batch, keyHeads, newSteps, keyWidth], allocations),
    value: makeHeads('value', layer, [batch, keyHeads, newSteps, valueWidth], allocations),
  };
}

function stridesOf({ dims: [, heads, steps, width] }: TensorArgument): Strides {
  return denseStrides('bhsd', heads, steps, width);
}

/** The problem that appends the new steps to the cache of a call. */
function writeTo(
  { state, lengths, counts }: CacheArgument,
  type: FloatType,
  { key, value }: Heads,
): CacheWrite {
  // Reading other arguments may have run code that changes the cache.
  if (state.lengths.some((length, entry) => length !== lengths[entry])) {
    throw new HeedError(
      'HEED_INVALID_ARGUMENT',
      'Expected options.cache to stay unchanged while arguments are read, received one that has changed',
    );
  }
  const view = (heads: TensorArgument) => ({ data: dataOf(heads), type, ...stridesOf(heads) });
  return state.write(view(key), view(value), counts);
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
  { attention, out }: CallArguments,
  { type, relativeBias }: Layer,
  heads: Location | undefined,
  { query, key, value }: Heads,
  write: CacheWrite | undefined,
): AttentionArguments {
  const { batch, queryHeads, querySteps, width, valueWidth } = attention.shape;
  const placement = { key: stridesOf(key), value: stridesOf(value) };
  const headDims = [batch, querySteps, queryHeads * valueWidth];
  const stored = write ? cacheSource(write.views) : tensorSource({ type, key, value }, placement);
  return {
    ...attention,
    ...(relativeBias && biased(attention, relativeBias, type)),
    inputs: { type, query, stored },
    placement: {
      query: denseStrides('bhsd', queryHeads, querySteps, width),
      output: denseStrides('bshd', queryHeads, querySteps, valueWidth),
    },
    out:
      heads === undefined
        ? out
        : { type, dims: headDims, location: heads, given: undefined, temporary: true },
  };
}

function projectInputs(
  input: Source,
  context: Source | undefined,
  weights: LayerWeights,
  type: FloatType,
  { query, key, value }: Heads,
  done: Record<'query' | 'key', Pick<ProjectionTarget, 'norm' | 'rotation'>>,
): ProjectionProblem[] {
  const queries: [Part, ProjectionTarget] = [
    weights.query,
    headsTarget(weights.query, type, query, done.query),
  ];
  const keys: [Part, ProjectionTarget] = [weights.key, headsTarget(weights.key, type, key, done.key)];
  const values: [Part, ProjectionTarget] = [weights.value, headsTarget(weights.value, type, value)];
  return context
    ? [projection(input, type, [queries]), projection(context, type, [keys, values])]
    : [projection(input, type, [queries, keys, values])];
}

/** The problems of a call, and their results. */
export interface BuiltCall {
  readonly problems: Problem[];
  readonly details: AttentionDetails;
  /** New steps of a cache, to be committed once the problems are solved, or else cancelled. */
  readonly write: CacheWrite | undefined;
}

/**
 * Accesses the memory of all arguments for the first time. From here to the backend, none of the caller's
 * code runs.
 */
export function buildCall(
  layer: Layer,
  weights: LayerWeights,
  call: CallArguments,
  allocations: Allocations,
  request?: DetailsRequest,
): BuiltCall {
  let write: CacheWrite | undefined;
  try {
    const heads = makeAllHeads(call, layer, allocations);
    write = call.cache && writeTo(call.cache, layer.type, heads);
    return { ...buildProblems(layer, weights, call, heads, write, allocations, request), write };
  } catch (error) {
    write?.cancel();
    throw error;
  }
}

function buildProblems(
  layer: Layer,
  weights: LayerWeights,
  call: CallArguments,
  made: Heads,
  write: CacheWrite | undefined,
  allocations: Allocations,
  request: DetailsRequest | undefined,
): Pick<BuiltCall, 'problems' | 'details'> {
  const { type, angles, options, backend } = layer;
  const { batch, querySteps, keySteps } = call.attention.shape;
  const input: Source = { name: 'input', data: dataOf(call.input), batch, steps: querySteps };
  const context: Source | undefined = call.context && {
    name: 'options.context',
    data: dataOf(call.context),
    batch,
    steps: keySteps,
  };
  const args = attendArguments(call, layer, weights.output && backend.location, made, write);
  const { attention, problems, details } = attend(args, allocations, request);
  const { mask } = call.attention.settings.scoring;
  const sources = [input, ...(context ? [context] : []), ...readBeside(attention)];
  // Attention reads a sum of it and the relative biases.
  if (layer.relativeBias && mask) sources.push({ name: mask.tensor.name, data: dataOf(mask.tensor) });
  const turned =
    angles &&
    rotations(angles, {
      steps: querySteps,
      positions: call.positions,
      sequences: attention.sequences,
      contextSteps: context?.steps,
    });
  const projections = projectInputs(input, context, weights, type, made, {
    query: { norm: headNorm(weights.queryNorm, options), rotation: placed(turned?.query, backend) },
    key: { norm: headNorm(weights.keyNorm, options), rotation: placed(turned?.key, backend) },
  });
  const before = write ? [...projections, write.problem] : projections;
  if (weights.output === undefined) {
    // Attention wrote to `out` directly, and checked it only against its own inputs.
    if (call.out.given) outTensor(call.out, sources, allocations);
    return { problems: [...before, ...problems], details };
  }
  const heads = details.output.elements;
  const output = outTensor(call.out, sources, allocations);
  const target = rowsTarget(weights.output, type, querySteps, output.data);
  const after =
    output.tensor.size === 0
      ? []
      : [
          projection({ name: 'heads', data: heads, batch, steps: querySteps }, type, [
            [weights.output, target],
          ]),
        ];
  return { problems: [...before, ...problems, ...after], details: { ...details, output: output.tensor } };
}

/** The rotation with its tables where the backend reads them. */
function placed(rotation: Rotation | undefined, backend: Backend): Rotation | undefined {
  return rotation && { ...rotation, cos: backend.table(rotation.cos), sin: backend.table(rotation.sin) };
}

function headNorm(norm: Norm | undefined, { normEpsilon }: LayerOptions): HeadNorm | undefined {
  return norm && { ...norm, epsilon: normEpsilon };
}

function attend(args: AttentionArguments, allocations: Allocations, request: DetailsRequest | undefined) {
  if (request) return buildDetails(args, request, allocations);
  const { problem, problems, output } = buildProblem(args, allocations);
  return { attention: problem, problems, details: { output } };
}

/** What of its caller's memory attention reads besides heads, which are the layer's own. */
function readBeside(attention: AttentionProblem): NamedInput[] {
  const heads: readonly unknown[] = [attention.query.data, attention.key.data, attention.value.data];
  return attentionReads(attention).filter(({ data }) => !heads.includes(data));
}
