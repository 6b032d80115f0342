import { Tensor } from '../../lib/tensor/tensor.js';
import { isFloatType } from '../../lib/tensor/types.js';
import { type Random, tensorOf } from '../support/random.js';
import type { Recipe } from './further-cases.js';

/** Makes a tensor from a recipe: uniform in [0, 1) like the ONNX tests, or the elements that it specifies. */
export function drawInput(random: Random, [type, dims, values]: Recipe): Tensor {
  if (isFloatType(type)) return tensorOf(type, dims, (index) => values?.[index] ?? random.next());
  if (type === 'bool' && values === undefined) return random.mask(dims, 0.7);
  const data =
    type === 'bool' ? Uint8Array.from(values ?? []) : BigInt64Array.from((values ?? []).map(BigInt));
  return new Tensor(type, data, dims);
}
