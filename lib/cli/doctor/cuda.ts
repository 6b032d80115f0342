/** Which GPUs there are, or why none is used. */
import { cudaStatus } from '../../backends/native/native.js';
import type { Finding, Section } from './finding.js';

const gibibyte = 2 ** 30;

export function examineCuda(): Section {
  const { compiled, emulated, reason, driver, runtime, devices } = cudaStatus();
  const gpus: Finding[] = devices.map(({ name, computeCapability, memory, multiprocessors }, index) => ({
    name: `cuda:${index}`,
    value:
      `${name}, compute capability ${computeCapability}, ${(memory / gibibyte).toFixed(1)} GiB, ` +
      `${multiprocessors} multiprocessors`,
  }));
  const findings: Finding[] = [
    { name: 'in this build', value: compiled ? 'yes' : 'no' },
    ...(emulated ? [{ name: 'note', value: 'the GPU is emulated on the processor, as in tests' }] : []),
    ...(driver === undefined ? [] : [{ name: 'driver', value: driver }]),
    ...(runtime === undefined ? [] : [{ name: 'runtime', value: runtime }]),
    ...gpus,
  ];
  if (gpus.length === 0) findings.push({ name: 'no GPU is used', value: reason ?? 'no device was found' });
  return { title: 'CUDA', findings };
}
