/** Measures both layers, and attention alone against attention that writes its scores to memory. */
import { chooseBackend } from '../backends/choose.js';
import { solve } from '../backends/operation.js';
import { solveUnfused } from '../backends/unfused.js';
import type { AttentionProblem, View } from '../problem/problem.js';
import { embeddingWidth } from './embedding.js';
import { layers, widths } from './heads.js';
import type { TwoLayers } from './two-layers.js';

/** Seconds in the middle of many runs, and what was computed in each. */
export interface Measured {
  readonly seconds: number;
  /** Multiplications and additions. */
  readonly operations: number;
}

export interface Speed {
  readonly layers: Measured;
  readonly fused: Measured;
  readonly unfused: Measured;
}

const mostRounds = 25;
const enoughSeconds = 1.5;

/**
 * Runs the three in turn, so that other load on the machine affects them alike.
 *
 * @param onRound called after each round with the share of the work that is done
 */
export async function measureSpeed(
  model: TwoLayers,
  vectors: Float32Array,
  causal: boolean,
  onRound: (share: number) => void,
): Promise<Speed> {
  const words = vectors.length / embeddingWidth;
  const problem = attentionProblem(words, causal);
  const backend = chooseBackend(undefined, 'float32');
  const runs: Record<keyof Speed, () => Promise<unknown>> = {
    layers: () => model.forward(vectors),
    fused: () => solve(backend, [problem]),
    unfused: async () => solveUnfused(backend, problem),
  };
  const times: Record<keyof Speed, number[]> = { layers: [], fused: [], unfused: [] };
  const names = ['layers', 'fused', 'unfused'] as const;
  let spent = 0;
  for (let round = 0; round < mostRounds && (round < 2 || spent < enoughSeconds); round++) {
    for (const name of names) {
      const began = performance.now();
      await runs[name]();
      const seconds = (performance.now() - began) / 1000;
      times[name].push(seconds);
      spent += seconds;
    }
    onRound(Math.max((round + 1) / mostRounds, spent / enoughSeconds));
  }
  // The first run of each had cold caches, and memory that the system had not yet allocated.
  for (const name of names) times[name].shift();
  const attention = attentionOperations(words, layers[0].heads.length, widths.first + widths.value, causal);
  return {
    layers: { seconds: median(times.layers), operations: layerOperations(words, causal) },
    fused: { seconds: median(times.fused), operations: attention },
    unfused: { seconds: median(times.unfused), operations: attention },
  };
}

/** Attention of the first layer's shape; how long it takes does not depend on what the numbers are. */
function attentionProblem(words: number, causal: boolean): AttentionProblem {
  const heads = layers[0].heads.length;
  const view = (width: number): View => ({
    data: Float32Array.from({ length: heads * words * width }, () => Math.random() - 0.5),
    type: 'float32',
    batchStride: heads * words * width,
    headStride: words * width,
    stepStride: width,
  });
  return {
    kind: 'attention',
    queryHeads: heads,
    keyHeads: heads,
    width: widths.first,
    valueWidth: widths.value,
    query: view(widths.first),
    key: view(widths.first),
    value: view(widths.value),
    output: view(widths.value),
    sequences: [{ queryStart: 0, querySteps: words, keyStart: 0, keySteps: words, queryOffset: 0 }],
    scoring: {
      score: { kind: 'product' },
      scale: 1 / Math.sqrt(widths.first),
      softcap: 0,
      window: { left: Number.POSITIVE_INFINITY, right: causal ? 0 : Number.POSITIVE_INFINITY },
      alibiDistance: 'signed',
      select: { kind: 'soft' },
    },
  };
}

/** Of every pair of words that may look at each other: a product for the score, a product for the value. */
function attentionOperations(words: number, heads: number, perPair: number, causal: boolean): number {
  const pairs = causal ? (words * (words + 1)) / 2 : words * words;
  return 2 * heads * perPair * pairs;
}

function layerOperations(words: number, causal: boolean): number {
  const [first, second] = layers;
  const projected =
    first.heads.length * (2 * widths.first + 2 * widths.value) +
    second.heads.length * (2 * widths.second + widths.value);
  return (
    2 * words * embeddingWidth * projected +
    attentionOperations(words, first.heads.length, widths.first + widths.value, causal) +
    attentionOperations(
      words,
      second.heads.length,
      widths.second + widths.value,
      causal || second.alwaysCausal,
    )
  );
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
