/** Ratios that missed their bar, with their values at the limit of the machine. */
import type { Results, RowResult } from '../results.js';
import { scalingOf } from './bars.js';

export interface Missed {
  readonly row: RowResult;
  /** The opponent of the ratio, or 'one thread'. */
  readonly against: string;
  readonly bar: number;
  readonly ratio: number;
  /** The ratio of the peer's measured time to the shortest time that the limit of the row allows heed. */
  readonly atLimit: number;
}

/** Considers only rows that have a limit. */
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
