/** Random numbers determined by a text: the same on every machine, different for different texts. */

/** FNV-1a over UTF-16 units, then MurmurHash3's finalizer, which spreads every bit. */
function hash(text: string): number {
  let state = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193);
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
  return (state ^ (state >>> 16)) >>> 0;
}

/** Draws 32-bit integers: the generator mulberry32, begun at the text's hash. */
function randomIntegers(text: string): () => number {
  let state = hash(text);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

/** Draws numbers in [0, 1). */
export function randomUniform(text: string): () => number {
  const next = randomIntegers(text);
  return () => next() / 2 ** 32;
}

/** `count` numbers, each +1 or −1. */
export function randomSigns(text: string, count: number): Float64Array {
  const next = randomIntegers(text);
  return Float64Array.from({ length: count }, () => (next() >>> 31 ? 1 : -1));
}
