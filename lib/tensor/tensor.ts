/// <reference lib="esnext.disposable" preserve="true" />
/** The tensor: typed memory with dims, here or on a device. */
import { inspect } from 'node:util';
import { allocate, checkData, copyData } from '../checks/data.js';
import { readDims, sizeOf } from '../checks/lists.js';
import { expectLocation } from '../checks/location.js';
import { describe, describeDims, invalid, listChoices } from '../checks/values.js';
import { HeedError } from '../errors.js';
import { typedArrayName } from '../memory/arrays.js';
import { type DeviceArray, deviceAt, type Elements, isOnDevice } from '../memory/device.js';
import { castElements } from './elements.js';
import {
  bytesPerElement,
  type Float16Elements,
  isTensorType,
  type Location,
  type TensorData,
  type TensorLike,
  type TensorType,
  type TypedArray,
  tensorTypes,
} from './types.js';

const typesOfArrays: Readonly<Record<string, TensorType>> = {
  Float32Array: 'float32',
  Float64Array: 'float64',
  Float16Array: 'float16',
  Uint8Array: 'bool',
  Int32Array: 'int32',
  BigInt64Array: 'int64',
};

function expectTensorType(type: unknown): TensorType {
  if (!isTensorType(type)) throw invalid('type', listChoices(tensorTypes), type);
  return type;
}

function typeOfArray(data: unknown): TensorType {
  const name = typedArrayName(data);
  const type = name && typesOfArrays[name];
  if (!type) {
    const hint = name === 'Uint16Array' ? '; pass the type, float16 or bfloat16, first' : '';
    throw new HeedError(
      'HEED_TYPE_MISMATCH',
      `Expected data to be a typed array that determines its type, received ${describe(data)}${hint}`,
    );
  }
  return type;
}

/** What tensors on a device cast to and from. */
const deviceCasts: readonly TensorType[] = ['float32', 'float16', 'bfloat16'];

/**
 * A typed array with dims, in row-major order. Wraps the array that it is given: changing the array's
 * elements changes the tensor's. `to('cuda')` copies it to a GPU, where operations then compute; their
 * results stay there until `getData()` or `to('cpu')` copies them back.
 *
 * @example
 * const query = new Tensor(new Float32Array(2 * 4 * 8 * 64), [2, 4, 8, 64]);
 */
export class Tensor implements TensorLike {
  readonly #type: TensorType;
  readonly #dims: readonly number[];
  readonly #size: number;
  readonly #location: Location;
  #data: Elements | undefined;

  /**
   * @param type element type; float16 and bfloat16 are stored as bits in a Uint16Array (float16 also
   *   in a Float16Array where the runtime has it), bool as 0 and 1 in a Uint8Array, uint8 in one as it is
   * @param data exactly as many elements as the product of dims
   * @param dims length along every axis, outermost first
   * @throws HeedError HEED_TYPE_MISMATCH if the array cannot store the type, HEED_SHAPE_MISMATCH
   *   if its length does not match dims, HEED_INVALID_DIMS, HEED_DETACHED
   */
  constructor(type: TensorType, data: TensorData, dims: readonly number[]);
  /** The type follows from the array; a Uint8Array stands for bool. */
  constructor(
    data: Float32Array | Float64Array | Uint8Array | Int32Array | BigInt64Array | Float16Elements,
    dims: readonly number[],
  );
  /** @internal Takes over one share of the memory. */
  constructor(type: TensorType, data: DeviceArray, dims: readonly number[]);
  constructor(...args: readonly unknown[]) {
    const [type, data, dims] =
      typeof args[0] === 'string'
        ? [expectTensorType(args[0]), args[1], args[2]]
        : [typeOfArray(args[0]), ...args];
    this.#type = type;
    this.#dims = Object.freeze(readDims(dims, 'dims'));
    this.#size = sizeOf(this.#dims);
    if (isOnDevice(data)) {
      this.#data = data;
      this.#location = data.device.location;
    } else {
      this.#data = checkData(data, type, this.#size, 'data');
      this.#location = 'cpu';
    }
  }

  /**
   * A tensor of zeros in memory of its own.
   *
   * @throws HeedError HEED_OUT_OF_MEMORY, HEED_NO_CUDA, HEED_INVALID_DIMS
   */
  static zeros(type: TensorType, dims: readonly number[], location: Location = 'cpu'): Tensor {
    const tensor = Tensor.make(
      expectTensorType(type),
      readDims(dims, 'dims'),
      expectLocation(location, 'location'),
    );
    if (isOnDevice(tensor.elements)) tensor.elements.device.clear(tensor.elements);
    return tensor;
  }

  /** @internal A tensor to be written to: all zeros on the CPU, anything elsewhere. */
  static make(type: TensorType, dims: readonly number[], location: Location): Tensor {
    const size = sizeOf(dims);
    if (location === 'cpu') return new Tensor(type, allocate(type, size, 'a tensor'), dims);
    return new Tensor(type, deviceAt(location).allocate(size * bytesPerElement[type]), dims);
  }

  /** The element type. */
  get type(): TensorType {
    return this.#type;
  }

  get dims(): readonly number[] {
    return this.#dims;
  }

  /** Where the elements are: 'cpu', or 'cuda:' and the number of a device. */
  get location(): Location {
    return this.#location;
  }

  /** The number of elements. */
  get size(): number {
    return this.#size;
  }

  /** The memory that the elements take. */
  get byteLength(): number {
    return this.#size * bytesPerElement[this.#type];
  }

