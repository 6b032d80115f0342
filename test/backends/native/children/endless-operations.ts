/** A worker that runs short operations of one kind, or loads heed, until it is terminated. */
import { parentPort, workerData } from 'node:worker_threads';
import { cudaStatus } from '../../../../lib/backends/native/native.js';
import {
  attention,
  attentionDetails,
  attentionSync,
  KeyValueCache,
  MultiHeadAttention,
  mergeAttention,
  packedAttention,
  packWeight,
  project,
  projectSync,
  Tensor,
} from '../../../../lib/index.js';
import { cpu, randomProblem } from '../problems.js';

function filled(...dims: number[]): Tensor {
  const size = dims.reduce((product, length) => product * length, 1);
  return new Tensor('float32', new Float32Array(size).fill(0.1), dims);
}

const tokens = filled(1, 2, 16, 16);
// An emulated GPU is slow.
const large = cudaStatus().emulated ? filled(1, 2, 64, 32) : filled(1, 4, 1024, 32);
const flat = filled(1, 4, 16);
const weight = filled(16, 16);

function layer(): MultiHeadAttention {
  const linear = { weight };
  return new MultiHeadAttention({ query: linear, key: linear, value: linear, output: linear }, { heads: 2 });
}

/** Synchronous calls run repeatedly; promises run one after the other, so that the event loop turns. */
const kinds: Record<string, () => () => unknown> = {
  short: () => () => attention(tokens, tokens, tokens),
  // With a signal, even the shortest operation runs on a thread.
  threaded: () => {
    const { signal } = new AbortController();
    return () => Promise.all(Array.from({ length: 20 }, () => attention(tokens, tokens, tokens, { signal })));
  },
  aborted: () => () => {
    const controller = new AbortController();
    const running = attention(large, large, large, { signal: controller.signal });
    setImmediate(() => controller.abort());
    return running.catch(() => undefined);
  },
  long: () => () => attention(large, large, large),
  together: () => () =>
    Promise.all([large, tokens, large, tokens].map((each) => attention(each, each, each))),
  synchronous: () => () => {
    attentionSync(tokens, tokens, tokens);
    attentionSync(large, large, large);
  },
  projected: () => () => project(flat, weight),
  // Handles that are disposed, that are collected, and that remain when the environment ends.
  packed: () => {
    const kept: unknown[] = [];
    return () => {
      packWeight(weight).dispose();
      packWeight(weight);
      if (kept.length < 10) kept.push(packWeight(weight));
      return projectSync(flat, packWeight(weight));
    };
  },
  layer: () => {
    const made = layer();
    return () => made.forward(flat);
  },
  layers: () => () => layer().forward(flat),
  cached: () => {
    const made = layer();
    const empty = () =>
      new KeyValueCache({ batch: 1, heads: 2, width: 8, capacity: 64, location: made.location });
    let cache = empty();
    return async () => {
      if (cache.lengths[0] + 4 > 64) {
        cache.dispose();
        cache = empty();
      }
      await made.forward(flat, { cache });
    };
  },
  merged: () => {
    const part = { output: filled(1, 2, 4, 8), logSumExp: filled(1, 2, 4) };
    return () => mergeAttention([part, part]);
  },
  sequences: () => {
    const rows = filled(12, 2, 8);
    return () => packedAttention(rows, rows, rows, { queryStarts: [0, 4, 12] });
  },
  // Tensors on a device, if there is one: transfers, enqueued operations, freed memory.
  ...(cudaStatus().devices.length > 0 && {
    device: () => async () => {
      const there = await tokens.to('cuda');
      const result = await attention(there, there, there);
      await result.to('cpu');
      there.dispose();
    },
  }),
  details: () => () => attentionDetails(tokens, tokens, tokens, { include: ['weights'] }),
  // Errors in the addon become JavaScript errors, even if no code can catch them any more.
  refused: () => {
    const problem = randomProblem({ queries: 5, keys: 5 });
    const broken = { ...problem, query: { ...problem.query, headStride: 1e9 } };
    return () =>
      cpu()
        .solve([broken])
        .catch(() => undefined);
  },
};

export const endlessKinds = Object.keys(kinds);

export async function work(kind: string): Promise<void> {
  if (kind === 'loading') return;
  const step = kinds[kind]();
  for (let i = 0; ; i++) {
    await step();
    // Promises that resolve at once would never let the event loop turn.
    if (i % 50 === 0) await new Promise(setImmediate);
  }
}

if (parentPort !== null && typeof workerData === 'string') {
  parentPort.postMessage('loaded');
  void work(workerData);
}
