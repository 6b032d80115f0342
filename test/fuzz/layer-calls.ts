/** Good calls of projections, packed weights and layers. */
import { isInstance } from '../../lib/checks/values.js';
import type { KeyValueCache } from '../../lib/key-value-cache/key-value-cache.js';
import {
  MultiHeadAttention,
  type RotaryOptions,
  type RotaryScaling,
} from '../../lib/multi-head-attention/multi-head-attention.js';
import { type PackedWeight, packWeight } from '../../lib/projection/packed-weight.js';
import { project, projectSync } from '../../lib/projection/project.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import type { TensorLike } from '../../lib/tensor/types.js';
import type { TestedBackend } from '../support/backends.js';
import { lengthsOf, scoreOf, selectionOf } from './attention-calls.js';
import { type Kept, keptCache, keptCaches, show, shown } from './cache-calls.js';
import { type Holding, lengthsWhenAppended } from './cache-model.js';
import {
  distanceIn,
  floatTensorOf,
  integersIn,
  loosely,
  maskOf,
  maybe,
  numbersIn,
  sizes,
  slopesIn,
} from './good-values.js';
import { type Draw, pick } from './hostile-values.js';
import {
  keptContextModel,
  layerModel,
  packedLayerModel,
  packWeightModel,
  projectModel,
  turnsByLength,
} from './layer-model.js';
import type { Target } from './outcome.js';

function projectArguments(draw: Draw, backend: string): unknown[] {
  const [batch, steps, inner] = sizes(draw, 2, 4, 8);
  const heads = 1 + draw.below(3);
  const columns = heads * (1 + draw.below(5));
  return [
    floatTensorOf(draw, [batch, steps, inner]),
    floatTensorOf(draw, [columns, inner]),
    draw.below(2) === 0 ? undefined : floatTensorOf(draw, [columns]),
    {
      backend,
      ...maybe(draw, 'heads', () => heads),
      ...maybe(draw, 'signal', () => new AbortController().signal),
    },
  ];
}

const roundedType = (draw: Draw) => pick(draw, ['int8', 'int4']);

function packArguments(draw: Draw, backend: string): unknown[] {
  const { type } = maybe(draw, 'type', () => roundedType(draw)) as { type?: string };
  return [
    floatTensorOf(draw, sizes(draw, 9, 40)),
    {
      backend,
      ...(type && { type }),
      ...(type === 'int4' && maybe(draw, 'groupSize', () => 8 * (1 + draw.below(6)))),
      ...maybe(draw, 'location', () => 'cpu'),
    },
  ];
}

/** A number for each pair, in a list or a tensor. */
function forPairs(draw: Draw, dims: number) {
  const numbers = Float32Array.from({ length: dims / 2 }, () => (1 + draw.below(16)) / 8);
  return draw.below(2) === 0 ? [...numbers] : new Tensor(numbers, [dims / 2]);
}

function scalingOptions(draw: Draw, dims: number): RotaryScaling {
  const factor = 1 + draw.below(4);
  const originalMaxPositionEmbeddings = 1 + draw.below(40);
  switch (draw.below(5)) {
    case 4:
      return {
        type: 'longrope',
        shortFactor: forPairs(draw, dims),
        longFactor: forPairs(draw, dims),
        originalMaxPositionEmbeddings: 1 + originalMaxPositionEmbeddings,
        factor,
        ...maybe(draw, 'attentionFactor', () => draw.below(3) / 2),
      };
    case 0:
      return { type: 'linear', factor };
    case 1:
      return { type: 'dynamic', factor, originalMaxPositionEmbeddings };
    case 2:
      return { type: 'llama3', factor, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositionEmbeddings };
    default:
      return {
        type: 'yarn',
        factor,
        originalMaxPositionEmbeddings,
        ...maybe(draw, 'attentionFactor', () => draw.below(3) / 2),
        ...maybe(draw, 'betaFast', () => 2 + draw.below(3)),
        ...maybe(draw, 'betaSlow', () => 1),
        ...maybe(draw, 'mscale', () => draw.below(2)),
        ...maybe(draw, 'mscaleAllDim', () => draw.below(2)),
        ...maybe(draw, 'truncate', () => false),
      };
  }
}

