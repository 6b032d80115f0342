/** Loads heed in workers, one after the other, and never in the main thread: each time it is unloaded again. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

const times = Number(process.argv[2]);
const worker = join(__dirname, 'operations.js');

function once(index: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const terminated = index % 4 === 3;
    const thread = new Worker(worker, { workerData: terminated ? 'long' : 'small' });
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

async function state() {
  return {
    loaded: readFileSync('/proc/self/maps', 'utf8').includes('heed.node'),
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
