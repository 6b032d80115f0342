/** Elements in the memory of a device: what a typed array is in that of the CPU. */

import type { DeviceMemory } from '../backends/native/addon.js';
import type { CudaDevice } from '../backends/native/cuda-device.js';
import { HeedError } from '../errors.js';
import type { TypedArray } from '../tensor/types.js';

/** Shared by counting: the memory goes when the last owner lets go of it, or with the collector. */
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

  /** Runs nobody's code, whatever a caller has passed for an array. */
  static is(this: void, value: unknown): value is DeviceArray {
    return typeof value === 'object' && value !== null && #memory in value;
  }

  /** What the addon knows it by. */
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

  /** Operations that were started before keep what they need. */
  release(): void {
    if (--this.#owners === 0) this.device.free(this.#memory);
  }
}

/** Elements wherever they are. */
export type Elements = TypedArray | DeviceArray;

export const isOnDevice = DeviceArray.is;

/** For those who compute here, and have been chosen because everything is here. */
export function hostElements<Host>(elements: Host | DeviceArray): Host {
  if (!isOnDevice(elements)) return elements;
  throw new TypeError(
    `Expected elements in the memory of the CPU, received some at ${elements.device.location}`,
  );
}