function rotaryOptions(draw: Draw, width: number): RotaryOptions {
  const part = width % 2 !== 0 || draw.below(2) === 0;
  const dims = part ? 2 * (1 + draw.below(Math.floor(width / 2))) : width;
  const common = { ...(part && { dims }), ...maybe(draw, 'interleaved', () => true) };
  if (draw.below(4) === 0) return { ...common, inverseFrequencies: forPairs(draw, dims) };
  return {
    ...common,
    ...maybe(draw, 'theta', () => 100 + draw.below(1000)),
    ...maybe(draw, 'scaling', () => scalingOptions(draw, dims)),
  };
}

function normOf(draw: Draw, heads: number, width: number) {
  const together = draw.below(3) === 0;
  const dims = together ? [heads * width] : draw.below(2) === 0 ? [width] : [heads, width];
  return {
    weight: floatTensorOf(draw, dims),
    ...(together ? { together } : {}),
    ...maybe(draw, 'bias', () => floatTensorOf(draw, dims)),
    ...maybe(draw, 'type', () => (draw.below(2) === 0 ? 'rms' : 'layer')),
  };
}

function relativeBiasOf(draw: Draw, heads: number) {
  const side = 2 + draw.below(4);
  return {
    weight: floatTensorOf(draw, [2 * side, heads]),
    ...maybe(draw, 'bidirectional', () => draw.below(2) === 0),
    ...maybe(draw, 'maxDistance', () => side + 1 + draw.below(9)),
  };
}

const each = <T>(count: number, make: () => T) => Array.from({ length: count }, make);

/** For all entries or for each, in a list or in the shape that models are given. */
function positionsIn(draw: Draw, batch: number, steps: number): unknown {
  const rows = draw.below(2) === 0 ? 1 : batch;
  const positions = each(rows * steps, () => draw.below(100));
  return integersIn(draw, positions, draw.below(2) === 0 ? [rows, steps] : [rows * steps]);
}

interface LayerCall {
  readonly args: unknown[];
  /** The cache of the call, or its kept context, if it has one. */
  readonly kept: Kept | undefined;
}

/** The number of keys of the longest entry after the new steps: the first `counts[entry]` of them, or all. */
function longestOf(holding: Holding, steps: number, given: readonly number[] | undefined): number {
  const counts = given ?? holding.entries.map(() => steps);
  return Math.max(...lengthsWhenAppended(holding, counts).map((length, entry) => length + counts[entry]));
}

