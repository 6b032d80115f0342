/** A layer from a safetensors file, whatever its tensors are called. */
import { allocate } from '../checks/data.js';
import { expectDims, sizeOf } from '../checks/lists.js';
import { choiceOption, describe, describeDims, invalid, isInstance, listChoices } from '../checks/values.js';
import { HeedError } from '../errors.js';
import { bytesOf } from '../memory/arrays.js';
import { type RowRun, takeRows } from '../problem/quantised-weight.js';
import { StoredWeight } from '../projection/stored-weight.js';
import { readWeight, type StoredForm, scaleName, storedForms } from '../projection/weight-file.js';
import { listNames } from '../safetensors/paths.js';
import { open, type SafetensorsFile } from '../safetensors.js';
import { Tensor } from '../tensor/tensor.js';
import { transpose } from '../tensor/transpose.js';
import { bytesPerElement, isFloatType } from '../tensor/types.js';
import {
  type Convention,
  checkpointNamings,
  conventions,
  type FusedPart,
  type NormPlace,
  type NormPlaces,
  type Place,
} from './checkpoint-conventions.js';
import type { HeadNormWeights, Linear, MultiHeadAttentionWeights } from './linear.js';
import type { ModelConfig } from './model-config.js';
import type { LayerOptions, MultiHeadAttentionOptions } from './options.js';

/** The part of a file that a layer is in. */
interface Checkpoint {
  readonly file: SafetensorsFile;
  /** Of its quantised weights, whose scales are not among the names. */
  readonly forms: ReadonlyMap<string, StoredForm>;
  readonly prefix: string;
  /** The names that begin with the prefix, without it. */
  readonly names: ReadonlySet<string>;
}

/** Which layer of a file to read, and what is known of its naming. */
export interface LayerChoice {
  readonly prefix: string;
  /** Undefined if the tensors are to tell. */
  readonly naming: string | undefined;
}

/** Checks the options that concern the file, before it is opened. */
export function readLayerChoice(prefix: unknown, naming: unknown): LayerChoice {
  if (prefix !== undefined && typeof prefix !== 'string') throw invalid('options.prefix', 'a string', prefix);
  return {
    prefix: prefix ?? '',
    naming:
      naming === undefined ? undefined : choiceOption(naming, 'options.naming', checkpointNamings, 'heed'),
  };
}

/** The weights of a layer, and the options that its tensors determine. */
export interface LoadedLayer {
  readonly weights: MultiHeadAttentionWeights;
  readonly options: Partial<MultiHeadAttentionOptions>;
}

/** What config.json says beyond options. */
export type KnownOfModel = Partial<Pick<ModelConfig, 'modelType' | 'relativeBias'>>;

/** The options that reading depends on. */
export type KnownOfLayer = Pick<LayerOptions, 'heads' | 'keyValueHeads' | 'relativeBias'>;

export async function loadLayer(
  path: string | URL,
  { prefix, naming }: LayerChoice,
  known: KnownOfModel,
  layer: KnownOfLayer,
): Promise<LoadedLayer> {
  const file = await open(path);
  try {
    const forms = storedForms(file);
    const scales = new Set([...forms.keys()].map(scaleName));
    const under = file.names.filter((name) => name.startsWith(prefix) && !scales.has(name));
    const names = new Set(under.map((name) => name.slice(prefix.length)));
    const checkpoint = { file, forms, prefix, names };
    const convention =
      conventions.find(({ name }) => name === naming) ?? recognise(checkpoint, known.modelType);
    expectComplete(checkpoint, convention);
    expectExplained(checkpoint, convention);
    return await readLayer(checkpoint, convention, known, layer);
  } finally {
    await file.close();
  }
}

function placesOf({ query, key, value, output }: Convention): Place[] {
  return [query, key, value, output];
}

function normNames({ weight, bias }: NormPlace): string[] {
  return bias === undefined ? [weight] : [weight, bias];
}

function namesIn(convention: Convention): Set<string> {
  const { norms, sinks, relativeBias } = convention;
  return new Set([
    ...placesOf(convention).flatMap(({ weight, bias }) => [weight, bias]),
    ...(norms ? [...normNames(norms.query), ...normNames(norms.key)] : []),
    ...[sinks, relativeBias].filter((name) => name !== undefined),
  ]);
}

function unknownTensor(checkpoint: Checkpoint, problem: string): HeedError {
  return new HeedError('HEED_UNKNOWN_TENSOR', `Expected ${checkpoint.file.path} to hold ${problem}`);
}

