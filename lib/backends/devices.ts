/** What heed can compute on, and the memory of devices. */
import { cpus } from 'node:os';
import { expectLocation } from '../checks/location.js';
import { integerBetween } from '../checks/values.js';
import { HeedError } from '../errors.js';
import { type FloatType, floatTypes, type Location } from '../tensor/types.js';
import { chooseBackend } from './choose.js';
import type { DeviceMemoryStatistics } from './native/addon.js';
import type { CudaDevice } from './native/cuda-device.js';
import { cudaDevice, cudaStatus, nativeBackend, nativeStatus } from './native/native.js';
import { referenceBackend } from './reference/backend.js';

export type { DeviceMemoryStatistics as DeviceMemory } from './native/addon.js';

/** Something that heed can compute on, or why it cannot. */
export interface DeviceInfo {
  /** The name that options.backend takes. */
  readonly backend: 'cuda' | 'cpu' | 'reference';
  /** The location of the tensors that it computes with, as `to()` takes it. */
  readonly location: Location;
  /** The processor's name, or the GPU's. */
  readonly name: string;
  /** Whether operations can run here; `reason` says why not. */
  readonly available: boolean;
  /** Why it is not available. */
  readonly reason?: string;
  /** Whether operations on float32 tensors in the memory of the CPU run here by default. */
  readonly preferred: boolean;
  /** The floating-point types that it computes with. */
  readonly types: readonly FloatType[];
  /** The number of CPU threads that compute; 0 for a GPU, and for what is not available. */
  readonly threads: number;
  /**
   * Of the native kernels: 'baseline', 'avx2', 'avxvnni', 'avx512', 'avx512vnni' or 'avx512bf16', on arm64
   * 'baseline' or 'dotprod'.
   */
  readonly instructionSet?: string;
  /** Of a GPU, such as '9.0'. */
  readonly computeCapability?: string;
  /** Of a GPU, in bytes. */
  readonly memory?: number;
  /** Of a GPU. */
  readonly multiprocessors?: number;
}

function nativeDevice(name: string, preferred: boolean): DeviceInfo {
  const backend = nativeBackend();
  const { why, instructionSet, threads } = nativeStatus();
  const where = { backend: 'cpu', location: 'cpu', name, preferred } as const;
  if (backend === undefined) {
    const reason = why ?? 'the native addon could not be loaded';
    return { ...where, available: false, reason, types: [], threads: 0 };
  }
  return {
    ...where,
    available: true,
    types: floatTypes.filter((type) => backend.supports(type)),
    threads: threads ?? 1,
    ...(instructionSet !== undefined && { instructionSet }),
  };
}

function cudaDevices(preferred: boolean): DeviceInfo[] {
  return cudaStatus().devices.map((device, index) => ({
    backend: 'cuda',
    location: `cuda:${index}`,
    available: true,
    preferred: preferred && index === 0,
    types: ['float32', 'float16', 'bfloat16'],
    threads: 0,
    ...device,
  }));
}

/** Why there is no GPU to compute on. */
function missingCuda(): DeviceInfo {
  const { reason, compiled } = cudaStatus();
  return {
    backend: 'cuda',
    location: 'cuda:0',
    name: 'CUDA',
    available: false,
    reason: reason ?? (compiled ? 'no device was found' : 'the addon was built without CUDA'),
    preferred: false,
    types: [],
    threads: 0,
  };
}

/**
 * The devices of this machine, best first, and which of them operations use by default. A device that cannot
 * be used says why.
 *
 * @throws HeedError HEED_ENVIRONMENT, or HEED_NO_NATIVE or HEED_NO_CUDA if HEED_BACKEND requires a backend that is not available
 */
export function devices(): DeviceInfo[] {
  const name = cpus()[0]?.model.trim() ?? 'unknown processor';
  const preferred = chooseBackend(undefined, 'float32').name;
  const gpus = cudaDevices(preferred === 'cuda');
  return [
    ...gpus,
    nativeDevice(name, preferred === 'cpu'),
    {
      backend: 'reference',
      location: 'cpu',
      name,
      available: true,
      preferred: preferred === 'reference',
      types: floatTypes.filter((type) => referenceBackend.supports(type)),
      threads: 1,
    },
    ...(gpus.length === 0 ? [missingCuda()] : []),
  ];
}

function deviceAt(location: unknown): CudaDevice {
  const place = expectLocation(location, 'location');
  if (place !== 'cpu') return cudaDevice(place);
  throw new HeedError(
    'HEED_INVALID_ARGUMENT',
    "Expected location to be that of a device, 'cuda' or 'cuda:' and a number, received 'cpu'",
  );
}

/**
 * How the memory of a device is used.
 *
 * @throws HeedError HEED_NO_CUDA, HEED_INVALID_ARGUMENT, HEED_DEVICE_LOST
 *
 * @example
 * const { used, cached } = deviceMemory('cuda');
 */
export function deviceMemory(location: Location = 'cuda'): DeviceMemoryStatistics {
  return deviceAt(location).statistics;
}

/**
 * Limits the memory of a device that this process may hold. An allocation beyond the limit fails with
 * HEED_OUT_OF_MEMORY; existing tensors stay usable.
 *
 * @param bytes a non-negative integer, or Infinity for no limit
 * @throws HeedError HEED_NO_CUDA, HEED_INVALID_ARGUMENT
 */
export function limitDeviceMemory(bytes: number, location: Location = 'cuda'): void {
  const most = Number.MAX_SAFE_INTEGER;
  const limit = bytes === Number.POSITIVE_INFINITY ? most : integerBetween(bytes, 'bytes', 0, most);
  deviceAt(location).limit(limit);
}

/**
 * Returns the device memory that heed caches for later allocations to the driver, where other processes can
 * use it.
 *
 * @throws HeedError HEED_NO_CUDA, HEED_INVALID_ARGUMENT
 */
export function trimDeviceMemory(location: Location = 'cuda'): void {
  deviceAt(location).trim();
}
