/** A worker that decodes over a cache until it is terminated. */
import { parentPort, workerData } from 'node:worker_threads';
import { attention, KeyValueCache } from '../../../../lib/index.js';
import { filled } from './operations.js';

async function decode(rounds: number): Promise<void> {
  const cache = new KeyValueCache({ batch: 2, heads: 8, width: 64, capacity: 600, pageSize: 16 });
  cache.append(filled([2, 8, 500, 64]), filled([2, 8, 500, 64]));
  for (let i = 0; i < rounds; i++) {
    using fork = cache.fork({ entries: [0, 0, 1] });
    for (let step = 0; step < 20; step++) {
      fork.append(filled([3, 8, 1, 64]), filled([3, 8, 1, 64]));
      await attention(filled([3, 8, 1, 64]), fork);
    }
    parentPort?.postMessage('a round');
  }
}

void decode(workerData === 'finish' ? 3 : Number.POSITIVE_INFINITY);
