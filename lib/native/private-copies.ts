/**
 * Copies of the memory that could change under an operation while JavaScript runs beside it: a
 * resizable ArrayBuffer may shrink, and where the addon cannot pin memory any ArrayBuffer may be
 * transferred away. The operation then works on copies, and what it wrote is copied back.
 */
import type { Problem } from '../problem.js';
import type { TypedArray } from '../tensor-type.js';
import type { Buffers } from './addon.js';

/** The part of an ArrayBuffer that an operation touches. */
interface Range {
  start: number;
  end: number;
}

const arrayClasses = { Float32Array, Float64Array, Uint16Array, Uint8Array, Int32Array, BigInt64Array };

function isResizable(buffer: ArrayBufferLike): boolean {
  return buffer instanceof ArrayBuffer && 'resizable' in buffer && buffer.resizable === true;
}

function mayGoAway(buffer: ArrayBufferLike, pinned: boolean): boolean {
  return buffer instanceof ArrayBuffer && (!pinned || isResizable(buffer));
}

function writtenBy(problem: Problem): (TypedArray | undefined)[] {
  switch (problem.kind) {
    case 'attention':
      return [problem.output.data, problem.logSumExp?.data];
    case 'unfused':
      return writtenBy(problem.attention);
    case 'rows':
      return [problem.scores, problem.cappedScores, problem.biasedScores, problem.weights];
    case 'projection':
      return problem.targets.map((target) => target.view.data);
    case 'merge':
      return [problem.output, problem.logSumExp];
  }
}

function rangesOf(buffers: Buffers, pinned: boolean): Map<ArrayBufferLike, Range> {
  const ranges = new Map<ArrayBufferLike, Range>();
  for (const array of buffers) {
    if (!ArrayBuffer.isView(array) || !mayGoAway(array.buffer, pinned)) continue;
    const range = ranges.get(array.buffer) ?? { start: Infinity, end: 0 };
    // Whole words, so that every array is as aligned in the copy as it was.
    range.start = Math.min(range.start, array.byteOffset - (array.byteOffset % 8));
    range.end = Math.max(range.end, array.byteOffset + array.byteLength);
    ranges.set(array.buffer, range);
  }
  return ranges;
}

function bytesOf(array: TypedArray): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

export class PrivateCopies {
  readonly #copies = new Map<TypedArray, TypedArray>();

  /** Undefined when nothing needs a copy, which is the usual case. */
  static of(buffers: Buffers, pinned: boolean): PrivateCopies | undefined {
    if (!buffers.some((array) => ArrayBuffer.isView(array) && mayGoAway(array.buffer, pinned)))
      return undefined;
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
      const copy = copied.get(array.buffer);
      const range = ranges.get(array.buffer);
      if (copy === undefined || range === undefined) continue;
      const offset = array.byteOffset - range.start;
      this.#copies.set(array, new arrayClasses[array[Symbol.toStringTag]](copy, offset, array.length));
    }
  }

  /** The buffers, with copies in place of what was copied. */
  substitute(buffers: Buffers): Buffers {
    return buffers.map((array) => (ArrayBuffer.isView(array) ? (this.#copies.get(array) ?? array) : array));
  }

  /** Hands over what the problems have written. */
  restore(problems: readonly Problem[]): void {
    for (const array of new Set(problems.flatMap(writtenBy))) {
      const result = array && this.#copies.get(array);
      // An array that was transferred or resized meanwhile has nobody left to see the result.
      if (array === undefined || result?.length !== array.length) continue;
      bytesOf(array).set(bytesOf(result));
    }
  }
}
