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

  /** Memory of the caller's, which stays as it is until the operation ends. */
  hold(elements: Elements): void {
    if (isOnDevice(elements)) this.#temporaries.push(elements.retain());
  }

  /** A tensor that was made for the operation only. */
  adopt(tensor: Tensor): Tensor {
    this.#temporaries.push(tensor);
    return tensor;
  }

  /** The memory of a tensor for the caller, with a share of its own, released here only if the operation fails. */
  share(tensor: Tensor, dims = tensor.dims): Tensor {
    const shared = tensor.reshape(dims);
    this.#results.push(shared);
    return shared;
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

/** An operation of several steps, whose memory is released at its end. */
export async function allocating<Result>(
  work: (allocations: Allocations) => Promise<Result>,
): Promise<Result> {
  const allocations = new Allocations();
  let succeeded = false;
  try {
    const result = await work(allocations);
    succeeded = true;
    return result;
  } finally {
    allocations.end(succeeded);
  }
}

/** The same, synchronously. */
export function allocatingSync<Result>(work: (allocations: Allocations) => Result): Result {
  const allocations = new Allocations();
  let succeeded = false;
  try {
    const result = work(allocations);
    succeeded = true;
    return result;
  } finally {
    allocations.end(succeeded);
  }
}