/** The names with the prefix, or all names if there are none. */
function listFound({ file, prefix, names }: Checkpoint): string {
  return listNames(names.size > 0 ? [...names].map((name) => prefix + name) : file.names);
}

/** The convention that matches the most names: of several, one of which nothing is missing. */
function recognise(checkpoint: Checkpoint, modelType: unknown): Convention {
  const { names, prefix } = checkpoint;
  const matches = conventions.map(
    (convention) => [...namesIn(convention)].filter((name) => names.has(name)).length,
  );
  const most = Math.max(...matches);
  if (most === 0) {
    const firsts = conventions.filter(
      ({ query }, i) => conventions.findIndex((other) => other.query.weight === query.weight) === i,
    );
    const listed = firsts.map(({ name, query }) => `"${prefix}${query.weight}" (${name})`);
    throw unknownTensor(checkpoint, `one of ${listed.join(', ')}, found ${listFound(checkpoint)}`);
  }
  const best = conventions.filter((_, i) => matches[i] === most);
  const complete = best.filter((convention) => missingFrom(checkpoint, convention) === undefined);
  return complete.length > 0 ? oneOf(complete, modelType) : best[0];
}

/** Of conventions with the same names, that of the model, or the one that needs no model to be known. */
function oneOf(candidates: readonly Convention[], modelType: unknown): Convention {
  const own = candidates.find(({ modelTypes }) => modelTypes?.some((type) => type === modelType));
  const usual = candidates.find(({ modelTypes }) => modelTypes === undefined);
  const found = own ?? usual;
  if (found) return found;
  const choices = listChoices(candidates.map(({ name }) => name));
  throw new HeedError(
    'HEED_INVALID_ARGUMENT',
    `Expected options.naming to be one of ${choices}, which give their tensors the same names but order the rows of ${candidates[0].query.weight} differently, received undefined${modelType === undefined ? '' : ` and the model_type ${describe(modelType)}`}`,
  );
}

/** A tensor that the convention needs and the checkpoint lacks. */
function missingFrom({ names }: Checkpoint, convention: Convention): string | undefined {
  const { norms, output, sinks } = convention;
  const needed = placesOf(convention)
    .filter((place) => !(convention.outputOptional && place === output && !names.has(place.bias)))
    .map(({ weight }) => weight);
  if (sinks !== undefined) needed.push(sinks);
  if (norms) {
    const parts = [norms.query, norms.key];
    const present = parts.filter((norm) => normNames(norm).some((name) => names.has(name)));
    const both = norms.independent || present.length === 0 ? present : parts;
    needed.push(...both.map(({ weight }) => weight));
  }
  return needed.find((name) => !names.has(name));
}

function expectComplete(checkpoint: Checkpoint, convention: Convention): void {
  const missing = missingFrom(checkpoint, convention);
  if (missing === undefined) return;
  throw unknownTensor(
    checkpoint,
    `"${checkpoint.prefix}${missing}", in the naming of ${convention.name}, found ${listFound(checkpoint)}`,
  );
}

/** A tensor that is not read might have changed the result. */
function expectExplained(checkpoint: Checkpoint, convention: Convention): void {
  const { names, prefix } = checkpoint;
  const known = namesIn(convention);
  const unexplained = [...names].filter(
    (name) => name.startsWith(convention.scope) && !known.has(name) && !convention.ignored.includes(name),
  );
  if (unexplained.length === 0) return;
  const expected = listNames([...known].map((name) => prefix + name));
  const found = listNames(unexplained.map((name) => prefix + name));
  throw unknownTensor(
    checkpoint,
    `no more than ${expected}, in the naming of ${convention.name}, found also ${found}`,
  );
}

async function readLayer(
  checkpoint: Checkpoint,
  convention: Convention,
  known: KnownOfModel,
  layer: KnownOfLayer,
): Promise<LoadedLayer> {
  const tensors = new Map<string, Tensor | StoredWeight>();
  for (const { weight, bias } of placesOf(convention)) {
    await readOnce(tensors, checkpoint, weight, convention.transposed ? transpose : undefined);
    await readOnce(tensors, checkpoint, bias);
  }
  const { query, key, value, output, norms } = convention;
  const rowsOf = convention.blocks ? rowsInBlocks : rowsEndToEnd;
  const linear = (place: Place) => linearAt(place, tensors, layer, rowsOf);
  const linears = { query: linear(query), key: linear(key), value: linear(value) };
  const normWeights = norms && (await readNorms(checkpoint, convention, norms, linears));
  return {
    weights: {
      ...linears,
      ...(tensors.has(output.weight) && { output: linear(output) }),
      ...normWeights,
    },
    options: await optionsOf(checkpoint, convention, known, layer),
  };
}

