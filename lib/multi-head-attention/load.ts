/** The linear maps of a layer from a safetensors file, whatever its tensors are called. */
import { allocate } from '../checks/data.js';
import { describeDims, invalid } from '../checks/values.js';
import { HeedError } from '../errors.js';
import { listNames } from '../safetensors/paths.js';
import { open, type SafetensorsFile } from '../safetensors.js';
import { Tensor } from '../tensor/tensor.js';
import { type Convention, conventions, type FusedPart, type Place } from './checkpoint-conventions.js';
import type { HeadNormWeights, Linear, MultiHeadAttentionWeights } from './linear.js';

/** The part of a file that a layer is in. */
interface Checkpoint {
  readonly file: SafetensorsFile;
  readonly prefix: string;
  /** The names that begin with the prefix, without it. */
  readonly names: ReadonlySet<string>;
}

export async function loadWeights(
  path: string | URL,
  prefixOption: unknown,
  heads: Heads,
): Promise<MultiHeadAttentionWeights> {
  if (prefixOption !== undefined && typeof prefixOption !== 'string') {
    throw invalid('options.prefix', 'a string', prefixOption);
  }
  const prefix = prefixOption ?? '';
  const file = await open(path);
  try {
    const under = file.names.filter((name) => name.startsWith(prefix));
    const checkpoint = { file, prefix, names: new Set(under.map((name) => name.slice(prefix.length))) };
    const convention = recognise(checkpoint);
    expectComplete(checkpoint, convention);
    expectExplained(checkpoint, convention);
    return await readWeights(checkpoint, convention, heads);
  } finally {
    await file.close();
  }
}

function placesOf({ query, key, value, output }: Convention): Place[] {
  return [query, key, value, output];
}

function namesIn(convention: Convention): Set<string> {
  const { queryNorm, keyNorm } = convention;
  const norms = [queryNorm, keyNorm].filter((name) => name !== undefined);
  return new Set([...placesOf(convention).flatMap(({ weight, bias }) => [weight, bias]), ...norms]);
}

function unknownTensor(checkpoint: Checkpoint, problem: string): HeedError {
  return new HeedError('HEED_UNKNOWN_TENSOR', `Expected ${checkpoint.file.path} to hold ${problem}`);
}

/** The names with the prefix, or all names if there are none. */
function listFound({ file, prefix, names }: Checkpoint): string {
  return listNames(names.size > 0 ? [...names].map((name) => prefix + name) : file.names);
}

/** The convention that matches the most names. */
function recognise(checkpoint: Checkpoint): Convention {
  let best: Convention | undefined;
  let most = 0;
  for (const convention of conventions) {
    const explained = [...namesIn(convention)].filter((name) => checkpoint.names.has(name)).length;
    if (explained > most) {
      best = convention;
      most = explained;
    }
  }
  if (best === undefined) {
    const known = conventions.map(({ name, query }) => `"${checkpoint.prefix}${query.weight}" (${name})`);
    throw unknownTensor(checkpoint, `one of ${known.join(', ')}, found ${listFound(checkpoint)}`);
  }
  return best;
}

function expectComplete(checkpoint: Checkpoint, convention: Convention): void {
  const { names, prefix } = checkpoint;
  for (const place of placesOf(convention)) {
    const optional = convention.outputOptional && place === convention.output && !names.has(place.bias);
    if (optional || names.has(place.weight)) continue;
    throw unknownTensor(
      checkpoint,
      `"${prefix}${place.weight}", in the naming of ${convention.name}, found ${listFound(checkpoint)}`,
    );
  }
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

async function readWeights(
  checkpoint: Checkpoint,
  convention: Convention,
  heads: Heads,
): Promise<MultiHeadAttentionWeights> {
  const tensors = new Map<string, Tensor>();
  for (const { weight, bias } of placesOf(convention)) {
    await readOnce(tensors, checkpoint, weight, convention.transposed ? transpose : undefined);
    await readOnce(tensors, checkpoint, bias);
  }
  const { query, key, value, output } = convention;
  const linear = (place: Place) => linearAt(place, tensors, heads);
  const queryNorm = await readNorm(checkpoint, convention.queryNorm);
  const keyNorm = await readNorm(checkpoint, convention.keyNorm);
  return {
    query: linear(query),
    key: linear(key),
    value: linear(value),
    ...(tensors.has(output.weight) && { output: linear(output) }),
    ...(queryNorm && { queryNorm }),
    ...(keyNorm && { keyNorm }),
  };
}

async function readOnce(
  tensors: Map<string, Tensor>,
  { file, prefix, names }: Checkpoint,
  name: string,
  change = (tensor: Tensor, _name: string) => tensor,
): Promise<void> {
  if (tensors.has(name) || !names.has(name)) return;
  tensors.set(name, change(await file.read(prefix + name), name));
}

async function readNorm(
  { file, prefix, names }: Checkpoint,
  name: string | undefined,
): Promise<HeadNormWeights | undefined> {
  return name !== undefined && names.has(name) ? { weight: await file.read(prefix + name) } : undefined;
}

function linearAt(place: Place, tensors: ReadonlyMap<string, Tensor>, heads: Heads): Linear {
  const bias = tensors.get(place.bias);
  return {
    weight: partOf(tensors.get(place.weight) as Tensor, place.weightPart, heads, place.weight),
    ...(bias && { bias: partOf(bias, place.biasPart, heads, place.bias) }),
  };
}

function partOf(tensor: Tensor, part: FusedPart | undefined, heads: Heads, name: string): Tensor {
  return part === undefined ? tensor : rowsOfPart(tensor, part, heads, name);
}

/** The number of heads of the rows. */
export interface Heads {
  readonly heads: number;
  readonly keyValueHeads: number;
}

/** Rows of query, key or value, sharing memory: as many for each head, one part after the other. */
function rowsOfPart(tensor: Tensor, part: FusedPart, { heads, keyValueHeads }: Heads, name: string): Tensor {
  const [rows, ...rest] = tensor.dims;
  const all = heads + 2 * keyValueHeads;
  if (rows === undefined || rows % all !== 0) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected ${name} to hold query, key and value of equal width for ${heads} + ${keyValueHeads} + ${keyValueHeads} heads, received dims ${describeDims(tensor.dims)}`,
    );
  }
  const [before, count] = {
    query: [0, heads],
    key: [heads, keyValueHeads],
    value: [heads + keyValueHeads, keyValueHeads],
  }[part];
  const size = tensor.size / all;
  const data = tensor.data.subarray(before * size, (before + count) * size);
  return new Tensor(tensor.type, data, [(rows / all) * count, ...rest]);
}

/** [in, out] → [out, in] */
function transpose(tensor: Tensor, name: string): Tensor {
  if (tensor.dims.length !== 2) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected ${name} to have 2 axes, [in, out], received dims ${describeDims(tensor.dims)}`,
    );
  }
  const [rows, columns] = tensor.dims;
  const from = tensor.data;
  const to = allocate(tensor.type, tensor.size, name);
  for (let column = 0; column < columns; column++) {
    for (let row = 0; row < rows; row++) to[column * rows + row] = from[row * columns + column];
  }
  return new Tensor(tensor.type, to, [columns, rows]);
}
