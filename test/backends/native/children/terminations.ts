/**
 * Terminates workers at random moments while they load heed and compute, and then computes itself. Arguments:
 * the number of workers, how many run at once, and optionally the only kind of work. Prints how many workers
 * of each kind were terminated.
 */
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { Random } from '../../../support/random.js';
import { endlessKinds } from './endless-operations.js';
import { smallOperations } from './operations.js';

const [times, atOnce] = process.argv.slice(2, 4).map(Number);
const kinds = process.argv[4] ? [process.argv[4]] : [...endlessKinds, 'loading'];
const random = new Random('terminations');
const ended: Record<string, number> = {};

async function once(index: number): Promise<void> {
  const kind = kinds[index % kinds.length];
  const worker = new Worker(join(__dirname, 'endless-operations.js'), { workerData: kind });
  let failure: unknown;
  const begun = new Promise<void>((resolve) => {
    worker.once('message', () => resolve());
    worker.once('error', (error) => {
      failure = error;
      resolve();
    });
  });
  // Some are terminated before they start, some while they load, and most while they compute.
  if (random.integer(0, 3) > 0 && kind !== 'loading') await begun;
  await setTimeout(random.integer(0, 40));
  await worker.terminate();
  if (failure !== undefined) throw failure;
  ended[kind] = (ended[kind] ?? 0) + 1;
}

async function main(): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < times) await once(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  await smallOperations();
  const total = Object.values(ended).reduce((sum, count) => sum + count, 0);
  console.log(JSON.stringify({ total, ended }));
}

void main();
