/** The norms of a block, over memory of its own. */
import { type Backend, precisionOf } from '../backends/backend.js';
import { allocate } from '../checks/data.js';
import { expectLength, expectRank } from '../checks/lists.js';
import { expectReach } from '../checks/location.js';
import { readOptions } from '../checks/options.js';
import { expectFloat, fetchedDataOf, readTensor, type TensorArgument } from '../checks/tensor.js';
import { choiceOption, epsilonOption, finiteOption } from '../checks/values.js';
import type { Elements } from '../memory/device.js';
import type { NormType } from '../multi-head-attention/linear.js';
import type { NormProblem } from '../problem/problem.js';
import { readElements } from '../tensor/elements.js';
import type { FloatType, Numbers, TensorLike } from '../tensor/types.js';

/** What the elements of a normalised row are multiplied by, and what is added. */
export interface NormWeights {
  /** [embed], any floating-point type. */
  weight: TensorLike;
  /** [embed], any floating-point type. Default: none. */
  bias?: TensorLike;
}

/** What all norms of a block have in common. */
export interface BlockNormOptions {
  /** As in {@link norm}. Default 'rms'. */
  type?: NormType;
  /** Added to the mean square of a row, or to its variance. Default 1e-6. */
  epsilon?: number;
  /** Added to the weights: 1 where a checkpoint stores weights around 0, as Gemma's do. Default 0. */
  offset?: number;
}

/** What a norm does to rows. */
export type RowNorm = Pick<NormProblem, 'weight' | 'bias' | 'offset' | 'epsilon' | 'centered'>;

export type NormSettings = Pick<RowNorm, 'offset' | 'epsilon' | 'centered'>;

export function readNormOptions(value: unknown): NormSettings {
  const { type, epsilon, offset } = readOptions(value, ['type', 'epsilon', 'offset'], 'options.norm');
  return {
    centered: choiceOption(type, 'options.norm.type', ['rms', 'layer'], 'rms') === 'layer',
    epsilon: epsilonOption(epsilon, 'options.norm.epsilon'),
    offset: finiteOption(offset, 'options.norm.offset', 0),
  };
}

interface NormArgument {
  readonly weight: TensorArgument;
  readonly bias: TensorArgument | undefined;
}

function readFactors(value: unknown, name: string, embed: number, backend: Backend): TensorArgument {
  const factors = readTensor(value, name);
  expectFloat(factors);
  expectRank(factors.dims, 1, name, 'embed');
  expectLength(factors.dims[0], `${name}.dims[0]`, embed, 'the width of the block');
  expectReach(factors, backend.location, 'the block');
  return factors;
}

/** Undefined where there is none, which leaves rows as they are. */
export function readNorm(
  value: unknown,
  name: string,
  embed: number,
  backend: Backend,
): NormArgument | undefined {
  if (value === undefined) return undefined;
  const given = readOptions(value, ['weight', 'bias'], name);
  return {
    weight: readFactors(given.weight, `${name}.weight`, embed, backend),
    bias: given.bias === undefined ? undefined : readFactors(given.bias, `${name}.bias`, embed, backend),
  };
}

/** With copies of its tensors. */
export function ownNorm(norm: NormArgument, settings: NormSettings, backend: Backend): RowNorm {
  const type = precisionOf(backend);
  const own = (tensor: TensorArgument) => {
    const data = allocate(type, tensor.size, tensor.name) as Numbers;
    readElements(tensor.type, fetchedDataOf(tensor), 0, tensor.size, data);
    return { data, type };
  };
  return { ...settings, weight: own(norm.weight), bias: norm.bias && own(norm.bias) };
}

/** Rows of one type, contiguous. */
export interface Rows {
  readonly rows: number;
  readonly width: number;
  readonly type: FloatType;
}

/** The norm of rows, to which others may be added. */
export function normProblem(
  norm: RowNorm,
  shape: Rows,
  input: Elements,
  output: Elements,
  addend?: Elements,
): NormProblem {
  return { kind: 'norm', ...shape, ...norm, input, output, addend };
}
