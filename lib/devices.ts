/** What heed can compute on. */
import { cpus } from 'node:os';
import { chooseBackend } from './backends.js';
import { nativeBackend, nativeStatus } from './native.js';
import { referenceBackend } from './reference/backend.js';
import { type FloatType, floatTypes } from './tensor-type.js';

/** Something that heed can compute on, or why it cannot. */
export interface DeviceInfo {
  /** The name that options.backend takes. */
  readonly backend: 'cpu' | 'reference';
  /** The processor's name. */
  readonly name: string;
  /** Whether operations can run here; `reason` says why not. */
  readonly available: boolean;
  /** Why it is not available. */
  readonly reason?: string;
  /** Whether float32 tensors are computed with here when an operation does not name a backend. */
  readonly preferred: boolean;
  /** The floating-point types that it computes with. */
  readonly types: readonly FloatType[];
  /** How many threads compute there; 0 when it is not available. */
  readonly threads: number;
  /** What the native kernels were compiled for: 'baseline', 'avx2' or 'avx512'. */
  readonly instructionSet?: string;
}

function nativeDevice(name: string, preferred: boolean): DeviceInfo {
  const backend = nativeBackend();
  const { why, instructionSet, threads } = nativeStatus();
  if (backend === undefined) {
    const reason = why ?? 'the native addon could not be loaded';
    return { backend: 'cpu', name, available: false, reason, preferred, types: [], threads: 0 };
  }
  return {
    backend: 'cpu',
    name,
    available: true,
    preferred,
    types: floatTypes.filter((type) => backend.supports(type)),
    threads: threads ?? 1,
    ...(instructionSet !== undefined && { instructionSet }),
  };
}

/**
 * What is here, best first, and what heed will use.
 *
 * @throws HeedError HEED_ENVIRONMENT, or HEED_NO_NATIVE when HEED_BACKEND demands what is not there
 */
export function devices(): DeviceInfo[] {
  const name = cpus()[0]?.model.trim() ?? 'unknown processor';
  const preferred = chooseBackend(undefined, 'float32').name;
  return [
    nativeDevice(name, preferred === 'cpu'),
    {
      backend: 'reference',
      name,
      available: true,
      preferred: preferred === 'reference',
      types: floatTypes.filter((type) => referenceBackend.supports(type)),
      threads: 1,
    },
  ];
}
