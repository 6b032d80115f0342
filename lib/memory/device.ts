/** Memory of devices: arrays in it, and what a device can do with them. Nothing here knows what kind of device it is. */
import { HeedError } from '../errors.js';
import type { Location, TensorType, TypedArray } from '../tensor/types.js';

/** Memory that the addon has allocated on a device. It is freed when it is disposed of, or when this is collected. */
export interface DeviceMemory {
  readonly deviceMemory: unique symbol;
}

/** Rows of equal length within some memory, in bytes. */
export interface Rows {
  readonly array: DeviceArray;
  readonly offset: number;
  readonly pitch: number;
}

/** Elements of a type in the memory of a device. */
export interface DeviceElements {
  readonly data: DeviceArray;
  readonly type: TensorType;
}

/** Arrays in the memory of the CPU that a device exchanges elements with. */
export type HostArray = TypedArray | Int8Array;

/** A device with memory of its own. It does everything in the order in which it is called. */
export interface Device {
  readonly location: Location;
  /** Memory that holds anything. Throws HEED_OUT_OF_MEMORY. */
  allocate(bytes: number): DeviceArray;
  /** Operations that were started before keep what they need. */
  free(memory: DeviceMemory): void;
  /** Writes zeros. */
  clear(array: DeviceArray): void;
  /** Copies `count` rows of `bytes` bytes, within one device or from another. */
  copy(from: Rows, to: Rows, bytes: number, count: number): void;
  /** Copies all of an array's memory at once. */
  copyWhole(from: DeviceArray, to: DeviceArray): void;
  /** Rounds `count` elements to another type. */
  cast(from: DeviceElements, to: DeviceElements, count: number): void;
  /** Fulfilled once the elements are on the device; their array may be changed then. */
  upload(elements: HostArray, to: DeviceArray): Promise<void>;
  /** Fulfilled once the elements are there. `to` is memory that nobody else has. */
  download(from: DeviceArray, to: HostArray): Promise<void>;
  /** The same, before it returns; waits for all that was started before. */
  downloadSync(from: DeviceArray, to: HostArray): void;
}

/** Elements in the memory of a device. Owners are counted: the last to release it frees the memory, or the collector does. */
export class DeviceArray {
  readonly device: Device;
  readonly byteLength: number;
  readonly #memory: DeviceMemory;
  #owners = 1;

  constructor(device: Device, memory: DeviceMemory, byteLength: number) {
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

let findDevice: ((location: Location) => Device) | undefined;

/** Called by the side that knows devices, lib/backends/native/native.ts, when it is loaded. */
export function provideDevices(find: (location: Location) => Device): void {
  findDevice = find;
}

/** The device at a location other than the CPU's. Throws HEED_NO_CUDA where there is none. */
export function deviceAt(location: Location): Device {
  if (findDevice === undefined) throw new TypeError('No module that knows devices was loaded');
  return findDevice(location);
}
