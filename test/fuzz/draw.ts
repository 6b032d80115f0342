import { Random } from '../support/random.js';
import type { Draw } from './hostile-values.js';

/** Random numbers from a stream of the run's seed. */
export function drawFrom(stream: string): Draw {
  const random = new Random(stream);
  return { below: (bound) => random.integer(0, bound - 1) };
}
