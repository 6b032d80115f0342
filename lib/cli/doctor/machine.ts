/** The machine. */
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { glibcVersion } from '../libc.js';
import { processorFlags } from '../processor.js';
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

function processorFeatures(): string {
  const known = processorFlags();
  if (known === undefined) return 'unknown on this system';
  return features.filter((feature) => known.has(feature)).join(' ') || 'nothing beyond the baseline';
}
