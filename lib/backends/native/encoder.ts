/** Writes problems in the format that native/addon/wire/format.h describes. */
import type { PageIds, StoredElements, StoredType, StoredView } from '../../problem/problem.js';
import type { QuantisedType } from '../../problem/quantised-weight.js';
import type { External } from './addon.js';

const typeNumbers: Partial<Record<StoredType | QuantisedType, number>> = {
  float32: 0,
  float16: 1,
  bfloat16: 2,
  bool: 3,
  int8: 4,
  float8: 5,
  int4: 6,
};

/** A type's number in encoded problems; −1, which the addon turns away, for one that kernels do not know. */
export function typeNumber(type: StoredType | QuantisedType): number {
  return typeNumbers[type] ?? -1;
}

/** The first `length` numbers, and what they refer to by index. */
export interface Encoded<Buffers = readonly (StoredElements | External)[]> {
  readonly numbers: Float64Array;
  readonly length: number;
  readonly buffers: Buffers;
}

export class Encoder {
  /** Reused from one operation to the next: the addon reads it before it returns. */
  #numbers = new Float64Array(1024);
  #length = 0;
  #buffers: (StoredElements | External)[] = [];
  /** Which page list of the operation each one is: an append and an attention over the same cache have the same. */
  readonly #pageLists = new Map<PageIds, number>();

  /** Starts over. */
  reset(): void {
    this.#length = 0;
    this.#buffers = [];
    this.#pageLists.clear();
  }

  /** Returns what was written and forgets it, so that a long-lived encoder does not keep buffers alive. */
  take(): Encoded {
    const taken = { numbers: this.#numbers, length: this.#length, buffers: this.#buffers };
    this.reset();
    return taken;
  }

  number(value: number): void {
    if (this.#length === this.#numbers.length) this.#grow(1);
    this.#numbers[this.#length++] = value;
  }

  numbers(...values: readonly number[]): void {
    for (const value of values) this.number(value);
  }

  /** What `encode` writes of a value, or −1 where there is none. */
  optional<T>(value: T | undefined, encode: (to: Encoder, value: T) => void): void {
    if (value === undefined) this.number(-1);
    else encode(this, value);
  }

  /** Its index among the buffers. */
  buffer(buffer: StoredElements | External): void {
    let index = this.#buffers.indexOf(buffer);
    if (index < 0) index = this.#buffers.push(buffer) - 1;
    this.number(index);
  }

  optionalBuffer(buffer: StoredElements | undefined): void {
    if (buffer === undefined) this.number(-1);
    else this.buffer(buffer);
  }

  typed({ data, type }: { readonly data: StoredElements; readonly type: StoredType }): void {
    this.buffer(data);
    this.number(typeNumber(type));
  }

  view(view: StoredView): void {
    this.typed(view);
    this.numbers(view.batchStride, view.headStride, view.stepStride);
  }

  list(values: ArrayLike<number> | undefined): void {
    const count = values?.length ?? 0;
    this.number(count);
    if (values === undefined) return;
    if (this.#length + count > this.#numbers.length) this.#grow(count);
    this.#numbers.set(values, this.#length);
    this.#length += count;
  }

  /** Its index, and the list itself the first time. */
  pageList(list: PageIds): void {
    const index = this.#pageLists.get(list);
    if (index !== undefined) {
      this.number(index);
      return;
    }
    this.number(this.#pageLists.size);
    this.#pageLists.set(list, this.#pageLists.size);
    const { ids, count } = list;
    this.number(count);
    for (let i = 0; i < count; i++) this.number(ids[i]);
  }

  #grow(count: number): void {
    const grown = new Float64Array(2 * (this.#length + count));
    grown.set(this.#numbers);
    this.#numbers = grown;
  }
}
