/** Measures the memory of forks of a long cache and prints it. Requires --expose-gc. */
import { setTimeout } from 'node:timers/promises';
import { KeyValueCache } from '../../../../lib/index.js';
import { filled } from './operations.js';

const collect = globalThis.gc as () => void;

async function settle(): Promise<void> {
  for (let i = 0; i < 4; i++) {
    collect();
    // Finalizers run when the event loop turns.
    await setTimeout(5);
  }
}

async function taken(): Promise<number> {
  await settle();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const steps = 8192;
const cache = new KeyValueCache({ batch: 1, heads: 8, width: 128, capacity: 2 * steps, pageSize: 64 });

function fill(): void {
  for (let i = 0; i < 8; i++) cache.append(filled([1, 8, steps / 8, 128]), filled([1, 8, steps / 8, 128]));
}

/** Each of the forks gets its own pages and becomes garbage. */
function appendToForks(count: number): void {
  const step = filled([1, 8, 1, 128]);
  for (let i = 0; i < count; i++) cache.fork().append(step, step);
}

/** V8's memory counts fluctuate by some hundred kilobytes, so the median of several rounds is used. */
async function ofForks(count: number): Promise<{ bytes: number; resident: number }> {
  const before = await taken();
  const residentBefore = process.memoryUsage.rss();
  const forks = Array.from({ length: count }, () => cache.fork());
  const bytes = (await taken()) - before;
  const resident = process.memoryUsage.rss() - residentBefore;
  for (const fork of forks) fork.dispose();
  return { bytes, resident };
}

async function main(): Promise<void> {
  const before = await taken();
  fill();
  const filledUp = await taken();
  const rounds: Awaited<ReturnType<typeof ofForks>>[] = [];
  for (let round = 0; round < 5; round++) rounds.push(await ofForks(1000));
  appendToForks(100);
  const appended = await taken();
  for (let i = 0; i < 10; i++) {
    appendToForks(100);
    await settle();
  }
  const again = await taken();
  console.log(
    JSON.stringify({
      one: filledUp - before,
      forks: rounds.map(({ bytes }) => bytes).sort((a, b) => a - b)[2],
      resident: rounds[0].resident,
      appended: appended - before,
      again: again - before - 2 ** 20,
    }),
  );
}

void main();
