/** What all uses of a layer have in common: what is read of their arguments, and how. */
import type { AttentionArguments } from '../attention/arguments.js';
import { readSelection, type ScoringOptions } from '../attention/scoring.js';
import type { Backend } from '../backends/backend.js';
import { expectRank } from '../checks/lists.js';
import { expectReach } from '../checks/location.js';
import type { OutArgument } from '../checks/out.js';
import { expectType, readTensor, type TensorArgument } from '../checks/tensor.js';
import { HeedError } from '../errors.js';
import type { CacheEntries } from '../key-value-cache/entries.js';
import type { Angles } from '../rotary/angles.js';
import type { FloatType } from '../tensor/types.js';
import type { LayerOptions } from './options.js';
import type { RelativeBias } from './relative-bias.js';
import type { LayerShape } from './shape.js';

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

/** Kept keys and values, and how long their entries were. */
export interface KeptArgument {
  readonly name: string;
  readonly entries: CacheEntries;
  readonly lengths: readonly number[];
}

/** A cache, how long its entries are when the new steps come, and how many of these each entry gets. */
export interface CacheArgument extends KeptArgument {
  readonly counts: readonly number[];
  /** How many steps each entry has lost by then. */
  readonly dropped: readonly number[];
}

/** What was read, once, of a call's arguments. */
export interface CallArguments {
  readonly input: TensorArgument;
  /** The rows of the input, as products see them. */
  readonly rows: { readonly batch: number; readonly steps: number };
  /** Where each sequence starts among the rows, if they lie end to end; undefined where the batch has an axis. */
  readonly starts: readonly number[] | undefined;
  readonly context: TensorArgument | undefined;
  /** A context whose keys and values were projected before. */
  readonly kept: KeptArgument | undefined;
  readonly cache: CacheArgument | undefined;
  readonly attention: Pick<AttentionArguments, 'shape' | 'settings' | 'sequences' | 'lengths'>;
  readonly positions: readonly number[] | undefined;
  readonly out: OutArgument;
}

export function readSource(
  value: unknown,
  name: string,
  { type, backend }: Layer,
  rank = 3,
  axes = 'batch, steps, embed',
): TensorArgument {
  const tensor = readTensor(value, name);
  expectType(tensor, type, "the layer's type");
  expectReach(tensor, backend.location, 'the layer');
  expectRank(tensor.dims, rank, name, axes);
  return tensor;
}

export function expectSelfAttention({ embed, contextEmbed }: LayerShape): void {
  if (embed === contextEmbed) return;
  throw new HeedError(
    'HEED_INVALID_ARGUMENT',
    `Expected options.context to be given, since keys are projected from width ${contextEmbed} and queries from ${embed}, received undefined`,
  );
}

/** The cache's, with the new steps. */
export function allLengths({ lengths, counts }: CacheArgument): number[] {
  return lengths.map((length, entry) => length + counts[entry]);
}

export function longest(lengths: readonly number[]): number {
  return lengths.reduce((most, length) => Math.max(most, length), 0);
}

/** The layer's, with the selection of the call. */
export function readCallScoring(select: unknown, { options: { scoring } }: Layer): ScoringOptions {
  return select === undefined ? scoring : { ...scoring, select: readSelection(select, 'options.select') };
}
