import { writeFile } from 'node:fs/promises';
import { hostDataOf, readTensor } from '../checks/tensor.js';
import { guard, invalid, isArray, isInstance, readProperty } from '../checks/values.js';
import { HeedError } from '../errors.js';
import type { TensorLike, TypedArray } from '../tensor/types.js';
import { dtypeOf, maxHeaderLength, rankOf } from './header.js';
import { readPath } from './paths.js';

/**
 * The number of bytes that are written at once, from a copy, so that memory detached meanwhile is never
 * accessed.
 */
const chunkLength = 2 ** 20;

/** A tensor to write, of a type that the format has, but for its bytes. */
export interface ItemInfo {
  readonly name: string;
  readonly dtype: string;
  readonly dims: readonly number[];
  readonly byteLength: number;
}

export interface Item extends ItemInfo {
  /** Its bytes, in pieces that nobody changes any more. */
  bytes(): Iterable<Uint8Array>;
}

/**
 * Writes tensors to a safetensors file, replacing an existing file. The same tensors and metadata
 * always give the same bytes: wide elements first, then by name, and the data 8-byte aligned.
 *
 * @param path file name or `file:` URL
 * @param tensors by name; do not change their elements before the promise settles
 * @param metadata free text to store with them
 * @throws HeedError (as a rejection) for a bad argument, or HEED_FILE_ERROR if the file cannot be
 *   written; a partly written file is then incomplete, and `open` reports it
 */
export async function save(
  path: string | URL,
  tensors: Readonly<Record<string, TensorLike>>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const file = readPath(path, 'path');
  const items = readItems(tensors);
  await write(file, items, readMetadata(metadata));
}

/** The order of tensors in a file: wide elements come first, then names decide. */
function ordered<Info extends ItemInfo>(items: readonly Info[]): Info[] {
  return [...items].sort((a, b) => rankOf(b.dtype) - rankOf(a.dtype) || compareText(a.name, b.name));
}

/** The header of a file, and at which of its bytes each tensor starts, for whoever writes these in an order of his own. */
export function layOut(
  infos: readonly ItemInfo[],
  metadata: [string, string][],
): { header: Uint8Array; starts: Map<string, number> } {
  const items = ordered(infos);
  const header = headerOf(items, metadata);
  const starts = new Map<string, number>();
  let start = header.length;
  for (const { name, byteLength } of items) {
    starts.set(name, start);
    start += byteLength;
  }
  return { header, starts };
}

/** Writes a file. */
export async function write(
  file: string,
  given: readonly Item[],
  metadata: [string, string][],
): Promise<void> {
  const items = ordered(given);
  const header = headerOf(items, metadata);
  try {
    await writeFile(file, contents(header, items));
  } catch (error) {
    if (error instanceof HeedError) throw error;
    throw new HeedError('HEED_FILE_ERROR', `Could not write ${file}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function readItems(tensors: unknown): Item[] {
  const items = readEntries(tensors, 'tensors').map(([name, value]) => {
    if (name === '__metadata__') {
      throw new HeedError(
        'HEED_INVALID_ARGUMENT',
        "Expected names of tensors, received '__metadata__', which the format reserves",
      );
    }
    return { name, tensor: readTensor(value, `tensors[${JSON.stringify(name)}]`) };
  });
  return items.map(({ name, tensor }) => {
    const data = hostDataOf(tensor);
    const { byteLength } = data;
    const bytes = () => piecesOf(name, data, byteLength);
    return { name, dtype: dtypeOf(tensor.type), dims: tensor.dims, byteLength, bytes };
  });
}

function readMetadata(metadata: unknown): [string, string][] {
  return readEntries(metadata, 'metadata')
    .map(([key, text]): [string, string] => {
      const name = `metadata[${JSON.stringify(key)}]`;
      if (typeof text !== 'string') throw invalid(name, 'a string', text);
      return [key, expectUnicode(text, name)];
    })
    .sort(([a], [b]) => compareText(a, b));
}

function readEntries(value: unknown, name: string): [string, unknown][] {
  if (typeof value !== 'object' || value === null || isArray(value) || isInstance(value, Map)) {
    throw invalid(name, 'an object', value);
  }
  const keys = guard(name, () => Object.keys(value));
  return keys.map((key) => [expectUnicode(key, `a name in ${name}`), readProperty(value, key, name)]);
}

/** A lone surrogate has no UTF-8 encoding, and would be read back as another name. */
function expectUnicode(text: string, name: string): string {
  if (Buffer.from(text).toString() !== text) throw invalid(name, 'well-formed Unicode', text);
  return text;
}

function headerOf(items: readonly ItemInfo[], metadata: [string, string][]): Buffer {
  const members: [string, string][] = [];
  if (metadata.length > 0) {
    members.push(['__metadata__', object(metadata.map(([key, text]) => [key, JSON.stringify(text)]))]);
  }
  let start = 0;
  for (const { name, dtype, dims, byteLength } of items) {
    const data_offsets = [start, start + byteLength];
    members.push([name, JSON.stringify({ dtype, shape: dims, data_offsets })]);
    start += byteLength;
  }
  const text = Buffer.from(object(members));
  const length = Math.ceil(text.length / 8) * 8;
  if (length > maxHeaderLength) {
    throw new HeedError(
      'HEED_INVALID_ARGUMENT',
      `Expected names and metadata to fit a header of ${maxHeaderLength} bytes, received ${length}`,
    );
  }
  const header = Buffer.alloc(8 + length, ' ');
  header.writeBigUInt64LE(BigInt(length));
  text.copy(header, 8);
  return header;
}

/** Not JSON.stringify, because a JavaScript object would move keys that look like numbers to the front. */
function object(members: readonly [string, string][]): string {
  return `{${members.map(([key, json]) => `${JSON.stringify(key)}:${json}`).join(',')}}`;
}

function compareText(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function* contents(header: Buffer, items: readonly Item[]): Generator<Uint8Array> {
  yield header;
  for (const item of items) yield* item.bytes();
}

function* piecesOf(name: string, data: TypedArray, byteLength: number): Generator<Uint8Array> {
  for (let start = 0; start < byteLength; start += chunkLength) {
    if (data.byteLength !== byteLength) {
      throw new HeedError(
        'HEED_DETACHED',
        `Expected tensors[${JSON.stringify(name)}] to keep its memory while it is saved`,
      );
    }
    yield new Uint8Array(
      data.buffer,
      data.byteOffset + start,
      Math.min(chunkLength, byteLength - start),
    ).slice();
  }
}
