/**
 * Runs thousands of operations on a device and prints how much memory they left allocated on the device and
 * on the host. Requires --expose-gc.
 */
import { setTimeout } from 'node:timers/promises';
import {
  attention,
  attentionSync,
  deviceMemory,
  KeyValueCache,
  project,
  Tensor,
} from '../../../../lib/index.js';

const collect = globalThis.gc as () => void;
const count = Number(process.argv[2]);

const tokens = Tensor.zeros('float32', [1, 1, 4, 8]);
const matrix = Tensor.zeros('float32', [8, 8]);

/** Tensors that are not disposed are left to the garbage collector. */
async function operation(index: number, there: Tensor, weight: Tensor): Promise<void> {
  switch (index % 7) {
    case 0:
      (await attention(there, there, there)).dispose();
      break;
    case 1:
      attentionSync(there, there, there);
      break;
    case 2:
      await attention(tokens, tokens, tokens, { backend: 'cuda' });
      break;
    case 3:
      await (await project(there, weight, Tensor.zeros('float32', [8]))).getData();
      break;
    case 4: {
      const controller = new AbortController();
      const running = attention(tokens, tokens, tokens, { backend: 'cuda', signal: controller.signal });
      controller.abort();
      await running.catch(() => undefined);
      break;
    }
    case 5:
      await attention(there, there, there, { signal: AbortSignal.abort() }).catch(() => undefined);
      break;
    case 6: {
      using cache = new KeyValueCache({ batch: 1, heads: 1, width: 8, capacity: 8, location: 'cuda' });
      cache.append(there, there);
      (await attention((await tokens.to('cuda')).cast('float32'), cache)).dispose();
      break;
    }
  }
}

async function inUse() {
  for (let i = 0; i < 5; i++) {
    collect();
    // Finalizers run when the event loop turns.
    await setTimeout(5);
  }
  const { rss, arrayBuffers } = process.memoryUsage();
  const { used, cached } = deviceMemory();
  return { resident: rss, arrays: arrayBuffers, used, cached };
}

async function main(): Promise<void> {
  const [there, weight] = [await tokens.to('cuda'), await matrix.to('cuda')];
  for (let i = 0; i < count / 4; i++) await operation(i, there, weight);
  const before = await inUse();
  for (let i = 0; i < count; i++) await operation(i, there, weight);
  console.log(JSON.stringify({ before, after: await inUse() }));
}

void main();
