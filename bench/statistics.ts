/** Statistics of repeated times of the same work. */

/** All in milliseconds. */
export interface Times {
  readonly median: number;
  readonly shortest: number;
  readonly p1: number;
  readonly p10: number;
  readonly p90: number;
  readonly p99: number;
  /** The number of calls measured. */
  readonly calls: number;
}

/**
 * The value below which the given share of the others lies, interpolated between two of them if necessary.
 */
export function quantile(ascending: ArrayLike<number>, share: number): number {
  const place = share * (ascending.length - 1);
  const below = ascending[Math.floor(place)];
  return below + (ascending[Math.ceil(place)] - below) * (place % 1);
}

export function ascending(values: readonly number[]): Float64Array {
  return Float64Array.from(values).sort();
}

export function timesOf(milliseconds: readonly number[]): Times {
  const sorted = ascending(milliseconds);
  return {
    median: quantile(sorted, 0.5),
    shortest: sorted[0],
    p1: quantile(sorted, 0.01),
    p10: quantile(sorted, 0.1),
    p90: quantile(sorted, 0.9),
    p99: quantile(sorted, 0.99),
    calls: sorted.length,
  };
}

/** The exponent of the best-fitting power law: the slope of log y over log x, by least squares. */
export function growth(x: readonly number[], y: readonly number[]): number {
  const [u, v] = [x.map(Math.log), y.map(Math.log)];
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanU, meanV] = [mean(u), mean(v)];
  const covariance = u.reduce((sum, value, i) => sum + (value - meanU) * (v[i] - meanV), 0);
  return covariance / u.reduce((sum, value) => sum + (value - meanU) ** 2, 0);
}
