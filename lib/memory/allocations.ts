/**
 * The memory that an operation allocates. The garbage collector would release it as well, but does not know
 * how much device memory a small object holds.
 */
import type { Backend } from '../backends/backend.js';
import { Tensor } from '../tensor/tensor.js';
import type { Location, TensorType } from '../tensor/types.js';
import { type DeviceArray, type Elements, isOnDevice } from './device.js';

export class Allocations {
  readonly #results: Tensor[] = [];
  readonly #temporaries: (Tensor | DeviceArray)[] = [];

  /** Memory for the caller, released here only if the operation fails. */
  result(type: TensorType, dims: readonly number[], location: Location): Tensor {
    const tensor = Tensor.make(type, dims, location);
    this.#results.push(tensor);
    return tensor;
  }

  /** Memory for the operation only. */
  temporary(type: TensorType, dims: readonly number[], location: Location): Tensor {
    const tensor = Tensor.make(type, dims, location);
    this.#temporaries.push(tensor);
    return tensor;
  }

  /** Elements without a tensor, for the operation only. */
  scratch(backend: Backend, type: TensorType, size: number, name: string): Elements {
    const elements = backend.allocate(type, size, name);
    if (isOnDevice(elements)) this.#temporaries.push(elements);
    return elements;
  }

  /**
   * Releases memory once the operation is done, or enqueued on a device: enqueued work keeps what it needs.
   */
  end(succeeded: boolean): void {
    for (const made of this.#temporaries) release(made);
    if (!succeeded) for (const tensor of this.#results) tensor.dispose();
  }
}

function release(made: Tensor | DeviceArray): void {
  if (isOnDevice(made)) made.release();
  else made.dispose();
}
