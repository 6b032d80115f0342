/** Measures how time and memory grow with the length of a sequence: quadratically, and not at all. */
import { attention, Tensor } from '../../lib/index.js';
import { Random } from '../random.js';
import { growth, timesOf } from '../statistics.js';

export interface GrowthResult {
  readonly threads: number;
  readonly steps: readonly {
    readonly steps: number;
    /** Median time in milliseconds. */
    readonly time: number;
    /** The growth of the process beyond its inputs and output. */
    readonly extraMiB: number;
  }[];
  /** The slope of log time over log steps. */
  readonly slope: number;
}

export const slopeBar = [1.95, 2.05] as const;
/** The limit for memory of threads and garbage; the scores of the longest sequence would take 768 MiB. */
export const memoryBarMiB = 8;

const heads = 12;
const width = 64;
const secondsEach = 2;

const peakMiB = () => process.resourceUsage().maxRSS / 1024;

async function measure(steps: number, random: Random): Promise<GrowthResult['steps'][number]> {
  const dims = [1, heads, steps, width];
  const draw = () => new Tensor(random.floats(heads * steps * width), dims);
  const [query, key, value, out] = [draw(), draw(), draw(), draw()];
  const before = peakMiB();
  const times: number[] = [];
  const end = performance.now() + 1000 * secondsEach;
  while (times.length < 5 || performance.now() < end) {
    const began = performance.now();
    await attention(query, key, value, { out });
    times.push(performance.now() - began);
  }
  return { steps, time: timesOf(times).median, extraMiB: peakMiB() - before };
}

/** Runs in a process without other measurements, whose peak would hide this one's. */
export async function measureGrowth(seed: string, threads: number): Promise<GrowthResult> {
  const random = new Random(seed, 'growth');
  const steps: GrowthResult['steps'][number][] = [];
  for (const count of [512, 1024, 2048, 4096]) steps.push(await measure(count, random));
  const slope = growth(
    steps.map((entry) => entry.steps),
    steps.map((entry) => entry.time),
  );
  return { threads, steps, slope };
}
