/** One CUDA device: its memory, and copies to and from it. Its single stream orders everything. */

import { DeviceArray, isOnDevice } from '../../memory/device-array.js';
import type { StoredArray } from '../../problem/problem.js';
import type { Location } from '../../tensor/types.js';
import type { Addon, DeviceMemory, DeviceMemoryStatistics } from './addon.js';
import { ask } from './errors.js';
import type { Operations } from './operations.js';
import { PrivateCopies } from './private-copies.js';

/** Rows of equal length within some memory, in bytes. */
export interface Rows {
  readonly array: DeviceArray;
  readonly offset: number;
  readonly pitch: number;
}

export class CudaDevice {
  readonly index: number;
  readonly location: Location;
  readonly #addon: Addon;
  readonly #operations: Operations;

  constructor(addon: Addon, operations: Operations, index: number) {
    this.#addon = addon;
    this.#operations = operations;
    this.index = index;
    this.location = `cuda:${index}`;
  }

  /** Its content is undefined. */
  allocate(bytes: number): DeviceArray {
    return ask(() => new DeviceArray(this, this.#addon.allocateOnDevice(this.index, bytes), bytes));
  }

  free(memory: DeviceMemory): void {
    this.#addon.disposeDeviceMemory(memory);
  }

  clear(array: DeviceArray): void {
    ask(() => this.#addon.clearDeviceMemory(array.memory));
  }

  /** `count` rows of so many bytes, within one device or from another. */
  copy(from: Rows, to: Rows, bytes: number, count: number): void {
    ask(() =>
      this.#addon.copyOnDevice(
        from.array.memory,
        from.offset,
        to.array.memory,
        to.offset,
        bytes,
        count,
        from.pitch,
        to.pitch,
      ),
    );
  }

  /** All of an array's memory at once. */
  copyWhole(from: DeviceArray, to: DeviceArray): void {
    const { byteLength } = from;
    if (byteLength === 0) return;
    const whole = (array: DeviceArray) => ({ array, offset: 0, pitch: byteLength });
    this.copy(whole(from), whole(to), byteLength, 1);
  }

  /** Fulfilled once the elements are copied; the host's elements may change then. */
  upload(elements: StoredArray, to: DeviceArray): Promise<void> {
    return new Promise((resolve, reject) => {
      const given = [elements];
      const copies = PrivateCopies.of(given, this.#addon.pins());
      const [from] = (copies?.substitute(given) ?? given) as [StoredArray];
      const memory = [from, to];
      this.#operations.add({ resolve, reject, memory, signal: undefined, finish: undefined }, (onEnd) =>
        this.#addon.upload(from, to.memory, 0, onEnd),
      );
    });
  }

  /** Operations that are started later see the elements. */
  uploadSync(elements: StoredArray, to: DeviceArray): void {
    ask(() => this.#addon.uploadSync(elements, to.memory, 0));
  }

  /** A copy of the elements on this device. */
  place(elements: StoredArray | DeviceArray): DeviceArray {
    const array = this.allocate(elements.byteLength);
    try {
      if (isOnDevice(elements)) this.copyWhole(elements, array);
      else this.uploadSync(elements, array);
      return array;
    } catch (error) {
      array.release();
      throw error;
    }
  }

  /** @param to memory that no one else uses */
  download(from: DeviceArray, to: StoredArray): Promise<void> {
    return new Promise((resolve, reject) => {
      const memory = [from, to];
      this.#operations.add({ resolve, reject, memory, signal: undefined, finish: undefined }, (onEnd) =>
        this.#addon.download(from.memory, 0, to, onEnd),
      );
    });
  }

  /** Waits for all enqueued work. */
  downloadSync(from: DeviceArray, to: StoredArray): void {
    ask(() => this.#addon.downloadSync(from.memory, 0, to));
  }

  get statistics(): DeviceMemoryStatistics {
    return ask(() => this.#addon.deviceMemoryStatistics(this.index));
  }

  limit(bytes: number): void {
    ask(() => this.#addon.setDeviceMemoryLimit(this.index, bytes));
  }

  trim(): void {
    ask(() => this.#addon.trimDeviceMemory(this.index));
  }
}
