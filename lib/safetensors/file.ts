/// <reference lib="esnext.disposable" preserve="true" />
/** Files of the format: one, or several behind an index that are read as one. */
import { type FileHandle, open as openHandle, readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { allocate } from '../checks/data.js';
import { invalid } from '../checks/values.js';
import { HeedError } from '../errors.js';
import { Tensor } from '../tensor/tensor.js';
import { bytesPerElement, type TensorType, type TypedArray } from '../tensor/types.js';
import {
  dtypes,
  type Entry,
  type Header,
  maxHeaderLength,
  parseHeader,
  parseHeaderLength,
} from './header.js';
import { isObject, malformed, parseJsonFile, show } from './json.js';
import { listNames, locate } from './paths.js';
import { recognisableLength, recognise } from './recognise.js';

/** The most bytes of one read; the system allows no more than 2 GiB. */
const maxReadLength = 2 ** 30;

class Shard {
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
      const start = new Uint8Array(Math.min(recognisableLength, size));
      await readInto(start, handle, 0, path);
      expectHeader(start, size, path);
      const length = parseHeaderLength(start, size, path);
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

/**
 * Names what a file is that is not of the format: whose first bytes are no plausible length, or have no header behind them.
 */
function expectHeader(start: Uint8Array, size: number, path: string): void {
  if (size === 0) {
    throw malformed(
      path,
      "expected at least 8 bytes (the header's length), received 0: the file is empty, so write or download it again",
    );
  }
  const length = size < 8 ? 0n : new DataView(start.buffer, 0, 8).getBigUint64(0, true);
  const isPlausible = length <= maxHeaderLength && Number(length) <= size - 8;
  if (isPlausible && start[8] === '{'.charCodeAt(0)) return;
  const received = recognise(start);
  if (received !== undefined) throw malformed(path, `expected a safetensors file, received ${received}`);
}

/** Checks before it opens, because opening a named pipe would wait for a writer for ever. */
async function openRegularFile(path: string): Promise<FileHandle> {
  let received = 'something else';
  try {
    const info = await stat(path);
    if (info.isFile()) return await openHandle(path, 'r');
    if (info.isDirectory()) received = 'a directory';
  } catch (error) {
    throw new HeedError('HEED_FILE_ERROR', `Could not open ${path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  throw new HeedError('HEED_FILE_ERROR', `Expected ${path} to be a regular file, received ${received}`);
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

/** The names of the tensors of each file, in the order of the index. */
type Contents = ReadonlyMap<string, ReadonlySet<string>>;

/** Where a tensor is, or why it cannot be read. */
type Whereabouts = Place | HeedError;

/** What was found of a file: its shards, and the whereabouts of all tensors that they or an index name. */
interface Found {
  readonly shards: readonly Shard[];
  readonly tensors: ReadonlyMap<string, Whereabouts>;
}

async function openOne(path: string): Promise<Found> {
  const shard = await Shard.open(path);
  return {
    shards: [shard],
    tensors: new Map(shard.header.entries.map((entry) => [entry.name, { shard, entry }])),
  };
}

/**
 * Opens the files of an index. One that is missing or broken stands in nobody's way but its tensors': a layer needs few of
 * them. Only where there is none at all, there is nothing to open.
 */
async function openShards(index: string): Promise<Found> {
  const contents = await readIndex(index);
  const opened = await Promise.allSettled(
    [...contents].map(([file, names]) => openShard(index, file, names)),
  );
  const shards = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const failed = opened.find((result) => result.status === 'rejected');
  if (shards.length === 0 && failed !== undefined) throw failed.reason;
  const tensors = new Map<string, Whereabouts>();
  for (const [i, names] of [...contents.values()].entries()) {
    const result = opened[i];
    if (result.status === 'fulfilled') addIndexed(index, result.value, names, tensors);
    else for (const name of names) tensors.set(name, asHeedError(result.reason, index));
  }
  addUnnamed(index, shards, tensors);
  return { shards, tensors };
}

function asHeedError(error: unknown, index: string): HeedError {
  if (error instanceof HeedError) return error;
  const problem = `Could not read a file of ${index}: ${(error as Error).message}`;
  return new HeedError('HEED_FILE_ERROR', problem, { cause: error });
}

/** The tensors that an index names for a shard, in the order of their data. */
function addIndexed(
  index: string,
  shard: Shard,
  names: ReadonlySet<string>,
  tensors: Map<string, Whereabouts>,
): void {
  const { entries } = shard.header;
  for (const entry of entries) if (names.has(entry.name)) tensors.set(entry.name, { shard, entry });
  const held = listNames(entries.map(({ name }) => name));
  for (const name of names) {
    if (tensors.has(name)) continue;
    tensors.set(name, malformed(index, `expected ${shard.path} to hold ${show(name)}, found ${held}`));
  }
}

/** Tensors that no index names belong to the model too; two of the same name would be two readings. */
function addUnnamed(index: string, shards: readonly Shard[], tensors: Map<string, Whereabouts>): void {
  const named = new Set(tensors.keys());
  for (const shard of shards) {
    for (const entry of shard.header.entries) {
      const { name } = entry;
      if (named.has(name)) continue;
      const problem = `expected weight_map to say which of several files ${show(name)} is read from`;
      tensors.set(name, tensors.has(name) ? malformed(index, problem) : { shard, entry });
    }
  }
}

async function readIndex(index: string): Promise<Contents> {
  const { weight_map: map } = parseJsonFile(await readWhole(index), 'the index', index) as Record<
    string,
    unknown
  >;
  if (!isObject(map)) throw malformed(index, `expected weight_map to be an object, received ${show(map)}`);
  const contents = new Map<string, Set<string>>();
  for (const [name, file] of Object.entries(map)) {
    // An index may come from anywhere, and must not refer to files outside its directory.
    if (typeof file !== 'string' || file === '' || /[/\\]|^\.\.?$/.test(file)) {
      throw malformed(
        index,
        `expected weight_map[${show(name)}] to be the name of a file beside it, received ${show(file)}`,
      );
    }
    const names = contents.get(file) ?? new Set();
    contents.set(file, names.add(name));
  }
  return contents;
}

async function readWhole(index: string): Promise<Uint8Array> {
  try {
    const info = await stat(index);
    if (info.isFile() && info.size <= maxHeaderLength) return await readFile(index);
  } catch (error) {
    throw new HeedError('HEED_FILE_ERROR', `Could not read ${index}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  throw new HeedError(
    'HEED_FILE_ERROR',
    `Expected ${index} to be a regular file of at most ${maxHeaderLength} bytes`,
  );
}

async function openShard(index: string, file: string, names: ReadonlySet<string>): Promise<Shard> {
  const directory = dirname(index);
  const files = await readdir(directory).catch((): string[] => []);
  if (!files.includes(file)) {
    const found = files.filter((other) => other.endsWith('.safetensors')).sort();
    throw new HeedError(
      'HEED_FILE_ERROR',
      `Expected ${directory} to hold ${show(file)}, which ${index} names for ${listNames([...names])}, found ${listNames(found, 'no safetensors files')}`,
    );
  }
  return await Shard.open(join(directory, file));
}

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
  /**
   * Name, element type and dims of every tensor, by name, in the order of their data. Of several files, one that
   * is missing or malformed has none here; `read` says why.
   */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly #shards: readonly Shard[];
  readonly #whereabouts: ReadonlyMap<string, Whereabouts>;
  #closing: Promise<void> | undefined;

  private constructor(path: string, { shards, tensors }: Found) {
    this.path = path;
    this.metadata = Object.freeze(
      Object.assign(Object.create(null), ...shards.map(({ header }) => header.metadata).reverse()),
    );
    const infos = new Map<string, TensorInfo>();
    for (const [name, place] of tensors) {
      if (!(place instanceof HeedError)) infos.set(name, infoOf(place.entry));
    }
    this.tensors = infos;
    this.#shards = shards;
    this.#whereabouts = tensors;
  }

  /** @internal Use `open` of heed/safetensors. */
  static async open(path: string): Promise<SafetensorsFile> {
    const { file, isIndex } = await locate(path);
    return new SafetensorsFile(file, await (isIndex ? openShards(file) : openOne(file)));
  }

  /** @internal The names of all tensors, with those that an index names and no file has. */
  get names(): string[] {
    return [...this.#whereabouts.keys()];
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
   * read, or is one of several and missing, and `HEED_MALFORMED_FILE` if that one is malformed or lacks the tensor.
   */
  async read(name: string): Promise<Tensor> {
    if (this.closed)
      throw new HeedError('HEED_DISPOSED', `Expected ${this.path} to be open, received a closed file`);
    if (typeof name !== 'string') throw invalid('name', 'a string', name);
    const place = this.#whereabouts.get(name);
    if (place instanceof HeedError) throw place;
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
