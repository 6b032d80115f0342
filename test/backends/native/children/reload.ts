/**
 * Loads heed in workers, one after the other, and never in the main thread: each time it is unloaded again. Arguments: how
 * often, the module that the workers run, and what each of them does in turn. Those that say that they are running are
 * terminated.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

const [count, worker, ...work] = process.argv.slice(2);
const times = Number(count);

function once(index: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(worker, { workerData: work[index % work.length] });
    thread.on('error', reject);
    thread.on('message', () => void thread.terminate());
    thread.on('exit', () => resolve());
  });
}

/** A thread that has ended, and was waited for, is listed for a moment longer. */
async function lastingThreads(): Promise<number> {
  let fewest = Infinity;
  for (let i = 0; i < 20; i++) {
    fewest = Math.min(fewest, readdirSync('/proc/self/task').length);
    await setTimeout(10);
  }
  return fewest;
}

/** Its code, that is: an emulated GPU that has reported a fault keeps what it has read of the file's debug information. */
function isLoaded(): boolean {
  return /^\S+ r-xp .*heed\.node$/m.test(readFileSync('/proc/self/maps', 'utf8'));
}

async function state() {
  return {
    loaded: isLoaded(),
    threads: await lastingThreads(),
    bytes: process.memoryUsage.rss(),
  };
}

async function main(): Promise<void> {
  const warmUp = Math.floor(times / 4);
  for (let i = 0; i < warmUp; i++) await once(i);
  const before = await state();
  for (let i = warmUp; i < times; i++) await once(i);
  console.log(JSON.stringify({ before, after: await state() }));
}

void main();