  /** Whether the memory was released. */
  get disposed(): boolean {
    return this.#data === undefined;
  }

  /**
   * The elements, in place. float16 and bfloat16 are bits in a Uint16Array.
   *
   * @throws HeedError HEED_DISPOSED; HEED_NOT_ON_CPU for a tensor on a device, whose elements `getData()` fetches
   */
  get data(): TypedArray {
    const elements = this.elements;
    if (!isOnDevice(elements)) return elements;
    throw new HeedError(
      'HEED_NOT_ON_CPU',
      `Expected a tensor in the memory of the CPU, received one at '${this.#location}' (${inspect(this)}): use getData() or to('cpu')`,
    );
  }

  /** @internal The elements wherever they are. */
  get elements(): Elements {
    if (this.#data === undefined) {
      throw new HeedError(
        'HEED_DISPOSED',
        `Expected a live tensor, received a disposed one (${inspect(this)})`,
      );
    }
    return this.#data;
  }

  /**
   * The elements, wherever they are: in place if they are in the memory of the CPU, else a copy, once all
   * operations that were enqueued before are done. Rejects with HEED_DISPOSED, HEED_OUT_OF_MEMORY, or the
   * error of the device.
   */
  async getData(): Promise<TypedArray> {
    const elements = this.elements;
    if (!isOnDevice(elements)) return elements;
    const copy = allocate(this.#type, this.#size, 'the elements of a tensor');
    await elements.device.download(elements, copy);
    return copy;
  }

  /**
   * This tensor at another location: the tensor itself if it is already there, else a copy. Rejects with
   * HEED_NO_CUDA, HEED_OUT_OF_MEMORY, HEED_DISPOSED, HEED_DETACHED, or the error of the device.
   *
   * @param location 'cpu', 'cuda' for the first device, 'cuda:1' for the next
   */
  async to(location: Location): Promise<Tensor> {
    const target = expectLocation(location, 'location');
    const elements = this.#liveElements();
    if (target === this.#location) return this;
    if (target === 'cpu') return new Tensor(this.#type, await this.getData(), this.#dims);
    const device = deviceAt(target);
    const copy = device.allocate(this.byteLength);
    try {
      if (isOnDevice(elements)) device.copyWhole(elements, copy);
      else await device.upload(elements, copy);
    } catch (error) {
      copy.release();
      throw error;
    }
    return new Tensor(this.#type, copy, this.#dims);
  }

  /**
   * A copy with elements of another type. Floating-point types round to nearest even; integer types round
   * towards zero and saturate at the ends of their range, and NaN becomes 0; bool is true for all but 0.
   *
   * On a device, the copy stays on the device, and float32, float16 and bfloat16 are cast to each other.
   *
   * @throws HeedError HEED_DISPOSED, HEED_OUT_OF_MEMORY, HEED_DETACHED, HEED_UNSUPPORTED_TYPE
   */
  cast(type: TensorType): Tensor {
    const target = expectTensorType(type);
    const source = this.#liveElements();
    if (isOnDevice(source)) return this.#castOnDevice(source, target);
    if (target === this.#type) return new Tensor(target, copyData(source, target, 'a tensor'), this.#dims);
    const data = allocate(target, this.#size, 'a tensor');
    castElements(this.#type, source, target, data);
    return new Tensor(target, data, this.#dims);
  }

  /**
   * The same memory with other dims of the same product. Device memory is released once all tensors that
   * share it are disposed of.
   *
   * @throws HeedError HEED_SHAPE_MISMATCH, HEED_INVALID_DIMS, HEED_DISPOSED
   */
  reshape(dims: readonly number[]): Tensor {
    const lengths = readDims(dims, 'dims');
    if (sizeOf(lengths) !== this.#size) {
      throw new HeedError(
        'HEED_SHAPE_MISMATCH',
        `Expected the product of dims to equal the tensor's size (${this.#size}), received ${describeDims(lengths)}`,
      );
    }
    const elements = this.elements;
    if (isOnDevice(elements)) return new Tensor(this.#type, elements.retain(), lengths);
    return new Tensor(this.#type, elements, lengths);
  }

  /** Releases the memory. May be called again; running operations keep the memory that they need. */
  dispose(): void {
    if (isOnDevice(this.#data)) this.#data.release();
    this.#data = undefined;
  }

  /** {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** @internal */
  [inspect.custom](): string {
    const place = this.#location === 'cpu' ? '' : ` at ${this.#location}`;
    return `Tensor ${this.#type} ${describeDims(this.#dims)}${place}${this.disposed ? ', disposed' : ''}`;
  }

  /** The elements, once more checked against what has happened to their memory since. */
  #liveElements(): Elements {
    const elements = this.elements;
    return isOnDevice(elements) ? elements : checkData(elements, this.#type, this.#size, 'data');
  }

  #castOnDevice(source: DeviceArray, type: TensorType): Tensor {
    if (type !== this.#type && !(deviceCasts.includes(type) && deviceCasts.includes(this.#type))) {
      throw new HeedError(
        'HEED_UNSUPPORTED_TYPE',
        `Expected both types to be ${listChoices(deviceCasts)} to cast on a device, received '${this.#type}' and '${type}': use to('cpu') first`,
      );
    }
    const cast = Tensor.make(type, this.#dims, this.#location);
    try {
      const data = cast.elements as DeviceArray;
      if (type === this.#type) source.device.copyWhole(source, data);
      else source.device.cast({ data: source, type: this.#type }, { data, type }, this.#size);
      return cast;
    } catch (error) {
      cast.dispose();
      throw error;
    }
  }
}
