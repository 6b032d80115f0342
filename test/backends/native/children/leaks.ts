/**
 * Runs 2,000 operations of every kind and prints how much memory they left allocated. Requires --expose-gc.
 */
import { setImmediate, setTimeout } from 'node:timers/promises';
import { attention, attentionSync, packWeight, project, type Tensor } from '../../../../lib/index.js';
import { filled } from './operations.js';

const collect = globalThis.gc as () => void;
const count = 2000;

async function failing(operation: Promise<Tensor>): Promise<void> {
  await operation.then(
    () => undefined,
    () => undefined,
  );
}

/** Each takes at least 256 kB, so that a leak of any kind would show. */
async function operation(index: number): Promise<void> {
  const tokens = filled([1, 4, 256, 64]);
  const weight = filled([256, 256]);
  const input = filled([1, 256, 256]);
  switch (index % 6) {
    case 0:
      await attention(tokens, tokens, tokens);
      break;
    case 1:
      attentionSync(tokens, tokens, tokens);
      break;
    case 2: {
      const packed = packWeight(weight);
      await project(input, packed);
      packed.dispose();
      break;
    }
    case 3:
      // Left to the garbage collector.
      await project(input, packWeight(weight));
      break;
    case 4: {
      const controller = new AbortController();
      const running = attention(tokens, tokens, tokens, { signal: controller.signal });
      controller.abort();
      await failing(running);
      break;
    }
    case 5:
      await Promise.all(Array.from({ length: 4 }, () => attention(tokens, tokens, tokens)));
      break;
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) {
    collect();
    // Finalizers run when the event loop turns.
    await setTimeout(5);
  }
}

/** The memory of weights that are neither disposed nor collected by an explicit garbage collection. */
async function forgottenWeights(): Promise<number> {
  const weight = filled([512, 512]);
  const before = process.memoryUsage.rss();
  let most = 0;
  for (let i = 0; i < count; i++) {
    packWeight(weight);
    await setImmediate();
    most = Math.max(most, process.memoryUsage.rss() - before);
  }
  return most;
}

/** Too large for the allocator to cache: freed memory shows at once. */
async function disposedWeights() {
  const weight = filled([2560, 4096]);
  await settle();
  const before = process.memoryUsage.rss();
  const weights = [packWeight(weight), packWeight(weight)];
  const held = process.memoryUsage.rss() - before;
  for (const packed of weights) packed.dispose();
  for (const packed of weights) packed.dispose();
  return { bytes: 2 * 4 * weight.size, held, left: process.memoryUsage.rss() - before };
}

async function inUse() {
  await settle();
  return { resident: process.memoryUsage.rss(), arrays: process.memoryUsage().arrayBuffers };
}

async function main(): Promise<void> {
  const disposed = await disposedWeights();
  for (let i = 0; i < count / 5; i++) await operation(i);
  const before = await inUse();
  for (let i = 0; i < count; i++) await operation(i);
  const after = await inUse();
  console.log(JSON.stringify({ before, after, disposed, forgotten: await forgottenWeights() }));
}

void main();
