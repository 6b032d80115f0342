/** The seeds of a generation, whose steps need one each. */

function word(value: bigint): bigint {
  return BigInt.asUintN(64, value);
}

/**
 * The seed of a step: seeds of neighbouring steps, and those of generations with neighbouring seeds, have nothing in common
 * (the finalizer of SplitMix64, Steele et al. 2014).
 *
 * @param seed of the generation, an integer from 0 to 2⁵³ − 1
 * @param step how many tokens it has generated before
 */
export function stepSeed(seed: number, step: number): number {
  let z = word(word(BigInt(seed) * 0xd1342543de82ef95n) + BigInt(step + 1) * 0x9e3779b97f4a7c15n);
  z = word((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
  z = word((z ^ (z >> 27n)) * 0x94d049bb133111ebn);
  return Number((z ^ (z >> 31n)) >> 11n);
}
