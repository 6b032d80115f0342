/// <reference lib="esnext.disposable" preserve="true" />
import { type FileHandle, open as openHandle, stat } from 'node:fs/promises';
import { allocate } from '../checks/data.js';
import { invalid } from '../checks/numbers.js';
import { HeedError } from '../errors.js';
import { Tensor } from '../tensor.js';
import { bytesPerElement, type TensorType, type TypedArray } from '../tensor-type.js';
import { dtypes } from './dtype.js';
import { type Entry, type Header, malformed, parseHeader, parseHeaderLength } from './header.js';
import { listNames } from './names.js';

/** The most that one read asks of the system, which takes no more than 2 GiB. */
const maxReadLength = 2 ** 30;

/** What a file says about one of its tensors. */
export interface TensorInfo {
  /** The name in the file. */
  readonly name: string;
  /** The format's name of the element type, such as 'BF16'. */
  readonly dtype: string;
  /** heed's name of it; undefined for an element type that heed cannot read, such as 'F8_E4M3'. */
  readonly type: TensorType | undefined;
  /** The length along every axis, outermost first. */
  readonly dims: readonly number[];
  /** How many bytes of the file it takes. */
  readonly byteLength: number;
}

/**
 * An open safetensors file. Only its header has been read: `read` fetches the bytes of one tensor.
 * Close it when done, with `close()` or `await using`.
 */
export class SafetensorsFile {
  /** The path that the file was opened by. */
  readonly path: string;
  /** The file's free text entries. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Name, element type and dims of every tensor, by name, in the order of their data. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly #handle: FileHandle;
  readonly #entries: ReadonlyMap<string, Entry>;
  readonly #dataStart: number;
  #closing: Promise<void> | undefined;

  private constructor(path: string, handle: FileHandle, header: Header, dataStart: number) {
    this.path = path;
    this.metadata = header.metadata;
    this.tensors = new Map(header.entries.map((entry) => [entry.name, infoOf(entry)]));
    this.#handle = handle;
    this.#entries = new Map(header.entries.map((entry) => [entry.name, entry]));
    this.#dataStart = dataStart;
  }

  /** @internal Use `open` of heed/safetensors. */
  static async open(path: string): Promise<SafetensorsFile> {
    const handle = await openRegularFile(path);
    try {
      const { size } = await handle.stat();
      const prefix = new Uint8Array(Math.min(8, size));
      await readInto(prefix, handle, 0, path);
      const length = parseHeaderLength(prefix, size, path);
      const bytes = new Uint8Array(length);
      await readInto(bytes, handle, 8, path);
      const header = parseHeader(bytes, size - 8 - length, path);
      return new SafetensorsFile(path, handle, header, 8 + length);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Whether close() was called. */
  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /**
   * Reads one tensor into memory of its own.
   *
   * @throws HeedError `HEED_UNKNOWN_TENSOR` for a name that the file lacks, `HEED_UNSUPPORTED_TYPE` for an element
   * type that heed has not, `HEED_DISPOSED` after `close()`, `HEED_FILE_ERROR` when the file cannot be read.
   */
  async read(name: string): Promise<Tensor> {
    if (this.closed)
      throw new HeedError('HEED_DISPOSED', `Expected ${this.path} to be open, received a closed file`);
    if (typeof name !== 'string') throw invalid('name', 'a string', name);
    const shown = `tensor ${JSON.stringify(name)}`;
    const entry = this.#entries.get(name);
    if (entry === undefined) {
      throw new HeedError(
        'HEED_UNKNOWN_TENSOR',
        `Expected ${this.path} to hold ${shown}, found ${listNames([...this.tensors.keys()])}`,
      );
    }
    const type = dtypes.get(entry.dtype)?.type;
    if (type === undefined) {
      throw new HeedError(
        'HEED_UNSUPPORTED_TYPE',
        `Expected ${shown} in ${this.path} to be of a type that heed reads, received ${entry.dtype}`,
      );
    }
    const data = allocate(
      type,
      (entry.end - entry.start) / bytesPerElement[type],
      `${shown} in ${this.path}`,
    );
    await readInto(data, this.#handle, this.#dataStart + entry.start, this.path);
    return new Tensor(type, data, entry.dims);
  }

  /** Ends the use of the file, once reads under way are done. May be called again. */
  close(): Promise<void> {
    this.#closing ??= this.#handle.close();
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

/** Looks before it opens: opening a named pipe would wait for a writer for ever. */
async function openRegularFile(path: string): Promise<FileHandle> {
  try {
    if ((await stat(path)).isFile()) return await openHandle(path, 'r');
  } catch (error) {
    throw new HeedError('HEED_FILE_ERROR', `Could not open ${path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  throw new HeedError('HEED_FILE_ERROR', `Expected ${path} to be a regular file`);
}

/** Fills the memory of `data`. Positional, so that any number of reads may run at once. */
async function readInto(data: TypedArray, handle: FileHandle, position: number, path: string): Promise<void> {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  let filled = 0;
  while (filled < bytes.length) {
    const length = Math.min(bytes.length - filled, maxReadLength);
    const { bytesRead } = await handle
      .read(bytes, filled, length, position + filled)
      .catch((error: Error) => {
        throw new HeedError('HEED_FILE_ERROR', `Could not read ${path}: ${error.message}`, { cause: error });
      });
    if (bytesRead === 0) {
      throw malformed(
        path,
        `expected ${bytes.length} bytes at ${position}, received ${filled}: it was cut while open`,
      );
    }
    filled += bytesRead;
  }
}
