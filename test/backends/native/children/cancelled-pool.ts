/**
 * Cancels tasks of a pool of workers at random moments: the pool terminates the worker of a cancelled task.
 * Argument: the number of tasks.
 */
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import Piscina from 'piscina';
import { Random } from '../../../support/random.js';
import { smallOperations } from './operations.js';

async function main(times: number): Promise<void> {
  const random = new Random('cancelled pool');
  const pool = new Piscina({ filename: join(__dirname, 'pooled-task.js'), maxThreads: 4 });
  let cancelled = 0;
  const one = async () => {
    const controller = new AbortController();
    const task = pool.run('short', { signal: controller.signal }).catch(() => {
      cancelled++;
    });
    await setTimeout(random.integer(0, 80));
    controller.abort();
    await task;
  };
  for (let begun = 0; begun < times; begun += 4) await Promise.all([one(), one(), one(), one()]);
  await pool.destroy();
  await smallOperations();
  console.log(JSON.stringify({ cancelled }));
}

void main(Number(process.argv[2]));
