/** A cache of constant numbers on a device, such as rotary angles, that many operations read. */

import type { DeviceArray } from '../../memory/device-array.js';
import type { Numbers } from '../../tensor/elements.js';
import type { CudaDevice } from './cuda-device.js';

/** Cosines and sines for queries and for keys are four; layers of two kinds may take turns. */
const mostKept = 8;

interface Kept {
  readonly numbers: Numbers;
  readonly array: DeviceArray;
}

function isSame(a: Numbers, b: Numbers): boolean {
  return a.buffer === b.buffer && a.byteOffset === b.byteOffset && a.length === b.length;
}

export class DeviceTables {
  readonly #device: CudaDevice;
  /** Latest first. */
  #kept: readonly Kept[] = [];

  constructor(device: CudaDevice) {
    this.#device = device;
  }

  /** @param numbers which never change: the same memory is the same table */
  place(numbers: Numbers): DeviceArray {
    const known = this.#kept.find((kept) => isSame(kept.numbers, numbers));
    const table = known ?? { numbers, array: this.#device.place(numbers) };
    const kept = [table, ...this.#kept.filter((other) => other !== known)];
    for (const { array } of kept.slice(mostKept)) array.release();
    this.#kept = kept.slice(0, mostKept);
    return table.array;
  }
}
