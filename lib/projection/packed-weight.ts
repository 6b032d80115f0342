/// <reference lib="esnext.disposable" preserve="true" />
/** Weights made ready for a backend, once, to be multiplied with many times. */
import { inspect } from 'node:util';
import type { Backend, BackendName } from '../backends/backend.js';
import { chooseBackend } from '../backends/choose.js';
import { expectRank } from '../checks/lists.js';
import { expectLocation, expectReach } from '../checks/location.js';
import { readOptions } from '../checks/options.js';
import { dataOf, expectFloat, readTensor } from '../checks/tensor.js';
import { describeDims } from '../checks/values.js';
import { rememberOrigin } from '../copies.js';
import { HeedError } from '../errors.js';
import type { Elements } from '../memory/device.js';
import type { PackedHandle } from '../problem/problem.js';
import type { FloatType, Location, TensorLike } from '../tensor/types.js';

interface WeightData {
  readonly data: Elements;
  readonly type: FloatType;
  readonly columns: number;
  readonly inner: number;
}

/**
 * A weight in the layout that a backend multiplies with. Made by {@link packWeight}, which copies:
 * changing the original afterwards has no effect. Its memory is released by `dispose()`, and by
 * garbage collection at the latest.
 */
export class PackedWeight {
  /** The element type of the weight that was packed. */
  readonly type: FloatType;
  /** [out, in], as of the weight that was packed. */
  readonly dims: readonly [out: number, inner: number];
  /** Where it can be multiplied with. */
  readonly location: Location;
  /** The memory that it holds, which padding and a wider storage type may make more than the original's. */
  readonly byteLength: number;
  #handle: PackedHandle | undefined;

  private constructor(type: FloatType, handle: PackedHandle) {
    this.type = type;
    this.dims = Object.freeze([handle.columns, handle.inner] as const);
    this.location = handle.location;
    this.byteLength = handle.byteLength;
    this.#handle = handle;
    rememberOrigin(this, 'PackedWeight');
  }

  /** What was made by {@link packWeight}, and nothing that only inherits from it. */
  static [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && #handle in value;
  }

  /** @internal */
  static pack(backend: Backend, weight: WeightData): PackedWeight {
    return new PackedWeight(weight.type, backend.packWeight(weight));
  }

  /** Whether the memory was released. */
  get disposed(): boolean {
    return this.#handle === undefined;
  }

  /** @internal What the backend made of the weight. */
  get handle(): PackedHandle {
    if (this.#handle === undefined) {
      throw new HeedError(
        'HEED_DISPOSED',
        `Expected a live weight, received a disposed one (${inspect(this)})`,
      );
    }
    return this.#handle;
  }

  /** Releases the memory. Harmless when repeated; operations under way keep what they need. */
  dispose(): void {
    this.#handle?.dispose();
    this.#handle = undefined;
  }

  /** {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** @internal */
  [inspect.custom](): string {
    return `PackedWeight ${this.type} ${describeDims(this.dims)}${this.disposed ? ', disposed' : ''}`;
  }
}

/** The options of {@link packWeight}. */
export interface PackWeightOptions {
  /** Where the weight will be used, and is copied to. Default: where it is. */
  location?: Location;
  /** The backend that will multiply with it; 'auto' (default) is that of the location. */
  backend?: BackendName;
}

/**
 * Prepares a weight for {@link project}, so that multiplying with it again and again costs no more
 * than the multiplication.
 *
 * @param weight [out, in], any floating-point type, as in nn.Linear
 * @throws HeedError HEED_SHAPE_MISMATCH, HEED_UNSUPPORTED_TYPE, HEED_OUT_OF_MEMORY and others: see `code`
 *
 * @example
 * const packed = packWeight(weight);
 * const hidden = await project(input, packed, bias);
 */
export function packWeight(weight: TensorLike, options?: PackWeightOptions): PackedWeight {
  const tensor = readTensor(weight, 'weight');
  const type = expectFloat(tensor);
  expectRank(tensor.dims, 2, 'weight', 'out, in');
  const values = readOptions(options, ['location', 'backend']);
  const location =
    values.location === undefined ? tensor.location : expectLocation(values.location, 'options.location');
  expectReach(tensor, location, 'options.location');
  const backend = chooseBackend(values.backend, type, location);
  const [columns, inner] = tensor.dims;
  return PackedWeight.pack(backend, { data: dataOf(tensor), type, columns, inner });
}
