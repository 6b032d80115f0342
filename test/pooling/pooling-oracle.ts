/** A row for the rows [start, end) of a matrix, by the definition. */
export function poolingOracle(
  values: ArrayLike<number>,
  width: number,
  start: number,
  end: number,
  type: 'mean' | 'first' | 'last',
  normalize: boolean,
): number[] {
  const rows = Array.from({ length: end - start }, (_, i) =>
    Array.from({ length: width }, (_, d) => values[(start + i) * width + d]),
  );
  const taken = type === 'first' ? rows.slice(0, 1) : type === 'last' ? rows.slice(-1) : rows;
  const mean = Array.from({ length: width }, (_, d) =>
    taken.reduce((sum, row) => sum + row[d] / taken.length, 0),
  );
  const length = Math.hypot(...mean);
  return normalize && length !== 0 ? mean.map((x) => x / length) : mean;
}
