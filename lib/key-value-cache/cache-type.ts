/** The types that caches store keys and values in. */

/** int8 holds each row, the elements of one step and head, as multiples of a float32 scale: its largest magnitude / 127. */
export type CacheType = 'float32' | 'float16' | 'bfloat16' | 'int8';

export const cacheTypes: readonly CacheType[] = ['float32', 'float16', 'bfloat16', 'int8'];

interface ElementKind {
  /** A constructor of typed arrays, by the one way to call it that all have in common. */
  readonly array: new (
    memory: ArrayBuffer,
    start?: number,
    length?: number,
  ) => Float32Array | Uint16Array | Int8Array;
  readonly bytes: number;
  /** Whether each row has a scale. */
  readonly scaled: boolean;
}

export const elementsOf: Readonly<Record<CacheType, ElementKind>> = {
  float32: { array: Float32Array, bytes: 4, scaled: false },
  float16: { array: Uint16Array, bytes: 2, scaled: false },
  bfloat16: { array: Uint16Array, bytes: 2, scaled: false },
  int8: { array: Int8Array, bytes: 1, scaled: true },
};
