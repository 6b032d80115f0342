/** Which words a word looks at, heaviest first. */

export interface Influence {
  /** Position in the text. */
  readonly position: number;
  readonly weight: number;
}

export interface Influences {
  readonly words: readonly Influence[];
  /** The total weight of the words not listed. */
  readonly rest: number;
  /** The weight that no word gets. */
  readonly nothing: number;
}

/** Words with less weight are not listed. */
const lightest = 0.001;

/** @param row how much one word looks at every word of the text */
export function influencesOf(row: Float32Array, most: number): Influences {
  const sum = sumOf(row);
  const words = [...row.entries()]
    .filter(([, weight]) => weight >= lightest)
    .sort(([, a], [, b]) => b - a)
    .slice(0, most)
    .map(([position, weight]) => ({ position, weight }));
  const listed = words.reduce((total, { weight }) => total + weight, 0);
  return { words, rest: Math.max(0, sum - listed), nothing: Math.max(0, 1 - sum) };
}

export function sumOf(weights: Float32Array): number {
  return weights.reduce((sum, weight) => sum + weight, 0);
}