async function optionsOf(
  checkpoint: Checkpoint,
  { name, sinks, relativeBias, scale }: Convention,
  known: KnownOfModel,
  layer: KnownOfLayer,
): Promise<Partial<MultiHeadAttentionOptions>> {
  const options: Partial<MultiHeadAttentionOptions> = {};
  if (scale !== undefined) options.scale = scale;
  if (sinks !== undefined) options.sinks = await readSinks(checkpoint, sinks, layer);
  if (relativeBias !== undefined && layer.relativeBias === undefined) {
    const weight = await readRelativeBias(checkpoint, relativeBias, name);
    const { buckets, maxDistance } = known.relativeBias ?? {};
    if (buckets !== undefined) expectDims(weight.dims, relativeBias, [buckets, layer.heads]);
    options.relativeBias = { weight, ...(maxDistance !== undefined && { maxDistance }) };
  }
  return options;
}

/** The layer's own, or that of the first block of its stack. */
async function readRelativeBias(checkpoint: Checkpoint, name: string, naming: string): Promise<Tensor> {
  const { file, prefix, names } = checkpoint;
  if (names.has(name)) return await file.read(prefix + name);
  const first = prefix.replace(/(^|\.)block\.\d+\./, '$1block.0.') + name;
  if (file.tensors.has(first)) return await file.read(first);
  throw unknownTensor(
    checkpoint,
    `"${first}", in the naming of ${naming}, unless options.relativeBias is given, found ${listFound(checkpoint)}`,
  );
}

async function readOnce(
  tensors: Map<string, Tensor | StoredWeight>,
  { file, forms, prefix, names }: Checkpoint,
  name: string,
  change = (tensor: Tensor, _name: string) => tensor,
): Promise<void> {
  if (tensors.has(name) || !names.has(name)) return;
  const read = await readWeight(file, forms, prefix + name);
  // Quantised weights are [out, in], whatever they were.
  tensors.set(name, isInstance(read, StoredWeight) ? read : change(read, name));
}

async function readNorms(
  checkpoint: Checkpoint,
  convention: Convention,
  { query, key, ...kind }: NormPlaces,
  linears: Pick<MultiHeadAttentionWeights, 'query' | 'key'>,
): Promise<Pick<MultiHeadAttentionWeights, 'queryNorm' | 'keyNorm'>> {
  const queryNorm = await readNorm(checkpoint, convention, query, kind);
  const keyNorm = await readNorm(checkpoint, convention, key, kind);
  // As wide as all heads: the two kinds have the same names.
  const together =
    (queryNorm === undefined || isAsWide(queryNorm, linears.query)) &&
    (keyNorm === undefined || isAsWide(keyNorm, linears.key));
  const norm = (weights: HeadNormWeights) => (together ? { ...weights, together } : weights);
  return {
    ...(queryNorm && { queryNorm: norm(queryNorm) }),
    ...(keyNorm && { keyNorm: norm(keyNorm) }),
  };
}

function isAsWide({ weight: { dims } }: HeadNormWeights, { weight }: Linear): boolean {
  return dims.length === 1 && dims[0] === weight.dims[0];
}

