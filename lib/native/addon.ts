/** The exports of the addon (native/addon/module.cc). */
import type { StoredArray } from '../problem.js';
import type { TypedArray } from '../tensor-type.js';

/** A packed weight: memory of the addon's. */
export interface External {
  readonly external: unique symbol;
}

/** Memory of a device: the addon's, too. It is freed when told to, and when this is collected. */
export interface DeviceMemory {
  readonly deviceMemory: unique symbol;
}

/** What the numbers of encoded problems refer to by index. */
export type Buffers = (StoredArray | External | DeviceMemory)[];

/** Errors from the addon have one of heed's codes. */
export interface AddonError extends Error {
  readonly code?: unknown;
}

/** A GPU, or what stands in for one. */
export interface CudaDeviceDescription {
  readonly name: string;
  /** Such as '9.0'. */
  readonly computeCapability: string;
  /** Bytes. */
  readonly memory: number;
  readonly multiprocessors: number;
}

/** What there is of CUDA. */
export interface CudaDescription {
  /** Whether the addon was built with the cuda backend. */
  readonly compiled: boolean;
  /** Whether kernels run on the CPU, as in tests. */
  readonly emulated: boolean;
  /** Why there is no device. */
  readonly reason?: string;
  /** Versions. */
  readonly driver?: string;
  readonly runtime?: string;
  readonly devices: readonly CudaDeviceDescription[];
}

/** How the memory of a device is used, in bytes. */
export interface DeviceMemoryStatistics {
  /** What tensors, weights, caches and operations under way hold in this process. */
  readonly used: number;
  /** What was let go and is kept for what comes next, in this process. */
  readonly cached: number;
  /** The most that was ever used. */
  readonly peak: number;
  /** How much may be used and cached together: see `limitDeviceMemory`. */
  readonly limit: number;
  /** What the driver still has, for all processes. */
  readonly free: number;
  /** What the device has. */
  readonly total: number;
}

/** Told of the end of an operation, on the JavaScript thread; `error` is undefined where it was solved or cancelled. */
export type OnEnd = (id: number, error: AddonError | undefined) => void;

export interface Addon {
  /** That of the heed it was built from. The two talk to each other in a way of their own, which every version may change. */
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
  /** A single attention by way of whole score matrices, on the CPU: see lib/unfused.ts. */
  solveUnfused(numbers: Float64Array, length: number, buffers: Buffers): void;
  /** Puts an operation on a device's stream and waits for nothing: all buffers are in the device's memory. */
  enqueue(numbers: Float64Array, length: number, buffers: Buffers, device: number): void;
  /** The operation still ends the usual way, only sooner. */
  cancel(id: number): void;
  packWeight(data: TypedArray, type: number, columns: number, inner: number): External;
  packedByteLength(weight: External): number;
  disposeWeight(weight: External): void;
  cuda(): CudaDescription;
  /** Nothing is written in it yet. */
  allocateOnDevice(device: number, bytes: number): DeviceMemory;
  /** Operations that were started before keep what they need. */
  disposeDeviceMemory(memory: DeviceMemory): void;
  /** Enqueued, as all that follows. */
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
  /** Its end is told, as that of an operation. */
  upload(from: StoredArray, to: DeviceMemory, offset: number, onEnd: OnEnd): number;
  download(from: DeviceMemory, offset: number, to: StoredArray, onEnd: OnEnd): number;
  /** Returns once the host's memory is read: what is enqueued later finds it there. */
  uploadSync(from: StoredArray, to: DeviceMemory, offset: number): void;
  /** Waits for all that was enqueued. */
  downloadSync(from: DeviceMemory, offset: number, to: StoredArray): void;
  deviceMemoryStatistics(device: number): DeviceMemoryStatistics;
  setDeviceMemoryLimit(device: number, bytes: number): void;
  /** Gives memory that is kept for later back to the driver. */
  trimDeviceMemory(device: number): void;
  /** Best last. */
  availableInstructionSets(): string[];
  instructionSet(): string;
  setInstructionSet(name: string): void;
  threads(): number;
  setThreads(count: number): void;
  /** Whether memory stays while an operation runs, even when its ArrayBuffer is transferred. */
  pins(): boolean;
}
