/** The arguments of a call over sequences that lie end to end, each with a cache of its own or none. */
import { readSettings } from '../attention/arguments.js';
import { checkScore } from '../attention/score.js';
import { longestSequence, packedKeys, packedSequences, readStarts } from '../attention/sequences.js';
import type { AttentionShape } from '../attention/shape.js';
import { expectLength } from '../checks/lists.js';
import type { OptionValues } from '../checks/options.js';
import { readOut } from '../checks/out.js';
import { invalid } from '../checks/values.js';
import type { readCacheList } from '../key-value-cache/cache-list.js';
import type { callOptionNames } from './call-arguments.js';
import {
  allLengths,
  type CacheArgument,
  type CallArguments,
  expectSelfAttention,
  type Layer,
  longest,
  readCallScoring,
  readSource,
} from './call-parts.js';
import { readPositions } from './positions.js';
import { expectFitting, layerNames } from './shape.js';

/** The options of such calls only. */
export const packedCallOptionNames = ['queryStarts', 'caches'] as const;

/** The options of both kinds of calls. */
export type CallValues = OptionValues<
  (typeof callOptionNames)[number] | (typeof packedCallOptionNames)[number]
>;

function expectPackedOptions(values: CallValues): void {
  for (const name of ['context', 'cache', 'lengths', 'kvLengths'] as const) {
    if (values[name] === undefined) continue;
    throw invalid(`options.${name}`, 'left out with options.queryStarts', values[name]);
  }
}

/**
 * @param counts the new steps of each sequence
 * @param readList {@link readCacheList}, which knows caches
 */
function readCaches(
  value: unknown,
  counts: readonly number[],
  layer: Layer,
  readList: typeof readCacheList,
): CacheArgument | undefined {
  if (value === undefined) return undefined;
  const name = 'options.caches';
  const entries = readList(value, name);
  const sequences = 'the number of sequences in options.queryStarts';
  expectLength(entries?.lengths.length ?? 0, `the length of ${name}`, counts.length, sequences);
  if (entries === undefined) return undefined;
  expectFitting(entries, `${name}[0]`, layer);
  return { name, entries, ...entries.whenAppended(counts), counts };
}

export function readPackedCall(
  inputValue: unknown,
  values: CallValues,
  layer: Layer,
  readList: typeof readCacheList,
): CallArguments {
  const { type, shape, options, backend, angles } = layer;
  expectPackedOptions(values);
  const input = readSource(inputValue, 'input', layer, 2, 'tokens, embed');
  expectLength(input.dims[1], 'input.dims[1]', shape.embed, 'weights.query.weight.dims[1]');
  expectSelfAttention(shape);
  const [tokens] = input.dims;
  const starts = readStarts(values.queryStarts, 'options.queryStarts', tokens, 'input.dims[0]');
  const counts = packedKeys(starts).map(({ steps }) => steps);
  const cache = readCaches(values.caches, counts, layer, readList);
  const keys = cache ? allLengths(cache).map((steps) => ({ start: 0, steps })) : packedKeys(starts);
  const attentionShape: AttentionShape = {
    batch: counts.length,
    queryHeads: shape.heads,
    keyHeads: shape.keyValueHeads,
    querySteps: longestSequence(starts),
    keySteps: longest(keys.map(({ steps }) => steps)),
    width: shape.width,
    keyWidth: shape.keyWidth,
    valueWidth: shape.valueWidth,
  };
  checkScore(options.scoring.score, attentionShape, layerNames);
  const rows = { batch: 1, steps: tokens };
  const rotates = angles !== undefined;
  const positions = readPositions(values.positions, 'options.positions', { ...rows, rotates });
  const scoring = readCallScoring(values.select, layer);
  const settings = readSettings(values, scoring, input, attentionShape, backend);
  // Queries have the positions of their keys, after those of their cache.
  const sequences = () => packedSequences(starts, keys, cache?.lengths ?? 0);
  const out = readOut(values.out, 'options.out', type, [tokens, shape.out], "the layer's type", input);
  const attention = { shape: attentionShape, settings, sequences };
  return { input, rows, starts, context: undefined, kept: undefined, cache, attention, positions, out };
}
