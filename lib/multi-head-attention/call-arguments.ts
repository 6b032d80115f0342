/** The arguments of one use of a layer, read once and checked against the layer and against each other. */
import { type AttentionArguments, type AttentionShape, readSettings } from '../attention/arguments.js';
import { checkScore } from '../attention/score.js';
import { readSelection } from '../attention/scoring.js';
import { denseSequences, readKeyLengths, readLengths } from '../attention/sequences.js';
import { isCache } from '../attention/sources.js';
import type { Backend } from '../backends/backend.js';
import { expectLength, expectRank } from '../checks/lists.js';
import { expectPlace, expectReach } from '../checks/location.js';
import type { OptionValues } from '../checks/options.js';
import { type OutArgument, readOut } from '../checks/out.js';
import { expectType, readTensor, type TensorArgument } from '../checks/tensor.js';
import { invalid } from '../checks/values.js';
import { HeedError } from '../errors.js';
import { KeyValueCache } from '../key-value-cache/key-value-cache.js';
import type { CacheState } from '../key-value-cache/state.js';
import type { Angles } from '../rotary/angles.js';
import type { FloatType } from '../tensor/types.js';
import type { LayerOptions } from './options.js';
import { readPositions } from './positions.js';
import type { RelativeBias } from './relative-bias.js';
import { type LayerShape, layerNames } from './shape.js';

export const callOptionNames = [
  'context',
  'cache',
  'mask',
  'lengths',
  'kvLengths',
  'positions',
  'select',
  'out',
  'signal',
] as const;

/** The properties of the layer that a call needs. */
export interface Layer {
  readonly type: FloatType;
  readonly shape: LayerShape;
  readonly options: LayerOptions;
  readonly backend: Backend;
  /** How queries and keys rotate, if they do. */
  readonly angles: Angles | undefined;
  readonly relativeBias: RelativeBias | undefined;
}

/** A cache, how long its entries were, and how many of the new steps each gets. */
export interface CacheArgument {
  readonly state: CacheState;
  readonly lengths: readonly number[];
  readonly counts: readonly number[];
}

/** What was read, once, of a call's arguments. */
export interface CallArguments {
  readonly input: TensorArgument;
  readonly context: TensorArgument | undefined;
  readonly cache: CacheArgument | undefined;
  readonly attention: Pick<AttentionArguments, 'shape' | 'settings' | 'sequences' | 'lengths'>;
  readonly positions: readonly number[] | undefined;
  readonly out: OutArgument;
}

function readSource(value: unknown, name: string, { type, backend }: Layer): TensorArgument {
  const tensor = readTensor(value, name);
  expectType(tensor, type, "the layer's type");
  expectReach(tensor, backend.location, 'the layer');
  expectRank(tensor.dims, 3, name, 'batch, steps, embed');
  return tensor;
}

function readContext(value: unknown, input: TensorArgument, layer: Layer): TensorArgument | undefined {
  const { shape } = layer;
  if (value !== undefined) {
    const context = readSource(value, 'options.context', layer);
    expectPlace(context, input.location, input.name);
    expectLength(context.dims[0], 'options.context.dims[0]', input.dims[0], 'input.dims[0]');
    expectLength(
      context.dims[2],
      'options.context.dims[2]',
      shape.contextEmbed,
      'weights.key.weight.dims[1]',
    );
    return context;
  }
  if (shape.embed !== shape.contextEmbed) {
    throw new HeedError(
      'HEED_INVALID_ARGUMENT',
      `Expected options.context to be given, since keys are projected from width ${shape.contextEmbed} and queries from ${shape.embed}, received undefined`,
    );
  }
  return undefined;
}

interface NewSteps {
  readonly batch: number;
  readonly steps: number;
  /** How many of them count, for each entry. */
  readonly counts: readonly number[] | undefined;
}

function readCache(
  value: unknown,
  { batch, steps, counts }: NewSteps,
  context: TensorArgument | undefined,
  { shape, backend }: Layer,
): CacheArgument | undefined {
  if (value === undefined) return undefined;
  if (!isCache(value)) throw invalid('options.cache', 'a KeyValueCache', value);
  if (context !== undefined)
    throw invalid('options.context', 'left out with options.cache, whose keys come from the input', context);
  const state = KeyValueCache.stateOf(value);
  const { lengths } = state;
  const { heads, width, valueWidth } = state.pool.form;
  expectPlace({ name: 'options.cache', location: state.pool.location }, backend.location, 'the layer');
  expectLength(lengths.length, 'options.cache.batch', batch, 'input.dims[0]');
  expectLength(heads, 'options.cache.heads', shape.keyValueHeads, layerNames.keyHeads);
  expectLength(width, 'options.cache.width', shape.keyWidth, layerNames.keyWidth);
  expectLength(valueWidth, 'options.cache.valueWidth', shape.valueWidth, layerNames.valueWidth);
  return { state, lengths: [...lengths], counts: counts ?? new Array<number>(batch).fill(steps) };
}

/** The cache's, with the new steps. */
function allLengths({ lengths, counts }: CacheArgument): number[] {
  return lengths.map((length, entry) => length + counts[entry]);
}

function longest(lengths: readonly number[]): number {
  return lengths.reduce((most, length) => Math.max(most, length), 0);
}

export function readCall(
  inputValue: unknown,
  values: OptionValues<(typeof callOptionNames)[number]>,
  layer: Layer,
): CallArguments {
  const { type, shape, options, backend, angles } = layer;
  const input = readSource(inputValue, 'input', layer);
  expectLength(input.dims[2], 'input.dims[2]', shape.embed, 'weights.query.weight.dims[1]');
  const context = readContext(values.context, input, layer);
  const [batch, querySteps] = input.dims;
  const newSteps = context ? context.dims[1] : querySteps;
  if (context && values.lengths !== undefined) {
    const expected = 'left out with options.context, whose valid steps are options.kvLengths';
    throw invalid('options.lengths', expected, values.lengths);
  }
  const lengths = readLengths(values, batch, () => ({ queries: querySteps, keys: querySteps }), 'the number');
  const keyLengths = readKeyLengths(values.kvLengths, 'options.kvLengths', batch, newSteps);
  const counts = lengths ?? keyLengths;
  const cache = readCache(values.cache, { batch, steps: querySteps, counts }, context, layer);
  const attentionShape: AttentionShape = {
    batch,
    queryHeads: shape.heads,
    keyHeads: shape.keyValueHeads,
    querySteps,
    keySteps: context ? context.dims[1] : cache ? longest(allLengths(cache)) : querySteps,
    width: shape.width,
    keyWidth: shape.keyWidth,
    valueWidth: shape.valueWidth,
  };
  checkScore(options.scoring.score, attentionShape, layerNames);
  const rotates = angles !== undefined;
  const positions = readPositions(values.positions, 'options.positions', {
    batch,
    steps: querySteps,
    rotates,
  });
  // In self attention queries have the positions of their keys, after those of the cache, even if some of them
  // are padding.
  const queryOffset = context ? undefined : (cache?.lengths ?? 0);
  const scoring =
    values.select === undefined
      ? options.scoring
      : { ...options.scoring, select: readSelection(values.select, 'options.select') };
  const settings = readSettings(values, scoring, input, attentionShape, backend);
  const sequences = () => denseSequences(attentionShape, cache ? allLengths(cache) : keyLengths, queryOffset);
  const outDims = [batch, querySteps, shape.out];
  const out = readOut(values.out, 'options.out', type, outDims, "the layer's type", input);
  const attention = { shape: attentionShape, settings, sequences, lengths };
  return { input, context, cache, attention, positions, out };
}
