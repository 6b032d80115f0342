/**
 * Random inputs determined by the run's seed. Each suite draws from its own stream, so that running it alone
 * gives the same inputs.
 */
import { numberToBfloat16, numberToFloat16 } from '../../lib/tensor/elements.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import type { FloatType } from '../../lib/tensor/types.js';

function hash(text: string): number {
  let state = 2166136261;
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 16777619);
  return state >>> 0;
}

export class Random {
  #state: number;

  /** @param stream names the stream after its user */
  constructor(stream: string) {
    this.#state = hash(`${process.env.HEED_TEST_SEED}/${stream}`);
  }

  /** Uniform in [0, 1), 32 bits (splitmix32). */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let bits = this.#state;
    bits = Math.imul(bits ^ (bits >>> 16), 0x21f0aaad);
    bits = Math.imul(bits ^ (bits >>> 15), 0x735a2d97);
    return ((bits ^ (bits >>> 15)) >>> 0) / 2 ** 32;
  }

  uniform(low: number, high: number): number {
    return low + (high - low) * this.next();
  }

  /** From low to high, both included. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<Choice>(choices: readonly Choice[]): Choice {
    return choices[this.integer(0, choices.length - 1)];
  }

  /** Standard normal (Box and Muller). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next());
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
