/** Writes problems in the format that native/addon/decode.h describes. */
import type { View } from '../problem.js';
import type { TensorType, TypedArray } from '../tensor-type.js';
import type { Buffers, External } from './addon.js';

const typeNumbers: Partial<Record<TensorType, number>> = { float32: 0, float16: 1, bfloat16: 2, bool: 3 };

/** A type's number in encoded problems; −1, which the decoder turns away, for one that kernels do not know. */
export function typeNumber(type: TensorType): number {
  return typeNumbers[type] ?? -1;
}

export class Encoder {
  /** Reused from one operation to the next: the addon reads it before it returns. */
  numbers = new Float64Array(1024);
  length = 0;
  buffers: Buffers = [];

  /** Starts over. */
  reset(): void {
    this.length = 0;
    this.buffers = [];
  }

  number(value: number): void {
    if (this.length === this.numbers.length) this.#grow(1);
    this.numbers[this.length++] = value;
  }

  /** Its index among the buffers. */
  buffer(buffer: TypedArray | External): void {
    let index = this.buffers.indexOf(buffer);
    if (index < 0) index = this.buffers.push(buffer) - 1;
    this.number(index);
  }

  optionalBuffer(buffer: TypedArray | undefined): void {
    if (buffer === undefined) this.number(-1);
    else this.buffer(buffer);
  }

  typed({ data, type }: { readonly data: TypedArray; readonly type: TensorType }): void {
    this.buffer(data);
    this.number(typeNumber(type));
  }

  view(view: View): void {
    this.typed(view);
    this.number(view.batchStride);
    this.number(view.headStride);
    this.number(view.stepStride);
  }

  list(values: ArrayLike<number> | undefined): void {
    const count = values?.length ?? 0;
    this.number(count);
    if (values === undefined) return;
    if (this.length + count > this.numbers.length) this.#grow(count);
    this.numbers.set(values, this.length);
    this.length += count;
  }

  #grow(count: number): void {
    const grown = new Float64Array(2 * (this.length + count));
    grown.set(this.numbers);
    this.numbers = grown;
  }
}
