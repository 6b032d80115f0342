/// <reference lib="esnext.disposable" preserve="true" />
import { invalid } from '../checks/numbers.js';
import { HeedError } from '../errors.js';
import type { Tensor } from '../tensor/tensor.js';
import type { TensorType } from '../tensor/types.js';
import { dtypes } from './dtype.js';
import type { Entry } from './header.js';
import { locate } from './locate.js';
import { listNames } from './names.js';
import { Shard } from './shard.js';
import { openShards } from './shards.js';

/** The header's entry of a tensor. */
export interface TensorInfo {
  /** The name in the file. */
  readonly name: string;
  /** The format's name of the element type, such as 'BF16'. */
  readonly dtype: string;
  /** heed's name of it; undefined for an element type that heed cannot read, such as 'F8_E4M3'. */
  readonly type: TensorType | undefined;
  /** The length along every axis, outermost first. */
  readonly dims: readonly number[];
  /** The number of bytes of the tensor in the file. */
  readonly byteLength: number;
}

/** Where a tensor is. */
interface Place {
  readonly shard: Shard;
  readonly entry: Entry;
}

/**
 * An open safetensors file, or several that an index combines into one. Only the headers have been read:
 * `read` reads the bytes of one tensor. Close it when done, with `close()` or `await using`.
 */
export class SafetensorsFile {
  /** The path of the file, or of the index. */
  readonly path: string;
  /** The free text entries of the file, or of all its shards; if entries disagree, the first. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Name, element type and dims of every tensor, by name, in the order of their data. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly #shards: readonly Shard[];
  readonly #places: ReadonlyMap<string, Place>;
  #closing: Promise<void> | undefined;

  private constructor(path: string, shards: readonly Shard[]) {
    const places = shards.flatMap((shard) => shard.header.entries.map((entry) => ({ shard, entry })));
    this.path = path;
    this.metadata = Object.freeze(
      Object.assign(Object.create(null), ...shards.map(({ header }) => header.metadata).reverse()),
    );
    this.tensors = new Map(places.map(({ entry }) => [entry.name, infoOf(entry)]));
    this.#shards = shards;
    this.#places = new Map(places.map((place) => [place.entry.name, place]));
  }

  /** @internal Use `open` of heed/safetensors. */
  static async open(path: string): Promise<SafetensorsFile> {
    const { file, isIndex } = await locate(path);
    return new SafetensorsFile(file, isIndex ? await openShards(file) : [await Shard.open(file)]);
  }

  /** Whether close() was called. */
  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /**
   * Reads one tensor into memory of its own.
   *
   * @throws HeedError `HEED_UNKNOWN_TENSOR` for a name that is not in the file, `HEED_UNSUPPORTED_TYPE` for an element
   * type that heed does not support, `HEED_DISPOSED` after `close()`, `HEED_FILE_ERROR` if the file cannot be
   * read.
   */
  async read(name: string): Promise<Tensor> {
    if (this.closed)
      throw new HeedError('HEED_DISPOSED', `Expected ${this.path} to be open, received a closed file`);
    if (typeof name !== 'string') throw invalid('name', 'a string', name);
    const place = this.#places.get(name);
    if (place === undefined) {
      throw new HeedError(
        'HEED_UNKNOWN_TENSOR',
        `Expected ${this.path} to hold tensor ${JSON.stringify(name)}, found ${listNames([...this.tensors.keys()])}`,
      );
    }
    return await place.shard.read(place.entry);
  }

  /** Closes the file once running reads are done. May be called again. */
  close(): Promise<void> {
    this.#closing ??= Promise.all(this.#shards.map((shard) => shard.close())).then(() => undefined);
    return this.#closing;
  }

  /** {@link close}, for `using`; does not wait. */
  [Symbol.dispose](): void {
    void this.close();
  }

  /** {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function infoOf(entry: Entry): TensorInfo {
  return Object.freeze({
    name: entry.name,
    dtype: entry.dtype,
    type: dtypes.get(entry.dtype)?.type,
    dims: entry.dims,
    byteLength: entry.end - entry.start,
  });
}
