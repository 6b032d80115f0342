/** Root mean square normalisation (Zhang and Sennrich 2019). */

/** Scales every row of [steps, width] to a mean square of 1, and each of its numbers by what was learnt. */
export function normalize(rows: Float32Array, weight: Float32Array, epsilon: number): Float32Array {
  const width = weight.length;
  const normalized = new Float32Array(rows.length);
  for (let start = 0; start < rows.length; start += width) {
    let squares = 0;
    for (let i = 0; i < width; i++) squares += rows[start + i] ** 2;
    const factor = 1 / Math.sqrt(squares / width + epsilon);
    for (let i = 0; i < width; i++) normalized[start + i] = rows[start + i] * factor * weight[i];
  }
  return normalized;
}