async function readNorm(
  { file, prefix, names }: Checkpoint,
  { name }: Convention,
  { weight, bias }: NormPlace,
  { type, offset }: Pick<NormPlaces, 'type' | 'offset'>,
): Promise<HeadNormWeights | undefined> {
  if (!names.has(weight)) return undefined;
  const read = await file.read(prefix + weight);
  if (type === 'rms' && read.dims.length > 1) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected ${prefix}${weight} to have 1 axis, in the naming of ${name}, received dims ${describeDims(read.dims)}; that of Command R+ is options.naming 'Cohere'`,
    );
  }
  return {
    weight: offset === undefined ? read : shifted(read, offset, prefix + weight),
    ...(bias !== undefined && names.has(bias) && { bias: await file.read(prefix + bias) }),
    ...(type === 'layer' && { type }),
  };
}

async function readSinks(
  { file, prefix }: Checkpoint,
  name: string,
  { heads }: Heads,
): Promise<Float64Array> {
  const sinks = await file.read(prefix + name);
  expectDims(sinks.dims, prefix + name, [heads]);
  return numbersOf(sinks, prefix + name);
}

function numbersOf(tensor: Tensor, name: string): Float64Array {
  if (isFloatType(tensor.type)) return tensor.cast('float64').data as Float64Array;
  throw new HeedError(
    'HEED_UNSUPPORTED_TYPE',
    `Expected ${name}.type to be a floating-point type, received '${tensor.type}'`,
  );
}

/** With a number added to each element, in a type that is wide enough for the sum. */
function shifted(tensor: Tensor, offset: number, name: string): Tensor {
  return new Tensor(
    numbersOf(tensor, name).map((element) => element + offset),
    tensor.dims,
  );
}

/** @param rows of one head */
type RowsOf = (rows: number, part: FusedPart, heads: Heads) => RowRun[];

function linearAt(
  { weight, bias, weightPart, biasPart }: Place,
  tensors: ReadonlyMap<string, Tensor | StoredWeight>,
  heads: Heads,
  rowsOf: RowsOf,
): Linear {
  // The constructor knows quantised weights, which TypeScript's callers of it need not.
  const partOf = (tensor: Tensor | StoredWeight, part: FusedPart | undefined, name: string) =>
    (part === undefined
      ? tensor
      : takeRuns(tensor, rowsOf(rowsPerHead(tensor, heads, name), part, heads), name)) as Tensor;
  const biasTensor = tensors.get(bias);
  return {
    weight: partOf(tensors.get(weight) as Tensor | StoredWeight, weightPart, weight),
    ...(biasTensor && { bias: partOf(biasTensor, biasPart, bias) }),
  };
}

/** The number of heads of the rows. */
type Heads = Pick<LayerOptions, 'heads' | 'keyValueHeads'>;

/** The number of rows of one head: queries, keys and values have equal widths. */
function rowsPerHead({ dims }: Tensor | StoredWeight, { heads, keyValueHeads }: Heads, name: string): number {
  const [rows] = dims;
  const all = heads + 2 * keyValueHeads;
  if (rows === undefined || rows % all !== 0) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected ${name} to hold query, key and value of equal width for ${heads} + ${keyValueHeads} + ${keyValueHeads} heads, received dims ${describeDims(dims)}`,
    );
  }
  return rows / all;
}

/** The rows of query, key or value: first come those of all queries, then all keys, then all values. */
function rowsEndToEnd(rows: number, part: FusedPart, { heads, keyValueHeads }: Heads): RowRun[] {
  const [before, count] = {
    query: [0, heads],
    key: [heads, keyValueHeads],
    value: [heads + keyValueHeads, keyValueHeads],
  }[part];
  return [{ first: before * rows, count: count * rows }];
}

/** The same from the block of each key head: the queries that share it, the key, the value. */
function rowsInBlocks(rows: number, part: FusedPart, { heads, keyValueHeads }: Heads): RowRun[] {
  const queries = heads / keyValueHeads;
  const [before, count] = { query: [0, queries], key: [queries, 1], value: [queries + 1, 1] }[part];
  return Array.from({ length: keyValueHeads }, (_, block) => ({
    first: (block * (queries + 2) + before) * rows,
    count: count * rows,
  }));
}

/** Rows of a weight or a bias; those of a tensor share its memory where they lie in one run. */
export function takeRuns(
  source: Tensor | StoredWeight,
  runs: readonly RowRun[],
  name: string,
): Tensor | StoredWeight {
  if (isInstance(source, StoredWeight)) return new StoredWeight(takeRows(source.weight, runs), source.was);
  const { type, dims } = source;
  const size = sizeOf(dims.slice(1));
  const count = runs.reduce((sum, run) => sum + run.count, 0);
  const [run] = runs;
  if (runs.length === 1) {
    const data = source.data.subarray(run.first * size, (run.first + count) * size);
    return new Tensor(type, data, [count, ...dims.slice(1)]);
  }
  const data = allocate(type, count * size, name);
  const bytes = size * bytesPerElement[type];
  let row = 0;
  for (const { first, count: rows } of runs) {
    bytesOf(data).set(bytesOf(source.data).subarray(first * bytes, (first + rows) * bytes), row * bytes);
    row += rows;
  }
  return new Tensor(type, data, [count, ...dims.slice(1)]);
}
