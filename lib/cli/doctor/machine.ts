/** The machine. */
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { glibcVersion } from '../libc.js';
import type { Section } from './finding.js';

/** The features that heed's kernels are compiled for, with Linux's names. */
const features = ['sse4_2', 'avx', 'avx2', 'fma', 'f16c', 'avx512f', 'avx512bw', 'avx512vl', 'asimd'];

export function examineMachine(): Section {
  return {
    title: 'Machine',
    findings: [
      { name: 'Node.js', value: `${process.versions.node} (Node-API ${process.versions.napi})` },
      { name: 'system', value: `${process.platform} ${process.arch}, ${release()}${libc()}` },
      {
        name: 'processor',
        value: `${cpus()[0]?.model.trim() ?? 'unknown'}, ${availableParallelism()} to use of ${cpus().length}`,
      },
      { name: 'has', value: processorFeatures() },
      { name: 'memory', value: `${(totalmem() / 2 ** 30).toFixed(1)} GiB` },
    ],
  };
}

function libc(): string {
  if (process.platform !== 'linux') return '';
  const glibc = glibcVersion();
  return glibc === undefined ? ', no glibc' : `, glibc ${glibc}`;
}

/** Undefined if the system does not report it. */
function flags(): ReadonlySet<string> | undefined {
  try {
    const line = /^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'));
    return new Set(line?.[1].split(/\s+/));
  } catch {
    return undefined;
  }
}

function processorFeatures(): string {
  const known = flags();
  if (known === undefined) return 'unknown on this system';
  return features.filter((feature) => known.has(feature)).join(' ') || 'nothing beyond the baseline';
}

/**
 * The instruction sets of heed's kernels that the processor has; undefined if the system does not report it.
 */
export function processorInstructionSets(): string[] | undefined {
  const known = flags();
  if (known === undefined) return undefined;
  const has = (...needed: string[]) => needed.every((flag) => known.has(flag));
  return [
    'baseline',
    ...(has('avx2', 'fma', 'f16c') ? ['avx2'] : []),
    ...(has('avx512f', 'avx512bw', 'avx512dq', 'avx512vl', 'fma', 'f16c') ? ['avx512'] : []),
  ];
}
