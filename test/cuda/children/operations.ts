/** What workers of these tests do on a device: a bit of everything; throws where a result is wrong. */
import { parentPort, workerData } from 'node:worker_threads';
import { attention, attentionSync, KeyValueCache, packWeight, project, Tensor } from '../../../lib/index.js';

function filled(dims: number[], value: number): Tensor {
  const size = dims.reduce((product, length) => product * length, 1);
  return new Tensor(new Float32Array(size).fill(value), dims);
}

export async function deviceOperations(): Promise<void> {
  const tokens = filled([1, 2, 20, 32], 0.5);
  const there = await tokens.to('cuda');
  const results = [await attention(there, there, there), attentionSync(there, there, there)];
  const weight = packWeight(filled([32, 16], 1), { location: 'cuda' });
  results.push(await project(await filled([1, 4, 16], 0.5 / 16).to('cuda'), weight));
  results.push(await attention(tokens, tokens, tokens, { backend: 'cuda' }));
  const cache = new KeyValueCache({ batch: 1, heads: 2, width: 32, capacity: 64, location: 'cuda' });
  cache.append(there, there);
  results.push(await attention(there, cache));
  for (const result of results) {
    const data = (await result.getData()) as Float32Array;
    if (!data.every((x) => Math.abs(x - 0.5) < 1e-5)) throw new Error('a wrong result');
  }
  for (const held of [there, weight, cache, ...results]) held.dispose();
}

/** Many, so that one of them is under way when the worker is terminated. */
async function many(): Promise<void> {
  const tokens = await filled([2, 4, 60, 32], 0.5).to('cuda');
  parentPort?.postMessage('running');
  for (let i = 0; i < 1000; i++) {
    const staged = attention(
      filled([2, 4, 60, 32], 0.5),
      filled([2, 4, 60, 32], 0.5),
      filled([2, 4, 60, 32], 0.5),
      {
        backend: 'cuda',
      },
    );
    (await attention(tokens, tokens, tokens)).dispose();
    await staged;
  }
}

if (workerData === 'device operations') void deviceOperations();
if (workerData === 'many device operations') void many();
