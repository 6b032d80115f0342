/**
 * The limits of the machine, measured by heed_machine (bench/native) along with each row, because peaks
 * change over time.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../lib/package-root.js';
import type { LimitResult } from './results.js';
import type { Work } from './row.js';
import type { Times } from './statistics.js';

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

export function limitResult(work: Work, perSecond: number, times: Times, bar?: number): LimitResult {
  const amount = 'bytes' in work ? work.bytes : work.operations;
  const share = (milliseconds: number) => amount / (milliseconds / 1000) / perSecond;
  return {
    work,
    perSecond,
    share: share(times.median),
    bestShare: share(times.shortest),
    ...(bar !== undefined && { bar }),
  };
}
