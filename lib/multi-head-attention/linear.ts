/** Linear maps among the arguments of a layer. */
import { expectDims, expectRank } from '../checks/lists.js';
import { expectReach } from '../checks/location.js';
import { readOptions } from '../checks/options.js';
import { expectFloat, readTensor, type TensorArgument } from '../checks/tensor.js';
import { booleanOption, choiceOption, isInstance } from '../checks/values.js';
import { HeedError } from '../errors.js';
import type { QuantisedType, QuantisedWeight } from '../problem/quantised-weight.js';
import { readBias } from '../projection/bias.js';
import { type Quantisation, usualGroupSize } from '../projection/quantise-weight.js';
import { StoredWeight } from '../projection/stored-weight.js';
import type { FloatType, Location, TensorLike } from '../tensor/types.js';

/** y = x · weightᵀ + bias, with the shapes of nn.Linear. */
export interface Linear {
  /** [out, in], any floating-point type. */
  weight: TensorLike;
  /** [out], any floating-point type. Default: none. */
  bias?: TensorLike;
}

/**
 * A norm of queries or keys before they are rotated (Henry et al. 2020, "Query-Key Normalization for
 * Transformers"): x is divided by √(mean of x² + `normEpsilon`) and multiplied by the weight.
 */
export interface HeadNormWeights {
  /**
   * The factors of the elements, any floating-point type: [width] for all heads alike, or [heads, width].
   * `heads` is the number of query heads, or of key heads.
   */
  weight: TensorLike;
  /** Of the same dims, added last. Default: none. */
  bias?: TensorLike;
  /**
   * 'rms' is RMSNorm (Zhang and Sennrich 2019), 'layer' is LayerNorm (Ba et al. 2016), which subtracts the
   * mean of x first. Default 'rms'.
   */
  type?: NormType;
  /**
   * Whether x is all heads of a step, as in OLMo 2, and the weight [heads · width]. Default false: x is one head.
   */
  together?: boolean;
}

/** By what a norm divides: see {@link HeadNormWeights.type}. */
export type NormType = 'rms' | 'layer';

/** The linear maps of a layer, and the norms that some have. */
export interface MultiHeadAttentionWeights {
  /** [heads · width, embed] */
  query: Linear;
  /** [keyValueHeads · width, context embed] */
  key: Linear;
  /** [keyValueHeads · valueWidth, context embed] */
  value: Linear;
  /** [out, heads · valueWidth]. Without it the result contains the heads side by side. */
  output?: Linear;
  /** Normalises the queries before they are rotated, as in Qwen3 (`q_norm`). Default: none. */
  queryNorm?: HeadNormWeights;
  /** Normalises the keys before they are rotated, as in Qwen3 (`k_norm`). Default: none. */
  keyNorm?: HeadNormWeights;
}

/** What was read of a linear map; the elements are accessed when it is packed. */
export interface LinearArgument {
  readonly name: string;
  readonly type: FloatType;
  readonly columns: number;
  readonly inner: number;
  /** Quantised, if it comes from a file that has it so. */
  readonly weight: TensorArgument | QuantisedWeight;
  readonly bias: TensorArgument | undefined;
}

export function isStored(weight: LinearArgument['weight']): weight is QuantisedWeight {
  return 'values' in weight;
}

export function readLinear(value: unknown, name: string): LinearArgument {
  const { weight: weightValue, bias: biasValue } = readOptions(
    required(value, name),
    ['weight', 'bias'],
    name,
  );
  const { weight, type, columns, inner } = readWeight(weightValue, `${name}.weight`);
  const bias = readBias(biasValue, `${name}.bias`, columns, `${name}.weight.dims[0]`);
  return { name, type, columns, inner, weight, bias };
}

function readWeight(
  value: unknown,
  name: string,
): Pick<LinearArgument, 'type' | 'columns' | 'inner' | 'weight'> {
  if (isInstance(value, StoredWeight)) {
    const { weight, was } = value;
    return { type: was, columns: weight.columns, inner: weight.inner, weight };
  }
  const weight = readTensor(value, name);
  const type = expectFloat(weight);
  expectRank(weight.dims, 2, name, 'out, in');
  const [columns, inner] = weight.dims;
  return { type, columns, inner, weight };
}

/** Where the elements of a weight are. */
export function locationOf({ weight }: LinearArgument): Location {
  return isStored(weight) ? 'cpu' : weight.location;
}

function required(value: unknown, name: string): unknown {
  if (value === undefined) {
    throw new HeedError('HEED_INVALID_ARGUMENT', `Expected ${name} to be given, received undefined`);
  }
  return value;
}

