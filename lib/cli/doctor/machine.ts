/** What computes: the machine, its GPUs, and the backend, and whether that computes what the reference does. */
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { devices } from '../../backends/devices.js';
import { cudaStatus } from '../../backends/native/native.js';
import { HeedError } from '../../errors.js';
import { compareWithReference } from '../addon/agreement.js';
import { glibcVersion } from '../addon/portrait.js';
import { processorFlags } from '../processor.js';
import type { Finding, Section } from './finding.js';

/** The features that heed's kernels are compiled for, with Linux's names. */
const features = [
  'sse4_2',
  'avx',
  'avx2',
  'fma',
  'f16c',
  'avx512f',
  'avx512bw',
  'avx512vl',
  'avx_vnni',
  'avx512_vnni',
  'avx512_bf16',
  'asimd',
  'asimddp',
];

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

const gibibyte = 2 ** 30;

export function examineCuda(): Section {
  const { compiled, emulated, reason, driver, runtime, needed, outdated, devices, compiling } = cudaStatus();
  const gpus: Finding[] = devices.map(({ name, computeCapability, memory, multiprocessors }, index) => ({
    name: `cuda:${index}`,
    value:
      `${name}, compute capability ${computeCapability}, ${(memory / gibibyte).toFixed(1)} GiB, ` +
      `${multiprocessors} multiprocessors` +
      (compiling?.includes(index) ? '; the driver compiles kernels for it at their first use' : ''),
  }));
  const findings: Finding[] = [
    { name: 'in this build', value: compiled ? 'yes' : 'no' },
    ...(emulated ? [{ name: 'note', value: 'the GPU is emulated on the processor, as in tests' }] : []),
    ...(runtime === undefined ? [] : [{ name: 'built with', value: `CUDA ${runtime}` }]),
    ...(needed === undefined ? [] : [{ name: 'needs a driver', value: needed }]),
    ...(driver === undefined ? [] : [{ name: 'driver', value: `for CUDA ${driver}` }]),
    ...gpus,
  ];
  // A machine without a GPU is in order, and so is one that uses another GPU.
  const value = reason ?? 'no device was found';
  if (outdated) {
    const remedy =
      'install a newer NVIDIA driver, or build heed with the CUDA that yours is for: npx heed build';
    findings.push({ name: 'a GPU is not used', value, remedy });
  } else if (gpus.length === 0) {
    findings.push({ name: 'no GPU is used', value });
  }
  return { title: 'CUDA', findings };
}

export function examineBackend(): Section {
  try {
    const preferred = devices().find((device) => device.preferred);
    const backend = preferred?.backend ?? 'reference';
    const findings: Finding[] = [
      { name: 'chosen', value: `${backend} backend, for ${preferred?.types.join(', ')}` },
      ...(backend === 'reference'
        ? [{ name: 'note', value: 'the reference backend is correct, and slow' }]
        : [
            { name: 'note', value: 'the reference backend computes with float64' },
            ...checkAgainstReference(backend),
          ]),
    ];
    return { title: 'Backend', findings };
  } catch (error) {
    if (!(error instanceof HeedError)) throw error;
    return { title: 'Backend', findings: [{ name: 'chosen', value: 'none', remedy: error.message }] };
  }
}

function checkAgainstReference(backend: 'cuda' | 'cpu'): Finding[] {
  return compareWithReference(backend).map(({ name, error, agrees }) => {
    if (agrees) return { name, value: `agrees with the reference: error ${error.toExponential(1)}` };
    return {
      name,
      value: `differs from the reference: error ${error.toExponential(1)}`,
      remedy: `this build of heed computes wrong results: rebuild it (npx heed build --force), and use HEED_BACKEND=reference until then`,
    };
  });
}
