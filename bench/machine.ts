/** Describes the machine on which a run measures. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, platform, totalmem } from 'node:os';
import { nativeStatus } from '../lib/backends/native/native.js';
import { packageRoot, version } from '../lib/package-root.js';
import { measureLimit } from './limits.js';
import type { Machine, Peaks } from './results.js';
import type { Work } from './row.js';

export function describeHeed(): string {
  const { status, stdout } = spawnSync('git', ['describe', '--always', '--dirty', '--exclude=*'], {
    cwd: packageRoot,
    encoding: 'utf8',
  });
  return status === 0 ? `${version} (${stdout.trim()})` : version;
}

/** Available on Linux only. */
function cacheSizes(): Record<string, string> {
  const sizes: Record<string, string> = {};
  for (let index = 0; index < 4; index++) {
    const read = (file: string) =>
      readFileSync(`/sys/devices/system/cpu/cpu0/cache/index${index}/${file}`, 'utf8').trim();
    try {
      if (read('type') !== 'Instruction') sizes[`L${read('level')}`] = read('size');
    } catch {
      break;
    }
  }
  return sizes;
}

/** Fits into a cache of any processor. */
const cachedBytes = 2 ** 18;

function measurePeaks(instructionSet: string, threads: number): Peaks {
  const peak = (work: Work) => measureLimit(work, instructionSet, threads);
  const operations = peak({ limit: 'multiply-adds', operations: 0 });
  const cached = peak({ limit: 'reading from cache', bytes: cachedBytes });
  const read = peak({ limit: 'reading from memory', bytes: 0 });
  return {
    threads,
    ...(operations && { multiplyAddOperations: operations }),
    ...(cached && { bytesFromCache: cached }),
    ...(read && { bytesFromMemory: read }),
  };
}

export function describeMachine(threadCounts: readonly number[]): Machine {
  const { instructionSet = 'none' } = nativeStatus();
  return {
    processor: cpus()[0].model.trim(),
    cores: availableParallelism(),
    caches: cacheSizes(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${arch()}`,
    node: process.version,
    instructionSet,
    peaks: threadCounts.map((threads) => measurePeaks(instructionSet, threads)),
  };
}
