import type { TensorType } from '../tensor/types.js';
import { isObject, malformed, parseJson, show } from './json.js';

/** The limit of the format: a longer header is an attack, not a model. */
export const maxHeaderLength = 100_000_000;

/** One tensor of the file; its bytes are [start, end) of the data that follows the header. */
export interface Entry {
  readonly name: string;
  readonly dtype: string;
  readonly dims: readonly number[];
  readonly start: number;
  readonly end: number;
}

export interface Header {
  readonly metadata: Readonly<Record<string, string>>;
  /** In the order of their data. */
  readonly entries: readonly Entry[];
}

/** Reads the length of the header, and checks it against the size of the file. */
export function parseHeaderLength(bytes: Uint8Array, fileSize: number, path: string): number {
  if (fileSize < 8 || bytes.length < 8) {
    throw malformed(path, `expected at least 8 bytes (the header's length), received ${bytes.length}`);
  }
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  if (length > maxHeaderLength) {
    throw malformed(
      path,
      `expected a header of at most ${maxHeaderLength} bytes, received a length of ${length}`,
    );
  }
  if (Number(length) > fileSize - 8) {
    throw malformed(
      path,
      `expected the header to end inside the file (${fileSize} bytes), received a header length of ${length}`,
    );
  }
  return Number(length);
}

/** Reads the JSON header; `dataLength` is the number of bytes that follow it in the file. */
export function parseHeader(bytes: Uint8Array, dataLength: number, path: string): Header {
  const json = parseJson(bytes, 'the header', path);
  let metadata: Header['metadata'] = Object.freeze(Object.create(null));
  const entries: Entry[] = [];
  for (const [name, value] of Object.entries(json)) {
    if (name === '__metadata__') metadata = parseMetadata(value, path);
    else entries.push(parseEntry(name, value, path));
  }
  // An empty tensor may have the same start as the next one, and must come before it.
  entries.sort((a, b) => a.start - b.start || a.end - b.end);
  checkCoverage(entries, dataLength, path);
  return { metadata, entries };
}

function parseMetadata(value: unknown, path: string): Header['metadata'] {
  if (!isObject(value))
    throw malformed(path, `expected __metadata__ to be an object, received ${show(value)}`);
  const metadata: Record<string, string> = Object.create(null);
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') {
      throw malformed(path, `expected __metadata__[${show(key)}] to be a string, received ${show(text)}`);
    }
    metadata[key] = text;
  }
  return Object.freeze(metadata);
}

function parseEntry(name: string, value: unknown, path: string): Entry {
  const tensor = `tensor ${show(name)}`;
  if (!isObject(value)) throw malformed(path, `expected ${tensor} to be an object, received ${show(value)}`);
  const { dtype, shape, data_offsets: offsets } = value;

  const known = typeof dtype === 'string' ? dtypes.get(dtype) : undefined;
  if (typeof dtype !== 'string' || known === undefined) {
    throw malformed(
      path,
      `expected the dtype of ${tensor} to be one of ${[...dtypes.keys()].join(', ')}, received ${show(dtype)}`,
    );
  }
  if (!Array.isArray(shape) || !shape.every(isCount)) {
    throw malformed(
      path,
      `expected the shape of ${tensor} to be a list of non-negative integers, received ${show(shape)}`,
    );
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount) || offsets[0] > offsets[1]) {
    throw malformed(
      path,
      `expected the data_offsets of ${tensor} to be two non-negative integers in order, received ${show(offsets)}`,
    );
  }
  const [start, end] = offsets;
  const byteLength = byteLengthOf(known, shape);
  if (byteLength === undefined) {
    throw malformed(
      path,
      `expected ${tensor} to fill whole and addressable bytes, received ${dtype} ${show(shape)}`,
    );
  }
  if (byteLength !== end - start) {
    throw malformed(
      path,
      `expected the data_offsets of ${tensor} to span ${byteLength} bytes (${dtype} ${show(shape)}), received ${show(offsets)}`,
    );
  }
  return { name, dtype, dims: Object.freeze(shape), start, end };
}

/** The tensors must cover the data without a gap or an overlap, so that nothing can hide in the file. */
function checkCoverage(entries: readonly Entry[], dataLength: number, path: string): void {
  let covered = 0;
  for (const { name, start, end } of entries) {
    if (start !== covered) {
      const what = start < covered ? 'overlaps the tensor before it' : 'leaves a gap before it';
      throw malformed(
        path,
        `expected tensor ${show(name)} to start at byte ${covered}, received ${start}, which ${what}`,
      );
    }
    if (end > dataLength) {
      throw malformed(
        path,
        `expected tensor ${show(name)} to end within the ${dataLength} bytes of data, received ${end}`,
      );
    }
    covered = end;
  }
  if (covered !== dataLength) {
    throw malformed(
      path,
      `expected ${covered} bytes of data, received ${dataLength}: ${dataLength - covered} trailing bytes`,
    );
  }
}

/** Undefined if it is not a whole number of bytes, or more than a number represents exactly. */
function byteLengthOf(dtype: Dtype, dims: readonly number[]): number | undefined {
  let elements = 1;
  for (const dim of dims) {
    elements *= dim;
    if (!Number.isSafeInteger(elements)) return undefined;
  }
  const bytes = (elements * dtype.bits) / 8;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && !Object.is(value, -0);
}

/** An element type of the format; `type` is set if heed supports it. */
export interface Dtype {
  readonly bits: number;
  readonly type?: TensorType;
}

/**
 * Every element type the format knows, in the order of its reference implementation: `save` writes
 * wide elements first, so that each tensor starts at a multiple of its element size.
 */
export const dtypes: ReadonlyMap<string, Dtype> = new Map<string, Dtype>([
  ['BOOL', { bits: 8, type: 'bool' }],
  ['F4', { bits: 4 }],
  ['F6_E2M3', { bits: 6 }],
  ['F6_E3M2', { bits: 6 }],
  ['U8', { bits: 8, type: 'uint8' }],
  ['I8', { bits: 8 }],
  ['F8_E5M2', { bits: 8 }],
  ['F8_E4M3', { bits: 8 }],
  ['F8_E8M0', { bits: 8 }],
  ['F8_E4M3FNUZ', { bits: 8 }],
  ['F8_E5M2FNUZ', { bits: 8 }],
  ['I16', { bits: 16 }],
  ['U16', { bits: 16 }],
  ['F16', { bits: 16, type: 'float16' }],
  ['BF16', { bits: 16, type: 'bfloat16' }],
  ['I32', { bits: 32, type: 'int32' }],
  ['U32', { bits: 32 }],
  ['F32', { bits: 32, type: 'float32' }],
  ['C64', { bits: 64 }],
  ['F64', { bits: 64, type: 'float64' }],
  ['I64', { bits: 64, type: 'int64' }],
  ['U64', { bits: 64 }],
]);

const order = [...dtypes.keys()];

/** The format's name for a tensor type. */
export function dtypeOf(type: TensorType): string {
  for (const [name, dtype] of dtypes) if (dtype.type === type) return name;
  throw new TypeError(`No safetensors dtype for ${type}`);
}

/** The index of a dtype in the table: a later one is aligned at least as widely. */
export function rankOf(dtype: string): number {
  return order.indexOf(dtype);
}
