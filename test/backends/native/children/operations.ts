/** The operations of these tests' child processes and workers. */
import { parentPort, workerData } from 'node:worker_threads';
import { attention, attentionSync, packWeight, project, Tensor } from '../../../../lib/index.js';

export function filled(dims: number[], value = 0.1): Tensor {
  const size = dims.reduce((product, length) => product * length, 1);
  return new Tensor('float32', new Float32Array(size).fill(value), dims);
}

/** Runs for seconds. */
export function longOperation(signal?: AbortSignal): Promise<Tensor> {
  const tokens = filled([1, 16, 8192, 64]);
  return attention(tokens, tokens, tokens, signal ? { signal } : {});
}

/** A mixture of operations; throws if a result is wrong. */
export async function smallOperations(): Promise<void> {
  const tokens = filled([1, 2, 64, 32], 0.5);
  const results = [await attention(tokens, tokens, tokens), attentionSync(tokens, tokens, tokens)];
  const weight = packWeight(filled([32, 16], 1));
  results.push(await project(filled([1, 4, 16], 0.5 / 16), weight));
  weight.dispose();
  for (const { data } of results) {
    if (!(data as Float32Array).every((x) => Math.abs(x - 0.5) < 1e-6)) throw new Error('a wrong result');
  }
}

/** Runs as the main module of a worker. */
async function work(): Promise<void> {
  if (workerData === 'small') return smallOperations();
  await smallOperations();
  const running = [longOperation(), longOperation()];
  parentPort?.postMessage('running');
  await Promise.all(running);
}

if (parentPort !== null && (workerData === 'small' || workerData === 'long')) void work();
