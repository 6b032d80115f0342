/** Random numbers determined by a text: the same on every machine, different for different texts. */
import { createHash } from 'node:crypto';
import { mersenne } from 'pure-rand/generator/mersenne';
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';

export class RandomNumbers {
  readonly #generator: RandomGenerator;

  constructor(text: string) {
    this.#generator = mersenne(createHash('sha256').update(text).digest().readInt32LE());
  }

  /** Uniform in [0, 1), 32 bits. */
  next(): number {
    return (this.#generator.next() >>> 0) / 2 ** 32;
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
}
