/** Linear maps among the arguments of a layer. */

import { expectRank } from '../checks/lists.js';
import { expectReach } from '../checks/location.js';
import { readOptions } from '../checks/options.js';
import { expectFloat, readTensor, type TensorArgument } from '../checks/tensor.js';
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

/** A norm of queries or keys (Henry et al. 2020, "Query-Key Normalization for Transformers"): RMSNorm over the width of a head. */
export interface HeadNormWeights {
  /** [width], any floating-point type: the factors of the elements. */
  weight: TensorLike;
}

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
  /** Normalises each head of the queries before it is rotated, as in Qwen3 (`q_norm`). Default: none. */
  queryNorm?: HeadNormWeights;
  /** Normalises each head of the keys before it is rotated, as in Qwen3 (`k_norm`). Default: none. */
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
  readonly queryNorm: TensorArgument | undefined;
  readonly keyNorm: TensorArgument | undefined;
}

function readNorm(value: unknown, name: string): TensorArgument | undefined {
  if (value === undefined) return undefined;
  const { weight: weightValue } = readOptions(value, ['weight'], name);
  const weight = readTensor(weightValue, `${name}.weight`);
  expectFloat(weight);
  expectRank(weight.dims, 1, `${name}.weight`, 'width');
  return weight;
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
  const { query, key, value, output, queryNorm, keyNorm } = linears;
  const tensors = [query, key, value, output].flatMap((linear) => [linear?.weight, linear?.bias]);
  for (const tensor of [...tensors, queryNorm, keyNorm])
    if (tensor) expectReach(tensor, location, 'the layer');
}

/** The number of parameters of the linear maps and norms. */
export function countParameters(linears: LinearArguments): number {
  const { query, key, value, output, queryNorm, keyNorm } = linears;
  let count = (queryNorm?.size ?? 0) + (keyNorm?.size ?? 0);
  for (const linear of [query, key, value, output]) {
    if (linear) count += linear.weight.size + (linear.bias?.size ?? 0);
  }
  return count;
}
