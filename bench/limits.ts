/**
 * The limits of the machine, measured by heed_machine (bench/native) along with each row, because peaks
 * change over time.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../lib/package-root.js';
import type { Work } from './row.js';
import type { Times } from './statistics.js';

export interface LimitResult {
  readonly work: Work;
  /** The limit of the machine in operations or bytes per second, measured along with the row. */
  readonly perSecond: number;
  /** The share of it that heed reaches, by its median time and by its shortest. */
  readonly share: number;
  readonly bestShare: number;
  readonly bar?: number;
}

/** The folder in which bench/setup.mjs builds. */
export const toolFolder = join(packageRoot, 'build', 'bench');

const lanesOf: Readonly<Record<string, number>> = {
  baseline: 4,
  avx2: 8,
  avxvnni: 8,
  avx512: 16,
  avx512vnni: 16,
  avx512bf16: 16,
};
/** Larger than any cache. */
export const bytesBeyondCaches = 2 ** 29;

/** Operations or bytes per second; undefined without the tool, which needs CMake. */
export function measureLimit(work: Work, instructionSet: string, threads: number): number | undefined {
  const lanes = String(lanesOf[instructionSet] ?? 4);
  const what =
    'bytes' in work
      ? [
          'read',
          lanes,
          String(threads),
          String(work.limit === 'reading from memory' ? bytesBeyondCaches : work.bytes),
        ]
      : [work.limit === 'multiply-adds' ? 'fma' : 'pairs', lanes, String(threads)];
  const { status, stdout } = spawnSync(join(toolFolder, 'heed_machine'), what, { encoding: 'utf8' });
  return status === 0 ? (JSON.parse(stdout) as { perSecond: number }).perSecond : undefined;
}

/** A kind of work with the limit of the machine for it, in operations or bytes per second. */
export interface MeasuredLimit {
  readonly work: Work;
  readonly perSecond: number;
}

/** What of a row would take longest, if each kind of its work went on alone at the machine's limit. */
export function limitResult(
  limits: readonly [MeasuredLimit, ...MeasuredLimit[]],
  times: Times,
  bar?: number,
): LimitResult {
  const secondsOf = ({ work, perSecond }: MeasuredLimit) =>
    ('bytes' in work ? work.bytes : work.operations) / perSecond;
  const [longest] = limits.toSorted((a, b) => secondsOf(b) - secondsOf(a));
  const share = (milliseconds: number) => secondsOf(longest) / (milliseconds / 1000);
  return {
    ...longest,
    share: share(times.median),
    bestShare: share(times.shortest),
    ...(bar !== undefined && { bar }),
  };
}
