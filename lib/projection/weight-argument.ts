/** The weight of a product among arguments: a tensor, or one that was packed. */
import type { Backend } from '../backends/backend.js';
import { chooseBackend } from '../backends/choose.js';
import { expectRank } from '../checks/lists.js';
import { expectPlace, expectReach } from '../checks/location.js';
import { dataOf, expectFloat, readTensor, type TensorArgument } from '../checks/tensor.js';
import { describe, isInstance } from '../checks/values.js';
import { HeedError } from '../errors.js';
import type { ProjectionProblem } from '../problem/problem.js';
import type { FloatType } from '../tensor/types.js';
import { PackedWeight } from './packed-weight.js';

export interface WeightArgument {
  readonly name: string;
  readonly type: PackedWeight['type'];
  readonly columns: number;
  readonly inner: number;
  readonly operand: TensorArgument | PackedWeight;
}

/** @param axes of the tensor, for messages */
export function readWeight(value: unknown, name: string, axes: string): WeightArgument {
  if (isInstance(value, PackedWeight)) {
    // From the handle: what a caller may have put over the weight's own properties has no say.
    const { columns, inner } = value.handle;
    return { name, type: value.type, columns, inner, operand: value };
  }
  const tensor = readTensor(value, name);
  const type = expectFloat(tensor);
  expectRank(tensor.dims, 2, name, axes);
  const [columns, inner] = tensor.dims;
  return { name, type, columns, inner, operand: tensor };
}

/** float64 anywhere asks for the backend that computes in it; any other types may be mixed. */
export function chooseFor(
  option: unknown,
  input: TensorArgument,
  type: FloatType,
  { name, type: weightType, operand }: WeightArgument,
): Backend {
  if (!(operand instanceof PackedWeight)) {
    expectPlace(operand, input.location, input.name);
    return chooseBackend(option, weightType === 'float64' ? 'float64' : type, input.location);
  }
  const { backend: packedFor, location } = operand.handle;
  expectReach(input, location, name);
  if (option !== undefined && option !== 'auto' && option !== packedFor) {
    throw new HeedError(
      'HEED_INVALID_ARGUMENT',
      `Expected options.backend to be the one that ${name} was packed for ('${packedFor}'), received ${describe(option)}`,
    );
  }
  return chooseBackend(packedFor, type, location);
}

/** What multiplies: elements, whose memory is accessed here for the first time, or what was packed. */
export function factorOf({ operand }: WeightArgument): ProjectionProblem['weight'] {
  return operand instanceof PackedWeight ? operand.handle : { data: dataOf(operand), type: operand.type };
}
