/** Formats numbers for readers. */

export function formatTime(milliseconds: number): string {
  if (milliseconds < 1) return `${(1000 * milliseconds).toPrecision(3)} µs`;
  return `${milliseconds < 1000 ? milliseconds.toPrecision(3) : milliseconds.toFixed(0)} ms`;
}

/** Rounds down, so that a value below its bar does not seem to meet it. */
export function formatRatio(ratio: number): string {
  const digits = ratio < 10 ? 2 : 0;
  return `${(Math.floor(ratio * 10 ** digits) / 10 ** digits).toFixed(digits)}×`;
}

export function formatPercent(share: number): string {
  return `${Math.floor(100 * share)} %`;
}

/** The value, and the bar. */
export function withBar(reached: string, met: boolean, bar: string): string {
  return `${reached} ${met ? '✓' : '✗'} ${bar}`;
}