function layerCall(draw: Draw, backend: TestedBackend): LayerCall {
  const keyHeads = 1 + draw.below(2);
  const heads = keyHeads * (1 + draw.below(2));
  const [width, valueWidth, embed] = sizes(draw, 6, 6, 6);
  const [batch, queries] = sizes(draw, 2, 4);
  const crossed = draw.below(3) === 0;
  const [newKeys, contextEmbed] = crossed ? sizes(draw, 4, 6) : [queries, embed];
  const rotates = width > 1 && draw.below(2) === 0;
  const { kvLengths } = maybe(draw, 'kvLengths', () =>
    Array.from({ length: batch }, () => draw.below(newKeys + 1)),
  ) as { kvLengths?: number[] };
  const { lengths } = crossed || kvLengths ? {} : lengthsOf(draw, new Array<number>(batch).fill(queries));
  const cacheForm = { batch, heads: keyHeads, width, valueWidth, capacity: 16, type: 'float32' } as const;
  const kept = crossed || rotates || draw.below(3) > 0 ? undefined : keptCache(draw, backend, cacheForm);
  const context = crossed && draw.below(2) === 0 ? keptCache(draw, backend, cacheForm) : undefined;
  const keys = context
    ? longestOf(context.holding, 0, undefined)
    : kept
      ? longestOf(kept.holding, queries, lengths ?? kvLengths)
      : newKeys;
  const linear = (columns: number, inner: number) => ({
    weight: floatTensorOf(draw, [columns, inner]),
    ...maybe(draw, 'bias', () => floatTensorOf(draw, [columns])),
  });
  const args = [
    {
      query: linear(heads * width, embed),
      key: linear(keyHeads * width, contextEmbed),
      value: linear(keyHeads * valueWidth, contextEmbed),
      ...maybe(draw, 'output', () => linear(1 + draw.below(6), heads * valueWidth)),
      ...maybe(draw, 'queryNorm', () => normOf(draw, heads, width)),
      ...maybe(draw, 'keyNorm', () => normOf(draw, keyHeads, width)),
    },
    {
      heads,
      backend,
      ...(keyHeads === heads ? {} : { keyValueHeads: keyHeads }),
      ...maybe(draw, 'causal', () => true),
      ...maybe(draw, 'window', () => ({ left: draw.below(3) })),
      ...maybe(draw, 'softcap', () => draw.below(3)),
      ...maybe(draw, 'select', () => selectionOf(draw, [batch, heads, queries])),
      ...maybe(draw, 'score', () => scoreOf(draw, { heads, keyHeads, width, keys })),
      ...maybe(draw, 'scale', () => (draw.below(9) + 1) / 10),
      ...maybe(draw, 'alibiSlopes', () => slopesIn(draw, batch, heads)),
      ...distanceIn(draw),
      ...maybe(draw, 'relativeBias', () => relativeBiasOf(draw, heads)),
      ...maybe(draw, 'sinks', () =>
        numbersIn(
          draw,
          each(heads, () => draw.below(3)),
        ),
      ),
      ...maybe(draw, 'type', () => 'float32'),
      ...(backend === 'cuda' ? {} : maybe(draw, 'weights', () => roundedType(draw))),
      ...maybe(draw, 'normEpsilon', () => draw.below(3) / 2 + 0.1),
      ...(rotates ? { rotary: rotaryOptions(draw, width) } : {}),
    },
    floatTensorOf(draw, [batch, queries, embed]),
    {
      ...(crossed ? { context: context?.cache ?? floatTensorOf(draw, [batch, newKeys, contextEmbed]) } : {}),
      ...maybe(draw, 'mask', () => maskOf(draw, [batch, heads, queries, keys])),
      ...maybe(draw, 'select', () => selectionOf(draw, [batch, heads, queries])),
      ...(kvLengths
        ? { kvLengths: integersIn(draw, context ? fewerOf(draw, context.holding) : kvLengths) }
        : {}),
      ...(lengths ? { lengths: integersIn(draw, lengths) } : {}),
      ...(kept ? { cache: kept.cache } : {}),
      ...(rotates && draw.below(2) === 0 ? { positions: positionsIn(draw, batch, queries) } : {}),
    },
  ];
  const { rotary } = args[1] as { rotary?: RotaryOptions };
  // Keys that have turned by their lengths have no others.
  if (context && turnsByLength(rotary)) delete (args[3] as { kvLengths?: unknown }).kvLengths;
  return { args, kept: kept ?? context };
}

