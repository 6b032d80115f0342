/** An independent implementation of drawn keys: the same hash, in integers of any size. */
import type { Selection } from '../../lib/attention/options.js';

const word = (value: number | bigint) => BigInt.asUintN(32, BigInt(value));

function mix(value: bigint): bigint {
  let bits = word(value);
  bits = word((bits ^ (bits >> 16n)) * 0x21f0aaadn);
  bits = word((bits ^ (bits >> 15n)) * 0x735a2d97n);
  return bits ^ (bits >> 15n);
}

/** The Gumbel noise of key j; −1 for the sink. */
export function drawnNoise(
  selection: Selection,
  entry: number,
  head: number,
  position: number,
): (j: number) => number {
  if (typeof selection === 'string' || selection.type !== 'hard') return () => 0;
  const numbers = [BigInt(selection.seed), BigInt(selection.seed) >> 32n, entry, head, position];
  const state = (start: bigint) =>
    numbers.reduce<bigint>((bits, number) => mix((bits ^ word(number)) + 0x9e3779b9n), start);
  const [a, b] = [state(0x243f6a88n), state(0x85a308d3n)];
  return (j) => {
    const bits = mix(mix(word(j) + a) ^ b);
    const even = (Number(bits) + 0.5) / 2 ** 32;
    return -Math.log(-Math.log1p(-even));
  };
}
