/** Linear maps among the arguments of a layer. */
import { expectDims, expectRank } from '../checks/lists.js';
import { expectReach } from '../checks/location.js';
import { readOptions } from '../checks/options.js';
import { expectFloat, readTensor, type TensorArgument } from '../checks/tensor.js';
import { booleanOption, choiceOption } from '../checks/values.js';
import { HeedError } from '../errors.js';
import { readBias } from '../projection/bias.js';
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
  readonly weight: TensorArgument;
  readonly bias: TensorArgument | undefined;
}

function readLinear(value: unknown, name: string): LinearArgument {
  const { weight: weightValue, bias: biasValue } = readOptions(
    required(value, name),
    ['weight', 'bias'],
    name,
  );
  const weight = readTensor(weightValue, `${name}.weight`);
  const type = expectFloat(weight);
  expectRank(weight.dims, 2, `${name}.weight`, 'out, in');
  const [columns, inner] = weight.dims;
  const bias = readBias(biasValue, `${name}.bias`, columns, `${name}.weight.dims[0]`);
  return { name, type, columns, inner, weight, bias };
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

/** All of them must be at the location of the layer, or on the CPU, from where they are copied. */
export function expectReachable(linears: LinearArguments, location: Location): void {
  for (const tensor of tensorsOf(linears)) expectReach(tensor, location, 'the layer');
}

function tensorsOf({ query, key, value, output, queryNorm, keyNorm }: LinearArguments): TensorArgument[] {
  return [query, key, value, output, queryNorm, keyNorm]
    .flatMap((part) => [part?.weight, part?.bias])
    .filter((tensor) => tensor !== undefined);
}

/** The number of parameters of the linear maps and norms. */
export function countParameters(linears: LinearArguments): number {
  return tensorsOf(linears).reduce((count, { size }) => count + size, 0);
}