/** Sequences end to end, with a cache for each or none. */
function packedLayerCall(draw: Draw, backend: TestedBackend): { args: unknown[]; kept: readonly Kept[] } {
  let call = layerCall(draw, backend);
  while ('context' in (call.args[3] as object)) call = layerCall(draw, backend);
  const [weights, given] = call.args as [
    Record<'query' | 'key' | 'value', { weight: { dims: number[] } }>,
    { heads: number; keyValueHeads?: number; rotary?: unknown },
  ];
  // What has an axis for the batch, or is of so many keys, does not fit.
  const names = ['select', 'alibiSlopes', 'alibiDistance', 'score', 'type'];
  const options = Object.fromEntries(Object.entries(given).filter(([name]) => !names.includes(name)));
  const { heads, keyValueHeads = heads } = given;
  const form = {
    heads: keyValueHeads,
    width: weights.key.weight.dims[0] / keyValueHeads,
    valueWidth: weights.value.weight.dims[0] / keyValueHeads,
    type: 'float32',
  } as const;
  const kept = given.rotary || draw.below(3) === 0 ? [] : keptCaches(draw, backend, form);
  const counts = each(kept.length || 1 + draw.below(3), () => draw.below(4));
  const queryStarts = [0];
  for (const count of counts) queryStarts.push((queryStarts.at(-1) ?? 0) + count);
  const args = [
    weights,
    options,
    floatTensorOf(draw, [queryStarts.at(-1) ?? 0, weights.query.weight.dims[1]]),
    {
      queryStarts: integersIn(draw, queryStarts),
      ...(kept.length > 0 ? { caches: kept.map(({ cache }) => cache) } : {}),
    },
  ];
  return { args, kept };
}

/** A call over sequences end to end: all of their caches are extended, or none is. */
function packedTarget(draw: Draw, backend: TestedBackend, form: 'forward' | 'forwardSync'): Target {
  let kept: readonly Kept[] = [];
  const named = <Shown>(of: (one: Kept) => Record<string, Shown>): Record<string, Shown> =>
    Object.fromEntries(
      kept.flatMap((one, i) =>
        Object.entries(inCache(of(one))).map(([name, value]) => [`${name} ${i}`, value]),
      ),
    );
  return {
    name: `over sequences, MultiHeadAttention.${form}`,
    arguments: () => {
      const call = packedLayerCall(draw, backend);
      kept = call.kept;
      return call.args;
    },
    call: ([weights, options, ...call]) => {
      const layer = construct([weights, options]);
      return loosely(layer[form].bind(layer))(...call);
    },
    model: (args) => {
      const { output, after } = packedLayerModel(args);
      return { ...named((one) => shown(after.get(one.cache) ?? one.holding)), output };
    },
    results: (result) => ({ ...named(({ cache }) => show(cache, backend)), output: result }),
    unchanged: () => ({
      results: named(({ cache }) => show(cache, backend)),
      expected: named(({ holding }) => shown(holding)),
    }),
  };
}

const fewerOf = (draw: Draw, { entries }: Holding) => entries.map(({ length }) => draw.below(length + 1));

const construct = (args: readonly unknown[]) => {
  const [weights, options] = args as ConstructorParameters<typeof MultiHeadAttention>;
  return new MultiHeadAttention(weights, options);
};

/** Multiplies rows of ones, so that the packed weight is visible. */
async function useWeight(packed: PackedWeight): Promise<Tensor> {
  const ones = new Tensor(new Float32Array(2 * packed.dims[1]).fill(1), [2, packed.dims[1]]);
  using weight = packed;
  // Weights of integers are multiplied with rows of any type.
  const type = weight.type === 'int8' || weight.type === 'int4' ? 'float32' : weight.type;
  return await project(ones.cast(type), weight);
}

/** The observable state of a cache, besides the output of a layer. */
const inCache = <Shown>({ output, lengths, dropped }: Record<string, Shown>) => ({
  'output of the cache': output,
  'lengths of the cache': lengths,
  'dropped by the cache': dropped,
});

