/// <reference lib="esnext.disposable" preserve="true" />
/** The tensor: typed memory with dims. */
import { inspect } from 'node:util';
import { allocate, checkData, copyData } from './checks/data.js';
import { describe, describeDims, typedArrayName } from './checks/describe.js';
import { readDims, sizeOf } from './checks/dims.js';
import { expectLocation } from './checks/location.js';
import { invalid } from './checks/numbers.js';
import { readElements, writeElements } from './elements.js';
import { HeedError } from './errors.js';
import type {
  Float16Elements,
  Location,
  TensorData,
  TensorLike,
  TensorType,
  TypedArray,
} from './tensor-type.js';
import { bytesPerElement, isTensorType, tensorTypes } from './tensor-type.js';

const typesOfArrays: Readonly<Record<string, TensorType>> = {
  Float32Array: 'float32',
  Float64Array: 'float64',
  Float16Array: 'float16',
  Uint8Array: 'bool',
  Int32Array: 'int32',
  BigInt64Array: 'int64',
};

function expectTensorType(type: unknown): TensorType {
  if (!isTensorType(type)) throw invalid('type', `one of ${tensorTypes.join(', ')}`, type);
  return type;
}

function typeOfArray(data: unknown): TensorType {
  const name = typedArrayName(data);
  const type = name && typesOfArrays[name];
  if (!type) {
    const hint = name === 'Uint16Array' ? '; name the type, float16 or bfloat16, first' : '';
    throw new HeedError(
      'HEED_TYPE_MISMATCH',
      `Expected data to be a typed array that tells its type, received ${describe(data)}${hint}`,
    );
  }
  return type;
}

/**
 * Typed memory with dims, in row-major order. Wraps the array that it is given: changing the
 * array's elements changes the tensor's.
 *
 * @example
 * const query = new Tensor(new Float32Array(2 * 4 * 8 * 64), [2, 4, 8, 64]);
 */
export class Tensor implements TensorLike {
  readonly #type: TensorType;
  readonly #dims: readonly number[];
  readonly #size: number;
  #data: TypedArray | undefined;

  /**
   * @param type element type; float16 and bfloat16 are held as bits in a Uint16Array (float16 also
   *   in a Float16Array where the runtime has it), bool as 0 and 1 in a Uint8Array
   * @param data exactly as many elements as the product of dims
   * @param dims length along every axis, outermost first
   * @throws HeedError HEED_TYPE_MISMATCH when the array does not hold the type, HEED_SHAPE_MISMATCH
   *   when its length does not fit dims, HEED_INVALID_DIMS, HEED_DETACHED
   */
  constructor(type: TensorType, data: TensorData, dims: readonly number[]);
  /** The type follows from the array; a Uint8Array holds bool. */
  constructor(
    data: Float32Array | Float64Array | Uint8Array | Int32Array | BigInt64Array | Float16Elements,
    dims: readonly number[],
  );
  constructor(...args: readonly unknown[]) {
    const [type, data, dims] =
      typeof args[0] === 'string'
        ? [expectTensorType(args[0]), args[1], args[2]]
        : [typeOfArray(args[0]), ...args];
    this.#type = type;
    this.#dims = Object.freeze(readDims(dims, 'dims'));
    this.#size = sizeOf(this.#dims);
    this.#data = checkData(data, type, this.#size, 'data');
  }

  /**
   * A tensor of zeros in memory of its own.
   *
   * @throws HeedError HEED_OUT_OF_MEMORY, HEED_UNSUPPORTED_LOCATION, HEED_INVALID_DIMS
   */
  static zeros(type: TensorType, dims: readonly number[], location: Location = 'cpu'): Tensor {
    expectLocation(location, 'location');
    const lengths = readDims(dims, 'dims');
    const knownType = expectTensorType(type);
    return new Tensor(knownType, allocate(knownType, sizeOf(lengths), 'a tensor'), lengths);
  }

  /** The element type. */
  get type(): TensorType {
    return this.#type;
  }

  get dims(): readonly number[] {
    return this.#dims;
  }

  /** Where the elements are. */
  get location(): Location {
    return 'cpu';
  }

  /** The number of elements. */
  get size(): number {
    return this.#size;
  }

  /** The memory that the elements take. */
  get byteLength(): number {
    return this.#size * bytesPerElement[this.#type];
  }

  /** Whether the memory was let go. */
  get disposed(): boolean {
    return this.#data === undefined;
  }

  /**
   * The elements, in place. float16 and bfloat16 are bits in a Uint16Array.
   *
   * @throws HeedError HEED_DISPOSED
   */
  get data(): TypedArray {
    if (this.#data === undefined) {
      throw new HeedError(
        'HEED_DISPOSED',
        `Expected a live tensor, received a disposed one (${inspect(this)})`,
      );
    }
    return this.#data;
  }

  /** The elements, from wherever they are. Rejects with HEED_DISPOSED. */
  // biome-ignore lint/suspicious/useAwait: async turns what is thrown into a rejection
  async getData(): Promise<TypedArray> {
    return this.data;
  }

  /** This tensor at another location: itself when it is there already. Rejects with HEED_UNSUPPORTED_LOCATION or HEED_DISPOSED. */
  // biome-ignore lint/suspicious/useAwait: async turns what is thrown into a rejection
  async to(location: Location): Promise<Tensor> {
    expectLocation(location, 'location');
    this.#liveData();
    return this;
  }

  /**
   * A copy with elements of another type. Floating-point types round to nearest even; integer types
   * round towards zero and stop at the ends of their range, NaN becoming 0; bool is true for all but 0.
   *
   * @throws HeedError HEED_DISPOSED, HEED_OUT_OF_MEMORY, HEED_DETACHED
   */
  cast(type: TensorType): Tensor {
    const target = expectTensorType(type);
    const source = this.#liveData();
    if (target === this.#type) return new Tensor(target, copyData(source, target, 'a tensor'), this.#dims);
    const data = allocate(target, this.#size, 'a tensor');
    const chunk = new Float64Array(Math.min(this.#size, 4096));
    for (let start = 0; start < this.#size; start += chunk.length) {
      const count = Math.min(chunk.length, this.#size - start);
      readElements(this.#type, source, start, count, chunk);
      writeElements(target, data, start, count, chunk);
    }
    return new Tensor(target, data, this.#dims);
  }

  /**
   * The same memory under other dims of the same product.
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
    return new Tensor(this.#type, this.data, lengths);
  }

  /** Lets go of the memory. Harmless when repeated; operations under way keep what they need. */
  dispose(): void {
    this.#data = undefined;
  }

  /** {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** @internal */
  [inspect.custom](): string {
    return `Tensor ${this.#type} ${describeDims(this.#dims)}${this.disposed ? ', disposed' : ''}`;
  }

  /** The elements, once more checked against what has happened to their memory since. */
  #liveData(): TypedArray {
    return checkData(this.data, this.#type, this.#size, 'data');
  }
}
