/** Numbers as people read them. */

export function formatTime(milliseconds: number): string {
  if (milliseconds < 1) return `${(1000 * milliseconds).toPrecision(3)} µs`;
  return `${milliseconds < 1000 ? milliseconds.toPrecision(3) : milliseconds.toFixed(0)} ms`;
}

/** Two figures are enough far from 1. */
export function formatRatio(ratio: number): string {
  return `${ratio < 10 ? ratio.toFixed(2) : ratio.toFixed(0)}×`;
}

export function formatPercent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}

/** What was reached, and what had to be. */
export function withBar(reached: string, met: boolean, bar: string): string {
  return `${reached} ${met ? '✓' : '✗'} ${bar}`;
}
