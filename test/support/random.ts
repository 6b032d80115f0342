/**
 * Random inputs determined by the run's seed. Each suite draws from its own stream, so that running it alone
 * gives the same inputs.
 */
import { numberToBfloat16, numberToFloat16 } from '../../lib/tensor/elements.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import type { FloatType } from '../../lib/tensor/types.js';
import { RandomNumbers } from './random-numbers.js';

export class Random extends RandomNumbers {
  /** @param stream names the stream after its user */
  constructor(stream: string) {
    super(`${process.env.HEED_TEST_SEED}/${stream}`);
  }

  /**
   * Normally distributed elements: draws some thousands, and picks the elements of larger tensors from these.
   */
  tensor(type: FloatType, dims: readonly number[], deviation = 1): Tensor {
    const tensor = Tensor.zeros(type, dims);
    const { data } = tensor;
    const drawn = Math.min(data.length, 4096);
    for (let i = 0; i < drawn; i++) data[i] = encode(type, deviation * this.normal());
    for (let i = drawn; i < data.length; i++) data[i] = data[this.integer(0, drawn - 1)];
    return tensor;
  }

  mask(dims: readonly number[], probabilityOfTrue: number): Tensor {
    const tensor = Tensor.zeros('bool', dims);
    const { data } = tensor;
    for (let i = 0; i < data.length; i++) data[i] = this.chance(probabilityOfTrue) ? 1 : 0;
    return tensor;
  }
}

function encode(type: FloatType, value: number): number {
  if (type === 'float16') return numberToFloat16(value);
  return type === 'bfloat16' ? numberToBfloat16(value) : value;
}

/** A tensor whose elements, in row-major order, are the results of `element`. */
export function tensorOf(
  type: FloatType,
  dims: readonly number[],
  element: (index: number) => number,
): Tensor {
  const tensor = Tensor.zeros(type, dims);
  const { data } = tensor;
  for (let i = 0; i < data.length; i++) data[i] = encode(type, element(i));
  return tensor;
}
