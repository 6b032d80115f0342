/**
 * Random inputs determined by the run's seed: each row draws from its own stream, whichever other rows are
 * measured.
 */
import { createHash } from 'node:crypto';

export class Random {
  #state: number;

  constructor(seed: string, stream: string) {
    this.#state = createHash('sha256').update(`${seed}/${stream}`).digest().readUInt32LE();
  }

  /** Uniform in [0, 1), 32 bits (splitmix32). */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let bits = this.#state;
    bits = Math.imul(bits ^ (bits >>> 16), 0x21f0aaad);
    bits = Math.imul(bits ^ (bits >>> 15), 0x735a2d97);
    return ((bits ^ (bits >>> 15)) >>> 0) / 2 ** 32;
  }

  /** From low to high, both included. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  pick<Choice>(choices: readonly Choice[]): Choice {
    return choices[this.integer(0, choices.length - 1)];
  }

  /** Uniform, with mean 0 and the given standard deviation. */
  floats(length: number, deviation = 1): Float32Array {
    const values = new Float32Array(length);
    const width = deviation * Math.sqrt(12);
    for (let i = 0; i < length; i++) values[i] = width * (this.next() - 0.5);
    return values;
  }
}
