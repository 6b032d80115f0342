/** The memory that a call of a layer works with in between. */
import type { Backend } from '../backend.js';
import { type DeviceArray, type Elements, isOnDevice } from '../native/device-array.js';
import type { Location, TensorType } from '../tensor-type.js';

/** On a device it is let go once the call is on its way there; that of the CPU is the collector's. */
export class Scratch {
  readonly #backend: Backend;
  readonly #onDevice: DeviceArray[] = [];

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  get location(): Location {
    return this.#backend.location;
  }

  allocate(type: TensorType, size: number, name: string): Elements {
    return this.adopt(this.#backend.allocate(type, size, name));
  }

  /** Memory that was made elsewhere, for this call alone. */
  adopt(elements: Elements): Elements {
    if (isOnDevice(elements)) this.#onDevice.push(elements);
    return elements;
  }

  release(): void {
    for (const array of this.#onDevice.splice(0)) array.release();
  }
}
