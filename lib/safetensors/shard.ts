/** One file of the format: its header, and reading its tensors. */
import { type FileHandle, open as openHandle, stat } from 'node:fs/promises';
import { allocate } from '../checks/data.js';
import { HeedError } from '../errors.js';
import { Tensor } from '../tensor/tensor.js';
import { bytesPerElement, type TypedArray } from '../tensor/types.js';
import { dtypes } from './dtype.js';
import { type Entry, type Header, parseHeader, parseHeaderLength } from './header.js';
import { malformed } from './json.js';

/** The most bytes of one read; the system allows no more than 2 GiB. */
const maxReadLength = 2 ** 30;

export class Shard {
  readonly path: string;
  readonly header: Header;
  readonly #handle: FileHandle;
  readonly #dataStart: number;

  private constructor(path: string, handle: FileHandle, header: Header, dataStart: number) {
    this.path = path;
    this.header = header;
    this.#handle = handle;
    this.#dataStart = dataStart;
  }

  static async open(path: string): Promise<Shard> {
    const handle = await openRegularFile(path);
    try {
      const { size } = await handle.stat();
      const prefix = new Uint8Array(Math.min(8, size));
      await readInto(prefix, handle, 0, path);
      const length = parseHeaderLength(prefix, size, path);
      const bytes = new Uint8Array(length);
      await readInto(bytes, handle, 8, path);
      const header = parseHeader(bytes, size - 8 - length, path);
      return new Shard(path, handle, header, 8 + length);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  async read({ name, dtype, dims, start, end }: Entry): Promise<Tensor> {
    const shown = `tensor ${JSON.stringify(name)}`;
    const type = dtypes.get(dtype)?.type;
    if (type === undefined) {
      throw new HeedError(
        'HEED_UNSUPPORTED_TYPE',
        `Expected ${shown} in ${this.path} to be of a type that heed reads, received ${dtype}`,
      );
    }
    const data = allocate(type, (end - start) / bytesPerElement[type], `${shown} in ${this.path}`);
    await readInto(data, this.#handle, this.#dataStart + start, this.path);
    return new Tensor(type, data, dims);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** Checks before it opens, because opening a named pipe would wait for a writer for ever. */
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
        `expected ${bytes.length} bytes at ${position}, received ${filled}: it was truncated while open`,
      );
    }
    filled += bytesRead;
  }
}
