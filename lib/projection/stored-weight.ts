/** Quantised weights from files, which layers and `packWeight` take as they are. */
import type { QuantisedWeight } from '../problem/quantised-weight.js';
import type { FloatType } from '../tensor/types.js';

/** A weight that was quantised before. Only heed makes them, from memory that nobody else has. */
export class StoredWeight {
  /** [out, in], as of the weight that it was. */
  readonly dims: readonly [out: number, inner: number];
  readonly #weight: QuantisedWeight;

  /** @param was the type that the weight had before it was quantised: what a layer computes in unless it is told another */
  constructor(
    weight: QuantisedWeight,
    readonly was: FloatType,
  ) {
    this.#weight = weight;
    this.dims = Object.freeze([weight.columns, weight.inner] as const);
  }

  static [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && #weight in value;
  }

  get weight(): QuantisedWeight {
    return this.#weight;
  }
}
