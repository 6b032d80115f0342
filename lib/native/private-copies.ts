/**
 * Copies of the memory that could change under an operation while JavaScript runs beside it: a
 * resizable ArrayBuffer may shrink, and where the addon cannot pin memory any ArrayBuffer may be
 * transferred away. The operation then works on copies, and what it wrote is copied back.
 */
import { types } from 'node:util';
import { bufferOf, bytesOf, isResizable, lengthOf, typedArrayName } from '../array-memory.js';
import { isLasting } from '../lasting-memory.js';
import type { Problem, StoredArray } from '../problem.js';
import type { Buffers } from './addon.js';
import { writtenBy } from './written.js';

/** The part of an ArrayBuffer that an operation touches. */
interface Range {
  start: number;
  end: number;
}

const arrayClasses = {
  Float32Array,
  Float64Array,
  Uint16Array,
  Int8Array,
  Uint8Array,
  Int32Array,
  BigInt64Array,
};

function mayGoAway(array: StoredArray, pinned: boolean): boolean {
  const buffer = bufferOf(array);
  return types.isArrayBuffer(buffer) && (isResizable(array) || !(pinned || isLasting(buffer)));
}

function rangesOf(buffers: Buffers, pinned: boolean): Map<ArrayBufferLike, Range> {
  const ranges = new Map<ArrayBufferLike, Range>();
  for (const array of buffers) {
    if (!ArrayBuffer.isView(array) || !mayGoAway(array, pinned)) continue;
    const { buffer, byteOffset, byteLength } = bytesOf(array);
    const range = ranges.get(buffer) ?? { start: Infinity, end: 0 };
    // Whole words, so that every array is as aligned in the copy as it was.
    range.start = Math.min(range.start, byteOffset - (byteOffset % 8));
    range.end = Math.max(range.end, byteOffset + byteLength);
    ranges.set(buffer, range);
  }
  return ranges;
}

export class PrivateCopies {
  readonly #copies = new Map<StoredArray, StoredArray>();

  /** Undefined when nothing needs a copy, which is the usual case. */
  static of(buffers: Buffers, pinned: boolean): PrivateCopies | undefined {
    if (!buffers.some((array) => ArrayBuffer.isView(array) && mayGoAway(array, pinned))) return undefined;
    return new PrivateCopies(buffers, rangesOf(buffers, pinned));
  }

  /** One copy for each ArrayBuffer: arrays that overlap still do. */
  private constructor(buffers: Buffers, ranges: Map<ArrayBufferLike, Range>) {
    const copied = new Map<ArrayBufferLike, ArrayBuffer>();
    for (const [buffer, { start, end }] of ranges) {
      copied.set(buffer, new Uint8Array(buffer, start, end - start).slice().buffer);
    }
    for (const array of buffers) {
      if (!ArrayBuffer.isView(array)) continue;
      const { buffer, byteOffset } = bytesOf(array);
      const copy = copied.get(buffer);
      const range = ranges.get(buffer);
      if (copy === undefined || range === undefined) continue;
      const arrayClass = arrayClasses[typedArrayName(array) as keyof typeof arrayClasses];
      this.#copies.set(array, new arrayClass(copy, byteOffset - range.start, lengthOf(array)));
    }
  }

  /** The buffers, with copies in place of what was copied. */
  substitute(buffers: Buffers): Buffers {
    return buffers.map((array) => (ArrayBuffer.isView(array) ? (this.#copies.get(array) ?? array) : array));
  }

  /** Hands over what the problems have written. */
  restore(problems: readonly Problem[]): void {
    const written = writtenBy(problems);
    for (const [array, result] of this.#copies) {
      // An array that was transferred or resized meanwhile has nobody left to see the result.
      const complete = result.length > 0 && result.length === lengthOf(array);
      if (complete && written.has(array)) bytesOf(array).set(bytesOf(result));
    }
  }
}
