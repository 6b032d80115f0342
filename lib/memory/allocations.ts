/** The memory that an operation makes. The collector would let go of it, too, but cannot know how much of a device's hangs on a small object. */
import type { Backend } from '../backends/backend.js';
import { Tensor } from '../tensor/tensor.js';
import type { Location, TensorType } from '../tensor/types.js';
import { type DeviceArray, type Elements, isOnDevice } from './device.js';

export class Allocations {
  readonly #results: Tensor[] = [];
  readonly #temporaries: (Tensor | DeviceArray)[] = [];

  /** For the caller, unless the operation fails. */
  result(type: TensorType, dims: readonly number[], location: Location): Tensor {
    const tensor = Tensor.make(type, dims, location);
    this.#results.push(tensor);
    return tensor;
  }

  /** For the operation alone. */
  temporary(type: TensorType, dims: readonly number[], location: Location): Tensor {
    const tensor = Tensor.make(type, dims, location);
    this.#temporaries.push(tensor);
    return tensor;
  }

  /** Elements without a tensor, for the operation alone. */
  scratch(backend: Backend, type: TensorType, size: number, name: string): Elements {
    const elements = backend.allocate(type, size, name);
    if (isOnDevice(elements)) this.#temporaries.push(elements);
    return elements;
  }

  /** Once the operation is over, or on its way on a device: what was started there keeps what it needs. */
  end(succeeded: boolean): void {
    for (const made of this.#temporaries) release(made);
    if (!succeeded) for (const tensor of this.#results) tensor.dispose();
  }
}

function release(made: Tensor | DeviceArray): void {
  if (isOnDevice(made)) made.release();
  else made.dispose();
}
