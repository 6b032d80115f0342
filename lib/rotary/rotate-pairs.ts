/** The rotation itself, on numbers: what RotaryEmbedding of ONNX and the reference's projections share. */

import type { Numbers } from '../tensor/types.js';
/** The cosines and sines of the angles of `pairs` pairs, from `start` on. */
export interface Angles {
  readonly cos: Numbers;
  readonly sin: Numbers;
  readonly start: number;
  readonly pairs: number;
}

/**
 * Rotates each pair (x, y) among the leading elements of a head, which begins at `at`, to
 * (x cos − y sin, x sin + y cos). Pairs are neighbours when interleaved, else they lie `pairs` elements apart.
 */
export function rotatePairs(
  numbers: Numbers,
  at: number,
  { cos, sin, start, pairs }: Angles,
  interleaved: boolean,
): void {
  const stride = interleaved ? 2 : 1;
  const apart = interleaved ? 1 : pairs;
  for (let pair = 0; pair < pairs; pair++) {
    const first = at + pair * stride;
    const x = numbers[first];
    const y = numbers[first + apart];
    const c = cos[start + pair];
    const s = sin[start + pair];
    numbers[first] = x * c - y * s;
    numbers[first + apart] = x * s + y * c;
  }
}
