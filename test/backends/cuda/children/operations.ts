/** The device operations of these tests' child processes and workers. */
import { parentPort, workerData } from 'node:worker_threads';
import {
  attention,
  attentionSync,
  KeyValueCache,
  packWeight,
  project,
  Tensor,
} from '../../../../lib/index.js';

function filled(dims: number[], value: number): Tensor {
  const size = dims.reduce((product, length) => product * length, 1);
  return new Tensor(new Float32Array(size).fill(value), dims);
}

/** A mixture of operations; throws if a result is wrong. */
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

/** Enough operations that some are running at any moment of an interruption. */
export async function manyOperations(signal?: AbortSignal): Promise<void> {
  const here = filled([2, 4, 60, 32], 0.5);
  const there = await here.to('cuda');
  parentPort?.postMessage('running');
  for (let i = 0; i < 1000; i++) {
    const staged = attention(here, here, here, { backend: 'cuda', ...(signal && { signal }) });
    (await attention(there, there, there)).dispose();
    await staged;
  }
}

/**
 * Runs until the device is lost, after HEED_EMULATED_LAUNCHES; then every operation on it fails with that
 * error.
 */
async function lose(): Promise<void> {
  const here = filled([1, 2, 20, 32], 0.5);
  const there = await here.to('cuda');
  const lost = (error: { code?: string }) => {
    if (error.code !== 'HEED_DEVICE_LOST') throw error;
    return error.code;
  };
  for (let i = 0; i < 100; i++) {
    await attention(there, there, there).catch(lost);
    await attention(here, here, here, { backend: 'cuda' }).catch(lost);
  }
  if ((await there.getData().catch(lost)) !== 'HEED_DEVICE_LOST') throw new Error('the device is not lost');
}

/** A kernel reads unwritten memory: an emulated device detects this and is lost. */
async function fault(): Promise<void> {
  const there = Tensor.make('float32', [1, 2, 20, 32], 'cuda:0');
  const error = await (await attention(there, there, there)).getData().catch((reason) => reason);
  if (error.code !== 'HEED_DEVICE_LOST' || !/unwritten memory[\s\S]*\.cuh:\d+/.test(error.message))
    throw error;
}

if (workerData === 'small') void deviceOperations();
if (workerData === 'long') void manyOperations();
if (workerData === 'lost') void lose();
if (workerData === 'fault') void fault();