/** Every public form of a linear map on one backend. */
export function layerTargets(draw: Draw, backend: TestedBackend): Target[] {
  const results = (result: unknown) => ({ output: result });
  const linear = {
    arguments: () => projectArguments(draw, backend),
    model: (args: readonly unknown[]) => ({ output: projectModel(args) }),
    results,
  };
  let kept: Kept | undefined;
  const layer = {
    arguments: () => {
      const call = layerCall(draw, backend);
      kept = call.kept;
      return call.args;
    },
    model: (args: readonly unknown[]) => {
      const { output, after } = layerModel(args);
      return { ...(kept && inCache(shown(after ?? kept.holding))), output };
    },
    results: (result: unknown) => ({ ...(kept && inCache(show(kept.cache, backend))), output: result }),
    unchanged: () => ({
      results: kept ? show(kept.cache, backend) : {},
      expected: kept ? shown(kept.holding) : {},
    }),
  };
  return [
    contextTarget(draw, backend),
    packedTarget(draw, backend, 'forward'),
    packedTarget(draw, backend, 'forwardSync'),
    { name: 'project', call: (args) => loosely(project)(...args), ...linear },
    { name: 'projectSync', call: (args) => loosely(projectSync)(...args), ...linear },
    {
      name: 'packWeight',
      arguments: () => packArguments(draw, backend),
      call: (args) => useWeight(loosely(packWeight)(...args) as PackedWeight),
      model: (args) => ({ output: packWeightModel(args) }),
      results,
    },
    {
      ...layer,
      name: 'MultiHeadAttention.forward',
      call: ([weights, options, ...call]) =>
        construct([weights, options]).forward(...(call as ForwardArguments)),
    },
    {
      ...layer,
      name: 'MultiHeadAttention.forwardSync',
      call: ([weights, options, ...call]) =>
        construct([weights, options]).forwardSync(...(call as ForwardArguments)),
    },
    {
      ...layer,
      name: 'MultiHeadAttention.forwardDetails',
      call: async ([weights, options, ...call]) =>
        (await construct([weights, options]).forwardDetails(...withDetails(call))).output,
    },
    {
      ...layer,
      name: 'MultiHeadAttention.forwardDetailsSync',
      call: ([weights, options, ...call]) =>
        construct([weights, options]).forwardDetailsSync(...withDetails(call)).output,
    },
  ];
}

/** projectContext, and the result of attention over what it keeps. */
function contextTarget(draw: Draw, backend: TestedBackend): Target {
  let input: unknown;
  return {
    name: 'MultiHeadAttention.projectContext',
    arguments: () => {
      const [weights, options, rows] = layerCall(draw, backend).args as [
        { key: { weight: { dims: number[] } } },
        object,
        { dims: number[] },
      ];
      input = rows;
      const steps = 1 + draw.below(4);
      const context = floatTensorOf(draw, [rows.dims[0], steps, weights.key.weight.dims[1]]);
      const given = {
        ...maybe(draw, 'kvLengths', () => Array.from({ length: rows.dims[0] }, () => draw.below(steps + 1))),
        ...maybe(draw, 'type', () => 'float32'),
        ...maybe(draw, 'signal', () => new AbortController().signal),
      };
      const { select: _, score: __, ...others } = options as Record<string, unknown>;
      return [weights, others, context, given];
    },
    call: async ([weights, options, ...rest]) => {
      using layer = construct([weights, options]);
      const project = draw.below(2) === 0 ? layer.projectContext : layer.projectContextSync;
      using context = (await loosely(project.bind(layer))(...rest)) as KeyValueCache;
      return await layer.forward(input as TensorLike, { context });
    },
    model: (args) => ({ output: keptContextModel(args, input) }),
    results: (result) => ({ output: result }),
  };
}

type ForwardArguments = Parameters<MultiHeadAttention['forward']>;

/** The same call that also requests the log-sum-exp. */
function withDetails(call: readonly unknown[]): Parameters<MultiHeadAttention['forwardDetails']> {
  const [input, options] = call as ForwardArguments;
  const given = { include: ['logSumExp' as const] };
  return [input, options === undefined ? given : merged(options, given)];
}

/**
 * Adds to plain options without reading them, so that getters stay getters. Leaves everything else unchanged.
 */
function merged<Options>(
  options: Options,
  more: { include: 'logSumExp'[] },
): Options & { include: 'logSumExp'[] } {
  const isPlain = isInstance(options, Object) && Object.getPrototypeOf(options) === Object.prototype;
  const given = isPlain ? Object.defineProperties(more, Object.getOwnPropertyDescriptors(options)) : options;
  return given as Options & { include: 'logSumExp'[] };
}
