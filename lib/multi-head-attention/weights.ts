/** The weights of a layer, packed so that a call multiplies as few and as large matrices as it can. */
import { roundedTo, type ScoreArgument, weightsOf, withWeights } from '../attention/score.js';
import type { ScoringOptions, SelectionArgument } from '../attention/scoring.js';
import { type Backend, precisionOf, type WeightElements } from '../backends/backend.js';
import { allocate, copyData } from '../checks/data.js';
import { fetchedDataOf, hostDataOf, type TensorArgument } from '../checks/tensor.js';
import { bytesOf } from '../memory/arrays.js';
import { isOnDevice } from '../memory/device.js';
import type { HeadNorm } from '../problem/problem.js';
import { joinRows, type QuantisedWeight } from '../problem/quantised-weight.js';
import { biasNumbers } from '../projection/bias.js';
import { PackedWeight } from '../projection/packed-weight.js';
import { type Quantisation, quantiseWeight } from '../projection/quantise-weight.js';
import { readElements, writeElements } from '../tensor/elements.js';
import { bytesPerElement, type FloatType, type Numbers, type TypedArray } from '../tensor/types.js';
import { isStored, type LinearArgument, type LinearArguments, type NormArgument } from './linear.js';
import type { LayerShape } from './shape.js';

/** Linear maps of the same input, end to end in one packed weight. */
export interface Product {
  readonly weight: PackedWeight;
  readonly bias: Float64Array | undefined;
}

/** One linear map: the columns of a product from `firstColumn` on. */
export interface Part {
  readonly product: Product;
  readonly firstColumn: number;
  readonly columns: number;
}

export interface LayerWeights {
  readonly query: Part;
  readonly key: Part;
  readonly value: Part;
  readonly output: Part | undefined;
  readonly queryNorm: Norm | undefined;
  readonly keyNorm: Norm | undefined;
}

/** A norm, but for its epsilon. */
export type Norm = Omit<HeadNorm, 'epsilon'>;

const chunkLength = 4096;

/** Copies a weight into a larger one, in the type of that. */
function castInto(target: TypedArray, type: FloatType, at: number, weight: TensorArgument): void {
  const source = fetchedDataOf(weight);
  if (weight.type === type) {
    bytesOf(target).set(bytesOf(source), at * bytesPerElement[type]);
    return;
  }
  const chunk = new Float64Array(chunkLength);
  for (let start = 0; start < weight.size; start += chunkLength) {
    const count = Math.min(chunkLength, weight.size - start);
    readElements(weight.type, source, start, count, chunk);
    writeElements(type, target, at + start, count, chunk);
  }
}

/** Parts without a bias get zeros where others have one. */
export function joinBiases(linears: readonly LinearArgument[], columns: number): Float64Array | undefined {
  if (linears.every(({ bias }) => bias === undefined)) return undefined;
  const joint = new Float64Array(columns);
  let at = 0;
  for (const linear of linears) {
    if (linear.bias) joint.set(biasNumbers(linear.bias, fetchedDataOf(linear.bias)), at);
    at += linear.columns;
  }
  return joint;
}

/** The rows of all of them in one weight. */
export function joinWeights(
  type: FloatType,
  quantisation: Quantisation | undefined,
  linears: readonly LinearArgument[],
): WeightElements | QuantisedWeight {
  if (quantisation !== undefined) return joinRows(linears.map((linear) => quantised(linear, quantisation)));
  const { inner } = linears[0];
  const columns = linears.reduce((sum, linear) => sum + linear.columns, 0);
  const data = allocate(type, columns * inner, 'the weights of a layer');
  let firstColumn = 0;
  for (const { weight, columns } of linears) {
    // Where nothing is to be quantised, nothing is.
    if (!isStored(weight)) castInto(data, type, firstColumn * inner, weight);
    firstColumn += columns;
  }
  return { data, type, columns, inner };
}

/** Rounded from what was given, not from the layer's type. */
function quantised(linear: LinearArgument, { type, groupSize }: Quantisation): QuantisedWeight {
  const { weight, columns, inner } = linear;
  if (isStored(weight)) return weight;
  const given = { name: weight.name, type: linear.type, data: fetchedDataOf(weight), columns, inner };
  return quantiseWeight(given, type, groupSize);
}

