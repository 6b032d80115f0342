/** What these measurements were made on. */
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, platform, release, totalmem } from 'node:os';
import type { Machine } from './results.js';

/** Linux tells; elsewhere nothing is known. */
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

export function describeMachine(): Machine {
  return {
    processor: cpus()[0].model.trim(),
    cores: availableParallelism(),
    caches: cacheSizes(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()}`,
    node: process.version,
  };
}