export interface LinearArguments {
  readonly query: LinearArgument;
  readonly key: LinearArgument;
  readonly value: LinearArgument;
  readonly output: LinearArgument | undefined;
  readonly queryNorm: NormArgument | undefined;
  readonly keyNorm: NormArgument | undefined;
}

/** What was read of a norm; whether it fits its heads is checked later. */
export interface NormArgument {
  readonly weight: TensorArgument;
  readonly bias: TensorArgument | undefined;
  readonly type: NormType;
  readonly together: boolean;
}

function readNorm(value: unknown, name: string): NormArgument | undefined {
  if (value === undefined) return undefined;
  const given = readOptions(value, ['weight', 'bias', 'type', 'together'], name);
  const weight = readTensor(given.weight, `${name}.weight`);
  expectFloat(weight);
  const bias = given.bias === undefined ? undefined : readTensor(given.bias, `${name}.bias`);
  if (bias) {
    expectFloat(bias);
    expectDims(bias.dims, bias.name, weight.dims);
  }
  return {
    weight,
    bias,
    type: choiceOption(given.type, `${name}.type`, ['rms', 'layer'], 'rms'),
    together: booleanOption(given.together, `${name}.together`, false),
  };
}

export function readLinears(weights: unknown): LinearArguments {
  const names = ['query', 'key', 'value', 'output', 'queryNorm', 'keyNorm'] as const;
  const given = readOptions(required(weights, 'weights'), names, 'weights');
  const { query, key, value, output } = given;
  return {
    query: readLinear(query, 'weights.query'),
    key: readLinear(key, 'weights.key'),
    value: readLinear(value, 'weights.value'),
    output: output === undefined ? undefined : readLinear(output, 'weights.output'),
    queryNorm: readNorm(given.queryNorm, 'weights.queryNorm'),
    keyNorm: readNorm(given.keyNorm, 'weights.keyNorm'),
  };
}

/** Linear maps and norms of a layer. */
type Parts = readonly (LinearArgument | NormArgument | undefined)[];

/** All of them. */
export function partsOf({
  query,
  key,
  value,
  output,
  queryNorm,
  keyNorm,
}: LinearArguments): (LinearArgument | NormArgument | undefined)[] {
  return [query, key, value, output, queryNorm, keyNorm];
}

/** The linear maps alone. */
export function linearsOf({ query, key, value, output }: LinearArguments): LinearArgument[] {
  return [query, key, value, output].filter((linear) => linear !== undefined);
}

/** All of them must be at the location of the layer, or on the CPU, from where they are copied. */
export function expectReachable(parts: Parts, location: Location): void {
  for (const tensor of tensorsOf(parts)) expectReach(tensor, location, 'the layer');
}

function tensorsOf(parts: Parts): TensorArgument[] {
  return parts
    .flatMap((part) => [part?.weight, part?.bias])
    .filter((tensor) => tensor !== undefined && !isStored(tensor));
}

/** What the weights of the linear maps are rounded to, or were: undefined if they are not. */
export function quantisationOf(
  linears: readonly LinearArgument[],
  asked: QuantisedType | undefined,
): Quantisation | undefined {
  const stored = linears.flatMap((linear) =>
    isStored(linear.weight) ? [{ name: `${linear.name}.weight`, ...quantisationIn(linear.weight) }] : [],
  );
  const [first, ...others] = stored;
  if (first === undefined) return asked && { type: asked, groupSize: usualGroupSize };
  if (asked !== undefined && asked !== first.type) {
    throw new HeedError(
      'HEED_TYPE_MISMATCH',
      `Expected options.weights to be what ${first.name} is in the file ('${first.type}'), received '${asked}'`,
    );
  }
  const wrong = others.find(({ type, groupSize }) => type !== first.type || groupSize !== first.groupSize);
  if (wrong === undefined) return first;
  throw new HeedError(
    'HEED_TYPE_MISMATCH',
    `Expected ${wrong.name} to be ${describeQuantisation(first)}, as ${first.name} is, received ${describeQuantisation(wrong)}`,
  );
}

/** Of int8, all groups are whole rows. */
function quantisationIn({ type, groupSize }: QuantisedWeight): Quantisation {
  return { type, groupSize: type === 'int8' ? usualGroupSize : groupSize };
}

function describeQuantisation({ type, groupSize }: Quantisation): string {
  return type === 'int8' ? type : `${type} in groups of ${groupSize}`;
}

/** The number of parameters of the linear maps and norms. */
export function countParameters(parts: Parts): number {
  let count = tensorsOf(parts).reduce((sum, { size }) => sum + size, 0);
  for (const part of parts) {
    if (part !== undefined && 'columns' in part && isStored(part.weight)) count += part.columns * part.inner;
  }
  return count;
}
