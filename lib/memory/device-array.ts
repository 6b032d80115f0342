/** Elements in the memory of a device: the counterpart of a typed array. */

import type { DeviceMemory } from '../backends/native/addon.js';
import type { CudaDevice } from '../backends/native/cuda-device.js';
import { HeedError } from '../errors.js';
import type { TypedArray } from '../tensor/types.js';

/** Reference-counted: the memory is freed when the last owner releases it, or by the garbage collector. */
export class DeviceArray {
  readonly device: CudaDevice;
  readonly byteLength: number;
  readonly #memory: DeviceMemory;
  #owners = 1;

  constructor(device: CudaDevice, memory: DeviceMemory, byteLength: number) {
    this.device = device;
    this.byteLength = byteLength;
    this.#memory = memory;
  }

  /** Runs none of the caller's code, whatever was passed as an array. */
  static is(this: void, value: unknown): value is DeviceArray {
    return typeof value === 'object' && value !== null && #memory in value;
  }

  /** The addon's handle of the memory. */
  get memory(): DeviceMemory {
    if (this.#owners > 0) return this.#memory;
    throw new HeedError(
      'HEED_DISPOSED',
      `Expected live memory at ${this.device.location}, received a disposed one`,
    );
  }

  retain(): this {
    this.#owners++;
    return this;
  }

  /** Operations that were started before keep the memory that they need. */
  release(): void {
    if (--this.#owners === 0) this.device.free(this.#memory);
  }
}

/** Elements wherever they are. */
export type Elements = TypedArray | DeviceArray;

export const isOnDevice = DeviceArray.is;

/** For the cpu backends, which are chosen only if everything is in the memory of the CPU. */
export function hostElements<Host>(elements: Host | DeviceArray): Host {
  if (!isOnDevice(elements)) return elements;
  throw new TypeError(
    `Expected elements in the memory of the CPU, received some at ${elements.device.location}`,
  );
}
