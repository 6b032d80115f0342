/** The interface to the native addon. Only this file and those under native/ access the addon. */

import { integerBetween, invalid } from '../../checks/values.js';
import { debug, environment } from '../../environment.js';
import { HeedError } from '../../errors.js';
import { allowedBy, type InstructionSet } from '../../instruction-sets.js';
import { provideDevices } from '../../memory/device.js';
import type { Location } from '../../tensor/types.js';
import type { Backend } from '../backend.js';
import type { Addon, CudaDescription } from './addon.js';
import { cpuBackend } from './cpu-backend.js';
import { cudaBackend } from './cuda-backend.js';
import { CudaDevice } from './cuda-device.js';
import { type Loaded, loadAddon, loadEmulatedAddon } from './load.js';
import { Operations } from './operations.js';

/** The result of loading the addon. */
export interface NativeStatus {
  readonly loaded: boolean;
  readonly path?: string;
  /** Every place where no usable addon was found, and why. */
  readonly tried: readonly string[];
  /** Why it is not loaded. */
  readonly why?: string;
  readonly instructionSet?: string;
  readonly threads?: number;
}

/** A device and its backend. */
interface Cuda {
  readonly device: CudaDevice;
  readonly backend: Backend;
}

interface Native extends Loaded {
  readonly backend?: Backend;
  readonly operations?: Operations;
  /** The devices that were requested, by number. */
  readonly cuda: Map<number, Cuda>;
}

let known: Native | undefined;

/** HEED_CPU_ISA names the best instruction set that may be used: a processor may not have it. */
function limitInstructionSet(addon: Addon, best: InstructionSet): void {
  const allowed = allowedBy(best, addon.availableInstructionSets());
  addon.setInstructionSet(allowed[allowed.length - 1]);
}

function native(): Native {
  if (known !== undefined) return known;
  const { instructionSet, threads, emulated } = environment();
  const loaded = emulated ? loadEmulatedAddon() : loadAddon();
  const { addon, path, why } = loaded;
  debug(() => (addon ? `loaded ${path}` : `no native backend: ${why}`));
  const cuda = new Map<number, Cuda>();
  if (addon === undefined) {
    known = { ...loaded, cuda };
    return known;
  }
  if (instructionSet !== undefined) limitInstructionSet(addon, instructionSet);
  const operations = new Operations(addon);
  const backend = cpuBackend(addon, operations);
  if (threads !== undefined) addon.setThreads(threads);
  known = { ...loaded, backend, operations, cuda };
  return known;
}

/** Undefined where the addon cannot be loaded; `nativeStatus()` says why. */
export function nativeBackend(): Backend | undefined {
  return native().backend;
}

export function nativeStatus(): NativeStatus {
  const { addon, path, tried, why } = native();
  return {
    loaded: addon !== undefined,
    tried,
    ...(path !== undefined && { path }),
    ...(why !== undefined && { why }),
    ...(addon !== undefined && { instructionSet: addon.instructionSet(), threads: addon.threads() }),
  };
}

/** For what is no backend's: see unfused.ts. */
export function nativeAddon(): Addon | undefined {
  return native().addon;
}

/** Which CUDA devices there are, and why there is none. */
export function cudaStatus(): CudaDescription {
  const { addon, why } = native();
  if (addon !== undefined) return addon.cuda();
  return {
    compiled: false,
    emulated: false,
    reason: `the native addon could not be loaded: ${why}`,
    devices: [],
  };
}

function noCuda(index: number, { devices, reason, compiled }: CudaDescription): HeedError {
  if (devices.length > 0) {
    const all = devices.map((_, i) => `cuda:${i}`).join(', ');
    return new HeedError('HEED_NO_CUDA', `Expected a device cuda:${index}, but there are only ${all}`);
  }
  const why = reason ?? (compiled ? 'no device was found' : 'the addon was built without CUDA');
  return new HeedError(
    'HEED_NO_CUDA',
    `Expected a CUDA device, but there is none: ${why}; to see what is missing, run: npx heed doctor`,
  );
}

function cudaAt(index: number): Cuda {
  const { addon, operations, cuda } = native();
  const there = cuda.get(index);
  if (there !== undefined) return there;
  const status = cudaStatus();
  if (addon === undefined || operations === undefined || index >= status.devices.length)
    throw noCuda(index, status);
  const device = new CudaDevice(addon, operations, index);
  if (status.compiling?.includes(index)) {
    debug(
      () =>
        `cuda:${index} (${status.devices[index].name}): the addon has no machine code for it; the driver compiles ` +
        'each group of kernels at its first use, which takes seconds, and keeps the result for later processes',
    );
  }
  const made = { device, backend: cudaBackend(addon, operations, device) };
  cuda.set(index, made);
  return made;
}

/** The number of a device from its location. */
function indexOf(location: Location): number {
  return Number(location.slice('cuda:'.length));
}

/** Throws HEED_NO_CUDA. */
export function cudaDevice(location: Location): CudaDevice {
  return cudaAt(indexOf(location)).device;
}

/** Throws HEED_NO_CUDA. */
export function cudaBackendAt(location: Location): Backend {
  return cudaAt(indexOf(location)).backend;
}

/**
 * The instruction sets that this processor has and the addon was built with, best last; none without the
 * addon.
 */
export function availableInstructionSets(): string[] {
  return native().addon?.availableInstructionSets() ?? [];
}

export function instructionSet(): string | undefined {
  return native().addon?.instructionSet();
}

/** For the whole process. Existing operations and packed weights keep theirs. */
export function setInstructionSet(name: string): void {
  const { addon } = native();
  const available = availableInstructionSets();
  if (!available.includes(name)) throw invalid('the instruction set', `one of ${available.join(', ')}`, name);
  addon?.setInstructionSet(name);
}

export function threads(): number | undefined {
  return native().addon?.threads();
}

/** For the whole process. */
export function setThreads(count: number): void {
  native().addon?.setThreads(integerBetween(count, 'the number of threads', 1, 1024));
}

provideDevices(cudaDevice);
