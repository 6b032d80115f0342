/** Describes in words the machine that results come from. */
import type { Peaks, Results } from '../results.js';

function peaks({ threads, multiplyAddOperations, bytesFromCache, bytesFromMemory }: Peaks): string {
  const giga = (perSecond: number | undefined) => (perSecond ? (perSecond / 1e9).toPrecision(3) : '?');
  return (
    `${threads} thread${threads === 1 ? '' : 's'}: multiply-adds ${giga(multiplyAddOperations)} GFLOP/s, ` +
    `reading ${giga(bytesFromCache)} GB/s from cache and ${giga(bytesFromMemory)} GB/s from memory`
  );
}

export function provenance({ heed, date, seed, machine, peers }: Results): string[] {
  const { processor, cores, caches, memoryGiB, system, node, instructionSet } = machine;
  const sizes = Object.entries(caches).map(([level, size]) => `${level} ${size}`);
  return [
    `heed ${heed} on ${date.slice(0, 10)}, seed ${seed}`,
    `${processor}, ${cores} cores (${sizes.join(', ')}), ${instructionSet}, ${memoryGiB} GiB, ${system}, node ${node}`,
    Object.entries(peers)
      .map(([name, version]) => `${name} ${version}`)
      .join(', '),
    ...machine.peaks.map(peaks),
  ];
}
