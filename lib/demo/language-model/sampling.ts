/** Choosing the next token by the scores that a model gives to all of them. */

/**
 * Draws a token with the probabilities softmax(scores / temperature); with temperature 0, takes the best.
 *
 * @param draw gives a number in [0, 1)
 */
export function sample(scores: Float32Array, temperature: number, draw: () => number): number {
  const best = scores.reduce((top, score, token) => (score > scores[top] ? token : top), 0);
  if (temperature === 0) return best;
  const weights = Float64Array.from(scores, (score) => Math.exp((score - scores[best]) / temperature));
  let rest = draw() * weights.reduce((sum, weight) => sum + weight, 0);
  const token = weights.findIndex((weight) => {
    rest -= weight;
    return rest < 0;
  });
  // Rounding may leave nothing to find.
  return token < 0 ? best : token;
}
