/**
 * Drawing a key from the weights, by the Gumbel-max trick: to each score is added noise of its own,
 * −ln(−ln u) for a u drawn evenly between 0 and 1; the key whose sum is largest is key j with
 * probability exp(scoreⱼ) / Σ exp (Gumbel 1954). It needs no sum of weights, so that the order in
 * which keys are seen does not matter, and only scores as close as rounding could be taken for each other.
 *
 * The noise of a key is a hash of its numbers: the seed, batch entry, head, position of the query, and
 * key. native/cpu/kernels/draws.h draws the same.
 */

/** A bijection of 32 bits that leaves no pattern (the finalizer of splitmix32). */
function mix(value: number): number {
  let bits = value;
  bits = Math.imul(bits ^ (bits >>> 16), 0x21f0aaad);
  bits = Math.imul(bits ^ (bits >>> 15), 0x735a2d97);
  return bits ^ (bits >>> 15);
}

/** A sink takes part like a key that no sequence has. */
export const sinkKey = 0xffffffff;

/** The noise of each key of one row; two words tell rows apart, so that no two share a stream. */
export function gumbelNoise(
  seed: number,
  entry: number,
  head: number,
  position: number,
): (key: number) => number {
  const words = [seed, Math.floor(seed / 2 ** 32), entry, head, position];
  const [first, second] = [0x243f6a88, 0x85a308d3].map((start) =>
    words.reduce((state, word) => mix((state ^ word) + 0x9e3779b9), start),
  );
  return (key) => {
    const bits = mix(mix((key + first) | 0) ^ second) >>> 0;
    return -Math.log(-Math.log1p(-(bits + 0.5) / 2 ** 32));
  };
}
