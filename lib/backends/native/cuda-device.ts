/** One CUDA device: its memory, and copies to and from it. Its single stream orders everything. */

import {
  type Device,
  DeviceArray,
  type DeviceElements,
  type DeviceMemory,
  type HostArray,
  isOnDevice,
  type Rows,
} from '../../memory/device.js';
import type { Problem } from '../../problem/problem.js';
import type { Location, Numbers } from '../../tensor/types.js';
import { type Addon, type Buffers, callAddon, type DeviceMemoryStatistics } from './addon.js';
import { encode } from './encode.js';
import { type Encoded, Encoder } from './encoder.js';
import type { Operations } from './operations.js';
import { PrivateCopies } from './private-copies.js';

/** Problems as the addon takes them, with what it knows the memory of devices by. */
export function encodeForDevice(encoder: Encoder, problems: readonly Problem[]): Encoded<Buffers> {
  const encoded = encode(encoder, problems);
  return {
    ...encoded,
    buffers: encoded.buffers.map((buffer) => (isOnDevice(buffer) ? buffer.memory : buffer)),
  };
}

export class CudaDevice implements Device {
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
    return callAddon(() => new DeviceArray(this, this.#addon.allocateOnDevice(this.index, bytes), bytes));
  }

  free(memory: DeviceMemory): void {
    this.#addon.disposeDeviceMemory(memory);
  }

  clear(array: DeviceArray): void {
    callAddon(() => this.#addon.clearDeviceMemory(array.memory));
  }

  copy(from: Rows, to: Rows, bytes: number, count: number): void {
    callAddon(() =>
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

  copyWhole(from: DeviceArray, to: DeviceArray): void {
    const { byteLength } = from;
    if (byteLength === 0) return;
    const whole = (array: DeviceArray) => ({ array, offset: 0, pitch: byteLength });
    this.copy(whole(from), whole(to), byteLength, 1);
  }

  cast(from: DeviceElements, to: DeviceElements, count: number): void {
    if (count > 0) this.enqueue(encodeForDevice(new Encoder(), [{ kind: 'cast', count, from, to }]));
  }

  /** Puts problems whose memory is on this device onto its stream, and waits for nothing. */
  enqueue({ numbers, length, buffers }: Encoded<Buffers>): void {
    callAddon(() => this.#addon.enqueue(numbers, length, buffers, this.index));
  }

  upload(elements: HostArray, to: DeviceArray): Promise<void> {
    return new Promise((resolve, reject) => {
      const given = [elements];
      const copies = PrivateCopies.of(given, this.#addon.pins());
      const [from] = (copies?.substitute(given) ?? given) as [HostArray];
      const memory = [from, to];
      this.#operations.add({ resolve, reject, memory, signal: undefined, finish: undefined }, (onEnd) =>
        this.#addon.upload(from, to.memory, 0, onEnd),
      );
    });
  }

  /** Operations that are started later find the elements there. */
  uploadSync(elements: HostArray, to: DeviceArray): void {
    callAddon(() => this.#addon.uploadSync(elements, to.memory, 0));
  }

  /** A copy of the elements on this device. */
  place(elements: HostArray | DeviceArray): DeviceArray {
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

  download(from: DeviceArray, to: HostArray): Promise<void> {
    return new Promise((resolve, reject) => {
      const memory = [from, to];
      this.#operations.add({ resolve, reject, memory, signal: undefined, finish: undefined }, (onEnd) =>
        this.#addon.download(from.memory, 0, to, onEnd),
      );
    });
  }

  downloadSync(from: DeviceArray, to: HostArray): void {
    callAddon(() => this.#addon.downloadSync(from.memory, 0, to));
  }

  get statistics(): DeviceMemoryStatistics {
    return callAddon(() => this.#addon.deviceMemoryStatistics(this.index));
  }

  limit(bytes: number): void {
    callAddon(() => this.#addon.setDeviceMemoryLimit(this.index, bytes));
  }

  trim(): void {
    callAddon(() => this.#addon.trimDeviceMemory(this.index));
  }
}

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
