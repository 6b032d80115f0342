/** The weights in a page, as numbers. */
import type { PageData, PageWeights } from '../page-data.js';

export interface Weights {
  /** [words, words], row after row. */
  readonly weights: Float32Array;
  readonly elsewhere: Float32Array;
  readonly nothing: Float32Array;
}

export interface HeadWeights {
  /** The same as causal where a head never looks at later words. */
  readonly open: Weights;
  readonly causal: Weights;
}

function fromFloat16(bits: number): number {
  const exponent = bits >> 10;
  const fraction = bits & 0x3ff;
  return exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25);
}

function decode(base64: string): Float32Array {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  return Float32Array.from({ length: bytes.length / 2 }, (_, i) =>
    fromFloat16(bytes[2 * i] | (bytes[2 * i + 1] << 8)),
  );
}

function decodeAll({ weights, elsewhere, nothing }: PageWeights): Weights {
  return { weights: decode(weights), elsewhere: decode(elsewhere), nothing: decode(nothing) };
}

export function decodeHeads(data: PageData): HeadWeights[] {
  return data.heads.map(({ open, causal }) => ({
    open: decodeAll(open ?? causal),
    causal: decodeAll(causal),
  }));
}

/** A weight as people read it: three digits. */
export function format(weight: number): string {
  if (weight === 0) return '0';
  if (weight < 0.001) return '< 0.001';
  return weight >= 0.9995 ? '1.00' : weight.toPrecision(3);
}

/** How strongly a weight is drawn: small weights must still be seen. */
export function strength(weight: number): number {
  return Math.sqrt(Math.min(weight, 1));
}
