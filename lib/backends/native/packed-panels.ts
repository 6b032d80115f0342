/** Weights that the addon has packed. */
import { HeedError } from '../../errors.js';
import type { PackedHandle } from '../../problem/problem.js';
import type { Addon, External } from './addon.js';

/** The addon frees the memory on request, and when the external is collected. */
export class PackedPanels implements PackedHandle {
  readonly backend = 'cpu';
  readonly location = 'cpu';
  readonly columns: number;
  readonly inner: number;
  readonly byteLength: number;
  readonly #addon: Addon;
  readonly #external: External;

  constructor(addon: Addon, external: External, columns: number, inner: number) {
    this.columns = columns;
    this.inner = inner;
    this.byteLength = addon.packedByteLength(external);
    this.#addon = addon;
    this.#external = external;
  }

  /** Operations under way keep the memory until they end. */
  dispose(): void {
    this.#addon.disposeWeight(this.#external);
  }

  static externalOf(handle: PackedHandle): External {
    if (!(#external in handle)) {
      throw new HeedError(
        'HEED_INVALID_ARGUMENT',
        `Expected the weight to be packed for the cpu backend, received one packed for ${handle.backend}`,
      );
    }
    return handle.#external;
  }
}

export const externalOf = PackedPanels.externalOf;
