/** The arguments of one use of a layer on a batch, read once and checked against the layer and against each other. */
import { readSettings } from '../attention/arguments.js';
import { checkScore } from '../attention/score.js';
import { denseSequences, readCachedLengths, readKeyLengths, readLengths } from '../attention/sequences.js';
import type { AttentionShape } from '../attention/shape.js';
import { expectLength } from '../checks/lists.js';
import { expectPlace } from '../checks/location.js';
import type { OptionValues } from '../checks/options.js';
import { readOut } from '../checks/out.js';
import type { TensorArgument } from '../checks/tensor.js';
import { choiceOption, invalid, signalOption } from '../checks/values.js';
import { HeedError } from '../errors.js';
import { mostEntries, mostSteps } from '../key-value-cache/arguments.js';
import { CacheEntries } from '../key-value-cache/entries.js';
import { KeyValueCache } from '../key-value-cache/key-value-cache.js';
import { type CacheType, cacheTypes } from '../key-value-cache/slabs.js';
import type { Angles } from '../rotary/angles.js';
import {
  allLengths,
  type CacheArgument,
  type CallArguments,
  expectSelfAttention,
  type KeptArgument,
  type Layer,
  longest,
  readCallScoring,
  readSource,
} from './call-parts.js';
import { readPositions } from './positions.js';
import { expectFitting, layerNames } from './shape.js';

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

function readContext(value: unknown, name: string, layer: Layer): TensorArgument {
  const context = readSource(value, name, layer);
  const { contextEmbed } = layer.shape;
  expectLength(context.dims[2], `${name}.dims[2]`, contextEmbed, 'weights.key.weight.dims[1]');
  return context;
}

function readOwnContext(value: unknown, input: TensorArgument, layer: Layer): TensorArgument {
  const context = readContext(value, 'options.context', layer);
  expectPlace(context, input.location, input.name);
  expectLength(context.dims[0], 'options.context.dims[0]', input.dims[0], 'input.dims[0]');
  return context;
}

interface NewSteps {
  readonly batch: number;
  readonly steps: number;
  /** How many of them count, for each entry. */
  readonly counts: readonly number[] | undefined;
}

function readKept(cache: KeyValueCache, name: string, batch: number, layer: Layer): KeptArgument {
  const entries = CacheEntries.of(KeyValueCache.stateOf(cache));
  const { lengths } = entries;
  expectLength(lengths.length, `${name}.batch`, batch, 'input.dims[0]');
  expectFitting(entries, name, layer);
  return { name, entries, lengths };
}

function readCache(
  value: unknown,
  { batch, steps, counts }: NewSteps,
  context: unknown,
  layer: Layer,
): CacheArgument | undefined {
  if (value === undefined) return undefined;
  if (!(value instanceof KeyValueCache)) throw invalid('options.cache', 'a KeyValueCache', value);
  if (context !== undefined)
    throw invalid('options.context', 'left out with options.cache, whose keys come from the input', context);
  const { name, entries } = readKept(value, 'options.cache', batch, layer);
  const given = counts ?? new Array<number>(batch).fill(steps);
  return { name, entries, ...entries.whenAppended(given), counts: given };
}

/** Of keys and values that were turned for the lengths that they had: fewer would turn in another way. */
function readKeptLengths(value: unknown, { lengths }: KeptArgument, angles: Angles | undefined) {
  if (value !== undefined && angles?.dependsOnLength) {
    throw invalid(
      'options.kvLengths',
      'left out with a kept context whose keys turn by its lengths (dynamic or LongRoPE scaling): projectContext takes kvLengths',
      value,
    );
  }
  return readCachedLengths(value, 'options.kvLengths', lengths);
}

export function readCall(
  inputValue: unknown,
  values: OptionValues<(typeof callOptionNames)[number]>,
  layer: Layer,
): CallArguments {
  const { type, shape, options, backend, angles } = layer;
  const input = readSource(inputValue, 'input', layer);
  expectLength(input.dims[2], 'input.dims[2]', shape.embed, 'weights.query.weight.dims[1]');
  const [batch, querySteps] = input.dims;
  const kept =
    values.context instanceof KeyValueCache
      ? readKept(values.context, 'options.context', batch, layer)
      : undefined;
  const context =
    kept || values.context === undefined ? undefined : readOwnContext(values.context, input, layer);
  const crossed = kept !== undefined || context !== undefined;
  if (!crossed) expectSelfAttention(shape);
  if (crossed && values.lengths !== undefined) {
    const expected = 'left out with options.context, whose valid steps are options.kvLengths';
    throw invalid('options.lengths', expected, values.lengths);
  }
  const lengths = readLengths(values, batch, () => ({ queries: querySteps, keys: querySteps }), 'the number');
  const keyLengths = kept
    ? readKeptLengths(values.kvLengths, kept, angles)
    : readKeyLengths(values.kvLengths, 'options.kvLengths', batch, context ? context.dims[1] : querySteps);
  const newSteps = { batch, steps: querySteps, counts: lengths ?? keyLengths };
  const cache = readCache(values.cache, newSteps, values.context, layer);
  const attentionShape: AttentionShape = {
    batch,
    queryHeads: shape.heads,
    keyHeads: shape.keyValueHeads,
    querySteps,
    keySteps: context
      ? context.dims[1]
      : kept
        ? longest(kept.lengths)
        : cache
          ? longest(allLengths(cache))
          : querySteps,
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
  const queryOffset = crossed ? undefined : (cache?.lengths ?? 0);
  const scoring = readCallScoring(values.select, layer);
  const settings = readSettings(values, scoring, input, attentionShape, backend);
  const sequences = () => denseSequences(attentionShape, cache ? allLengths(cache) : keyLengths, queryOffset);
  const outDims = [batch, querySteps, shape.out];
  const out = readOut(values.out, 'options.out', type, outDims, "the layer's type", input);
  const attention = { shape: attentionShape, settings, sequences, lengths };
  const rows = { batch, steps: querySteps };
  return { input, rows, starts: undefined, context, kept, cache, attention, positions, out };
}

export const contextOptionNames = ['kvLengths', 'type', 'signal'] as const;

/** What was read, once, of a context whose keys and values are to be kept. */
export interface ContextArguments {
  readonly context: TensorArgument;
  /** How many of its steps count, for each batch entry. */
  readonly lengths: readonly number[];
  readonly type: CacheType;
  readonly signal: AbortSignal | undefined;
}

function tooLong(name: string, most: number, length: number): HeedError {
  return new HeedError('HEED_INVALID_DIMS', `Expected ${name} to be at most ${most}, received ${length}`);
}

export function readContextCall(
  contextValue: unknown,
  values: OptionValues<(typeof contextOptionNames)[number]>,
  layer: Layer,
): ContextArguments {
  const context = readContext(contextValue, 'context', layer);
  const [batch, steps] = context.dims;
  // A context of no width may claim any length.
  for (const [axis, most] of [mostEntries, mostSteps].entries()) {
    if (context.dims[axis] > most) throw tooLong(`context.dims[${axis}]`, most, context.dims[axis]);
  }
  const lengths = readKeyLengths(values.kvLengths, 'options.kvLengths', batch, steps);
  const own = layer.type === 'float64' ? 'float32' : layer.type;
  return {
    context,
    lengths: lengths ?? new Array<number>(batch).fill(steps),
    type: choiceOption(values.type, 'options.type', cacheTypes, own),
    signal: signalOption(values.signal, 'options.signal'),
  };
}
