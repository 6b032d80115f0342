/** The exports of the addon (native/addon/module.cc), and its errors as HeedErrors. */
import { HeedError, type HeedErrorCode } from '../../errors.js';
import type { DeviceMemory, HostArray } from '../../memory/device.js';

/** A packed weight, in the addon's memory. */
export interface External {
  readonly external: unique symbol;
}

/** The buffers that encoded problems refer to by index. */
export type Buffers = (HostArray | External | DeviceMemory)[];

/** Errors of the addon have one of heed's codes. */
export interface AddonError extends Error {
  readonly code?: unknown;
}

/** A GPU, or an emulated one. */
export interface CudaDeviceDescription {
  readonly name: string;
  /** Such as '9.0'. */
  readonly computeCapability: string;
  /** Bytes. */
  readonly memory: number;
  readonly multiprocessors: number;
}

/** The state of the cuda backend. */
export interface CudaDescription {
  /** Whether the addon was built with the cuda backend. */
  readonly compiled: boolean;
  /** Whether kernels run on the CPU, as in tests. */
  readonly emulated: boolean;
  /** Why there is no device. */
  readonly reason?: string;
  /** Versions of CUDA: the driver's, and the one that the addon is built with. */
  readonly driver?: string;
  readonly runtime?: string;
  /** The driver that the addon needs, in words. */
  readonly needed?: string;
  /** Whether a GPU is not used because the driver is too old. */
  readonly outdated?: boolean;
  readonly devices: readonly CudaDeviceDescription[];
  /** The numbers of devices for which the driver compiles each kernel at its first use. */
  readonly compiling?: readonly number[];
}

/** How the memory of a device is used, in bytes. */
export interface DeviceMemoryStatistics {
  /** The bytes that tensors, weights, caches and running operations of this process hold. */
  readonly used: number;
  /** The bytes that were released and are cached for later allocations, in this process. */
  readonly cached: number;
  /** The most bytes that were ever in use. */
  readonly peak: number;
  /** The most bytes that may be used and cached together: see `limitDeviceMemory`. */
  readonly limit: number;
  /** The free bytes of the device, for all processes. */
  readonly free: number;
  /** The bytes of the device. */
  readonly total: number;
}

/**
 * Called at the end of an operation, on the JavaScript thread; `error` is undefined if it was solved or
 * cancelled.
 */
export type OnEnd = (id: number, error: AddonError | undefined) => void;

export interface Addon {
  /** The version of heed that it was built from. Every version may change the interface between the two. */
  readonly version: string;
  /**
   * Starts an operation: the first `length` numbers are problems as native/addon/wire/format.h describes them. `device` −1 is
   * the CPU; elsewhere, `written` are the indices of those host arrays among the buffers that come back changed.
   */
  solve(
    numbers: Float64Array,
    length: number,
    buffers: Buffers,
    device: number,
    written: readonly number[],
    onEnd: OnEnd,
  ): number;
  /** `alone`: on the calling thread only. */
  solveSync(
    numbers: Float64Array,
    length: number,
    buffers: Buffers,
    alone: boolean,
    device: number,
    written: readonly number[],
  ): void;
  /** A single attention by way of whole score matrices, on the CPU: see ../unfused.ts. */
  solveUnfused(numbers: Float64Array, length: number, buffers: Buffers): void;
  /** Puts an operation on a device's stream and waits for nothing: all buffers are in the device's memory. */
  enqueue(numbers: Float64Array, length: number, buffers: Buffers, device: number): void;
  /** The operation still ends as usual, only sooner. */
  cancel(id: number): void;
  /** Scales and the size of groups only of quantised weights: see lib/problem/quantised-weight.ts. */
  packWeight(
    values: HostArray,
    type: number,
    columns: number,
    inner: number,
    scales?: Float32Array,
    groupSize?: number,
  ): External;
  packedByteLength(weight: External): number;
  disposeWeight(weight: External): void;
  cuda(): CudaDescription;
  /** Its content is undefined. */
  allocateOnDevice(device: number, bytes: number): DeviceMemory;
  /** Operations that were started before keep the memory that they need. */
  disposeDeviceMemory(memory: DeviceMemory): void;
  /** Enqueued on the stream, like everything below. */
  clearDeviceMemory(memory: DeviceMemory): void;
  /** `rows` pieces of `bytes` bytes, pitches from one to the next. */
  copyOnDevice(
    from: DeviceMemory,
    fromOffset: number,
    to: DeviceMemory,
    toOffset: number,
    bytes: number,
    rows: number,
    fromPitch: number,
    toPitch: number,
  ): void;
  /** Its end is reported like that of an operation. */
  upload(from: HostArray, to: DeviceMemory, offset: number, onEnd: OnEnd): number;
  download(from: DeviceMemory, offset: number, to: HostArray, onEnd: OnEnd): number;
  /** Returns once the host's memory has been read: work that is enqueued later sees the data. */
  uploadSync(from: HostArray, to: DeviceMemory, offset: number): void;
  /** Waits for all enqueued work. */
  downloadSync(from: DeviceMemory, offset: number, to: HostArray): void;
  deviceMemoryStatistics(device: number): DeviceMemoryStatistics;
  setDeviceMemoryLimit(device: number, bytes: number): void;
  /** Returns cached memory to the driver. */
  trimDeviceMemory(device: number): void;
  /** Best last. */
  availableInstructionSets(): string[];
  instructionSet(): string;
  setInstructionSet(name: string): void;
  threads(): number;
  setThreads(count: number): void;
  /** Whether memory stays valid while an operation runs, even if its ArrayBuffer is transferred. */
  pins(): boolean;
}

/** Errors with these codes keep their message. */
const explained: readonly unknown[] = [
  'HEED_OUT_OF_MEMORY',
  'HEED_UNSUPPORTED',
  'HEED_NO_CUDA',
  'HEED_DEVICE_LOST',
  'HEED_DEVICE',
] satisfies HeedErrorCode[];

export function toHeedError(error: unknown): HeedError {
  const { code, message } = error as AddonError;
  if (explained.includes(code)) return new HeedError(code as HeedErrorCode, message, { cause: error });
  return new HeedError('HEED_NATIVE', `The native backend failed: ${message}`, { cause: error });
}

/** Calls the addon, and throws its error as one of heed's. */
export function callAddon<Result>(call: () => Result): Result {
  try {
    return call();
  } catch (error) {
    throw toHeedError(error);
  }
}