export function packTogether(
  backend: Backend,
  type: FloatType,
  quantisation: Quantisation | undefined,
  linears: readonly LinearArgument[],
): Part[] {
  const joint = joinWeights(type, quantisation, linears);
  const bias = joinBiases(linears, joint.columns);
  const product = { weight: PackedWeight.pack(backend, joint), bias };
  let next = 0;
  return linears.map(({ columns }) => {
    const firstColumn = next;
    next += columns;
    return { firstColumn, columns, product };
  });
}

/** @param heads those of the projection that is normalised */
function placeNorm(backend: Backend, { weight, bias, type, together }: NormArgument, heads: number): Norm {
  const place = (tensor: TensorArgument) => {
    const numbers = allocate(precisionOf(backend), tensor.size, tensor.name) as Numbers;
    readElements(tensor.type, fetchedDataOf(tensor), 0, tensor.size, numbers);
    return backend.place(numbers);
  };
  const placed = place(weight);
  try {
    return {
      heads: together ? heads : 1,
      centered: type === 'layer',
      shared: !together && weight.dims.length === 1,
      weight: placed,
      ...(bias && { bias: place(bias) }),
    };
  } catch (error) {
    if (isOnDevice(placed)) placed.release();
    throw error;
  }
}

/**
 * @param quantisation what weights are rounded to, if they are
 *
 * Query, key and value in one product when they can be projected from the same input; a call with a
 * context of its own multiplies with the part that it needs. Else key and value, and the query alone.
 */
export function packLayer(
  backend: Backend,
  type: FloatType,
  quantisation: Quantisation | undefined,
  linears: LinearArguments,
  { heads, keyValueHeads }: Pick<LayerShape, 'heads' | 'keyValueHeads'>,
): LayerWeights {
  const { query, key, value, output, queryNorm, keyNorm } = linears;
  const joint = query.inner === key.inner;
  const made: Releasable[] = [];
  const pack = (...together: LinearArgument[]): Part[] => {
    const parts = packTogether(backend, type, quantisation, together);
    made.push(parts[0]);
    return parts;
  };
  const place = (argument: NormArgument, count: number) => {
    const norm = placeNorm(backend, argument, count);
    made.push(norm);
    return norm;
  };
  try {
    const first = joint ? pack(query, key, value) : pack(key, value);
    const [queryPart, keyPart, valuePart] = joint ? first : [...pack(query), ...first];
    return {
      query: queryPart,
      key: keyPart,
      value: valuePart,
      output: output && pack(output)[0],
      queryNorm: queryNorm && place(queryNorm, heads),
      keyNorm: keyNorm && place(keyNorm, keyValueHeads),
    };
  } catch (error) {
    release(made);
    throw error;
  }
}

export function disposeLayer({ query, key, value, output, queryNorm, keyNorm }: LayerWeights): void {
  release([query, key, value, output, queryNorm, keyNorm]);
}

type Releasable = LayerWeights[keyof LayerWeights];

/** Parts of one product may come several times. */
function release(weights: readonly Releasable[]): void {
  for (const part of weights) {
    if (part === undefined) continue;
    if ('product' in part) part.product.weight.dispose();
    else for (const numbers of [part.weight, part.bias]) if (isOnDevice(numbers)) numbers.release();
  }
}

/** The score over memory of the layer's own; the positions of a location score in the type of its keys. */
function ownScore(score: ScoreArgument, type: FloatType): ScoreArgument {
  return withWeights(score, (weight) => {
    if (score.kind === 'location' && weight.type !== type) {
      return { ...weight, type, data: roundedTo(type, weight) };
    }
    return { ...weight, data: copyData(hostDataOf(weight), weight.type, weight.name) };
  });
}

/** The selection over memory of the layer's own. */
function ownSelection(select: SelectionArgument): SelectionArgument {
  if (select.kind !== 'local') return select;
  const { centers } = select;
  return {
    ...select,
    centers: { ...centers, data: copyData(hostDataOf(centers), centers.type, centers.name) },
  };
}

/** A layer keeps copies: of everything that its scoring has in tensors, too. */
export function ownScoring(scoring: ScoringOptions, type: FloatType): ScoringOptions {
  return { ...scoring, score: ownScore(scoring.score, type), select: ownSelection(scoring.select) };
}

/** The number of parameters of the score. */
export function countScoreParameters(score: ScoreArgument): number {
  return weightsOf(score).reduce((count, { size }) => count + size, 0);
}
