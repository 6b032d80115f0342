/**
 * Copies of the memory that could change under an operation while JavaScript runs beside it: a resizable
 * ArrayBuffer may shrink, and where the addon cannot pin memory any ArrayBuffer may be transferred away. The
 * operation then works on copies, and its results are copied back; or it is solved before JavaScript
 * continues, if that takes no longer than copying.
 */
import { types } from 'node:util';
import { bufferOf, bytesOf, isResizable, lengthOf, typedArrayName } from '../../memory/arrays.js';
import type { HostArray } from '../../memory/device.js';
import { isLasting } from '../../memory/lasting.js';
import { writtenBy } from '../../problem/accesses.js';
import type { Problem } from '../../problem/problem.js';
import type { Buffers } from './addon.js';

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

function mayGoAway(array: HostArray, pinned: boolean): boolean {
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
  readonly #ranges: Map<ArrayBufferLike, Range>;
  readonly #copies = new Map<HostArray, HostArray>();

  /** Undefined if nothing needs a copy, the usual case. */
  static of(buffers: Buffers, pinned: boolean): PrivateCopies | undefined {
    const ranges = rangesOf(buffers, pinned);
    return ranges.size > 0 ? new PrivateCopies(ranges) : undefined;
  }

  private constructor(ranges: Map<ArrayBufferLike, Range>) {
    this.#ranges = ranges;
  }

  /** How much there is to copy. */
  get bytes(): number {
    let bytes = 0;
    for (const { start, end } of this.#ranges.values()) bytes += end - start;
    return bytes;
  }

  /**
   * Copies once, and returns the buffers with the copies in their places. Overlapping arrays still overlap.
   */
  substitute(buffers: Buffers): Buffers {
    const copied = new Map<ArrayBufferLike, ArrayBuffer>();
    for (const [buffer, { start, end }] of this.#ranges) {
      copied.set(buffer, new Uint8Array(buffer, start, end - start).slice().buffer);
    }
    return buffers.map((array) => (ArrayBuffer.isView(array) ? this.#substitute(array, copied) : array));
  }

  #substitute(array: HostArray, copied: ReadonlyMap<ArrayBufferLike, ArrayBuffer>): HostArray {
    const { buffer, byteOffset } = bytesOf(array);
    const copy = copied.get(buffer);
    const range = this.#ranges.get(buffer);
    if (copy === undefined || range === undefined) return array;
    const arrayClass = arrayClasses[typedArrayName(array) as keyof typeof arrayClasses];
    const inCopy = new arrayClass(copy, byteOffset - range.start, lengthOf(array));
    this.#copies.set(array, inCopy);
    return inCopy;
  }

  /** Copies back what the problems have written. */
  restore(problems: readonly Problem[]): void {
    const written = writtenBy(problems);
    for (const [array, result] of this.#copies) {
      // No one can read the result in an array that was transferred or resized meanwhile.
      const complete = result.length > 0 && result.length === lengthOf(array);
      if (complete && written.has(array)) bytesOf(array).set(bytesOf(result));
    }
  }
}
