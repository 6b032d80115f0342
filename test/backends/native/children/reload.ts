/**
 * Loads heed in workers, one after the other, and never in the main thread, so that it is unloaded each time.
 * Arguments: the number of workers, their module, and the kinds of work, which they take in turn. Workers
 * that report that they are running are terminated.
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

/** An ended thread stays listed for a moment, even after it was joined. */
async function lastingThreads(): Promise<number> {
  let fewest = Infinity;
  for (let i = 0; i < 20; i++) {
    fewest = Math.min(fewest, readdirSync('/proc/self/task').length);
    await setTimeout(10);
  }
  return fewest;
}

/**
 * Checks for the code of the addon: an emulated GPU that has reported a fault keeps the file's debug
 * information.
 */
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
