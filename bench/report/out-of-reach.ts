/** Ratios that were not reached, and their values at the limit of the machine. */
import type { Results, RowResult } from '../results.js';
import { scalingOf } from './bars.js';

export interface Missed {
  readonly row: RowResult;
  /** Whom the ratio is against, or 'one thread'. */
  readonly against: string;
  readonly bar: number;
  readonly ratio: number;
  /** With the peer's time as it was, and heed's as short as the limit of its row allows. */
  readonly atLimit: number;
}

/** Of the rows that have a limit. */
export function missedRatios(results: Results): Missed[] {
  return results.rows.flatMap((row) => {
    const { limit, opponents } = row;
    if (limit === undefined) return [];
    const scaling = scalingOf(row, results);
    const asked = [
      ...opponents.map(({ peer, bar, duel }) => ({ against: peer as string, bar, ratio: duel?.ratio })),
      { against: 'one thread', bar: scaling?.bar, ratio: scaling?.ratio },
    ];
    return asked.flatMap(({ against, bar, ratio }) =>
      bar === undefined || ratio === undefined || ratio >= bar
        ? []
        : [{ row, against, bar, ratio, atLimit: ratio / limit.share }],
    );
  });
}
