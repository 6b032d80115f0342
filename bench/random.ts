/**
 * Random inputs determined by the run's seed: each row draws from its own stream, whichever other rows are
 * measured.
 */
import { RandomNumbers } from '../test/support/random-numbers.js';

export class Random extends RandomNumbers {
  constructor(seed: string, stream: string) {
    super(`${seed}/${stream}`);
  }

  /** Uniform, with mean 0 and the given standard deviation. */
  floats(length: number, deviation = 1): Float32Array {
    const values = new Float32Array(length);
    const width = deviation * Math.sqrt(12);
    for (let i = 0; i < length; i++) values[i] = width * (this.next() - 0.5);
    return values;
  }
}
