/// <reference lib="esnext.disposable" preserve="true" />
/** Weights packed once for a backend, for many multiplications. */
import { inspect } from 'node:util';
import type { Backend, BackendName, WeightElements } from '../backends/backend.js';
import { chooseBackend } from '../backends/choose.js';
import { expectRank } from '../checks/lists.js';
import { expectLocation, expectReach } from '../checks/location.js';
import { readOptions } from '../checks/options.js';
import { dataOf, expectFloat, fetchedDataOf, readTensor } from '../checks/tensor.js';
import { describe, describeDims } from '../checks/values.js';
import { rememberOrigin } from '../copies.js';
import { HeedError } from '../errors.js';
import type { PackedHandle } from '../problem/problem.js';
import type { QuantisedType, QuantisedWeight } from '../problem/quantised-weight.js';
import type { FloatType, Location, TensorLike } from '../tensor/types.js';
import {
  expectGroupSize,
  type Quantisation,
  quantisedTypeOption,
  quantiseWeight,
  usualGroupSize,
} from './quantise-weight.js';

/**
 * A weight in the layout that a backend multiplies with. {@link packWeight} makes it as a copy:
 * changing the original afterwards has no effect. `dispose()` releases its memory, and garbage
 * collection does so at the latest.
 */
export class PackedWeight {
  /** The element type of the weight that was packed, or what it was rounded to. */
  readonly type: FloatType | QuantisedType;
  /** [out, in], as of the weight that was packed. */
  readonly dims: readonly [out: number, inner: number];
  /** Where multiplications with it run. */
  readonly location: Location;
  /** The memory that it takes: more than the original where it is padded or stored in a wider type. */
  readonly byteLength: number;
  #handle: PackedHandle | undefined;

  private constructor(type: FloatType | QuantisedType, handle: PackedHandle) {
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
  static pack(backend: Backend, weight: WeightElements | QuantisedWeight): PackedWeight {
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

  /** Releases the memory. May be called again; running operations keep the memory that they need. */
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
  /**
   * Rounds the weight: to int8, with a scale for each row, or to int4, with a scale for each group of elements of a row.
   * Rows of an input are then rounded to int8 as they come, and integers multiplied: 4 and 7 times less memory to read, and
   * results that are off by at most 1.5 % and 8 % of their norm for normally distributed weights. On the CPU only. Default: as it is.
   */
  type?: QuantisedType;
  /**
   * For type 'int4': how many consecutive elements of a row share a scale, a multiple of 8 from 8 to 4096. Fewer are more
   * accurate, and take more memory. Default 32.
   */
  groupSize?: number;
  /** Where the weight will be used, and is copied to. Default: where it is. */
  location?: Location;
  /** The backend that will multiply with it; 'auto' (default) is that of the location. */
  backend?: BackendName;
}

/**
 * Packs a weight for {@link project} once, so that each later call costs only the multiplication.
 *
 * @param weight [out, in], any floating-point type, as in nn.Linear
 * @throws HeedError HEED_SHAPE_MISMATCH, HEED_UNSUPPORTED_TYPE, HEED_OUT_OF_MEMORY and others: see `code`;
 *   HEED_INVALID_ARGUMENT for an element that is not finite, where the weight is to be rounded
 *
 * @example
 * const packed = packWeight(weight);
 * const hidden = await project(input, packed, bias);
 */
export function packWeight(weight: TensorLike, options?: PackWeightOptions): PackedWeight {
  const tensor = readTensor(weight, 'weight');
  const type = expectFloat(tensor);
  expectRank(tensor.dims, 2, 'weight', 'out, in');
  const values = readOptions(options, ['type', 'groupSize', 'location', 'backend']);
  const quantisation = readQuantisation(values.type, values.groupSize);
  const location =
    values.location === undefined ? tensor.location : expectLocation(values.location, 'options.location');
  expectReach(tensor, location, 'options.location');
  const [columns, inner] = tensor.dims;
  if (quantisation === undefined) {
    const backend = chooseBackend(values.backend, type, location);
    return PackedWeight.pack(backend, { data: dataOf(tensor), type, columns, inner });
  }
  const backend = chooseBackend(values.backend, 'float32', location);
  backend.expectQuantised(quantisation.type);
  const given = { name: 'weight', data: fetchedDataOf(tensor), type, columns, inner };
  return PackedWeight.pack(backend, quantiseWeight(given, quantisation.type, quantisation.groupSize));
}

/** Undefined where the weight is to stay as it is. */
function readQuantisation(typeOption: unknown, groupSize: unknown): Quantisation | undefined {
  const type = typeOption === undefined ? undefined : quantisedTypeOption(typeOption, 'options.type');
  if (groupSize === undefined) return type && { type, groupSize: usualGroupSize };
  if (type !== 'int4') {
    throw new HeedError(
      'HEED_INVALID_ARGUMENT',
      `Expected options.groupSize only with options.type 'int4', received ${describe(groupSize)}`,
    );
  }
  return { type, groupSize: expectGroupSize(groupSize, 'options.groupSize') };
}
