/** Tables of results, as cells, for the terminal and for documents. */
import type { OpponentResult, Results, RowResult } from '../results.js';
import { smallCallSection } from '../rows/small-calls.js';
import { noSlower } from '../studies/grid.js';
import { scalingOf } from './bars.js';
import { formatPercent, formatRatio, formatTime, withBar } from './format.js';

/** The first row is the head. */
export type Table = readonly (readonly string[])[];

const none = '–';

function rate({ times, limit }: RowResult): string {
  if (limit === undefined) return none;
  const { work } = limit;
  return 'bytes' in work
    ? `${(work.bytes / times.median / 1e6).toPrecision(3)} GB/s`
    : `${(work.operations / times.median / 1e6).toPrecision(3)} GFLOP/s`;
}

function share({ limit }: RowResult): string {
  if (limit === undefined) return none;
  const reached = formatPercent(limit.share);
  return limit.bar === undefined
    ? reached
    : withBar(reached, limit.share >= limit.bar, (100 * limit.bar).toFixed(0));
}

function scaling(row: RowResult, results: Results): string {
  const found = scalingOf(row, results);
  if (found === undefined) return none;
  const { ratio, bar } = found;
  return bar === undefined ? formatRatio(ratio) : withBar(formatRatio(ratio), ratio >= bar, String(bar));
}

function ratio({ duel, bar }: OpponentResult): string {
  if (duel === undefined) return 'not installed';
  const reached = formatRatio(duel.ratio);
  return bar === undefined ? reached : withBar(reached, duel.ratio >= bar, String(bar));
}

function apart({ difference, agrees }: OpponentResult): string {
  if (difference === undefined) return none;
  return `${difference.absolute.toExponential(0)}${agrees ? '' : ' WRONG'}`;
}

/** @param older an earlier run; adds a column with its times divided by these */
export function rowTable(results: Results, older?: Results): Table {
  const head = ['work', 'threads', 'heed', 'rate', 'of limit', 'of 1 thread'];
  const lines = results.rows.flatMap((row) => {
    const before = older?.rows.find(({ name, threads }) => name === row.name && threads === row.threads);
    const facts = [
      row.name,
      String(row.threads),
      formatTime(row.times.median),
      rate(row),
      share(row),
      scaling(row, results),
    ];
    return row.opponents.map((opponent, i) => [
      ...facts.map((fact) => (i === 0 ? fact : '')),
      opponent.peer,
      opponent.duel ? formatTime(opponent.duel.peer.median) : none,
      apart(opponent),
      ratio(opponent),
      ...(older ? [i === 0 && before ? formatRatio(before.times.median / row.times.median) : ''] : []),
    ]);
  });
  const whole = [...head, 'against', 'takes', 'apart', 'ratio', ...(older ? ['before'] : [])];
  const absent = (results.absent ?? []).map((name) =>
    whole.map((_, i) => (i === 0 ? name : i === 2 ? 'not on this machine' : '')),
  );
  return [whole, ...lines, ...absent];
}

/** The distribution of the times of small calls, which a median does not describe well enough. */
export function distributionTable({ rows }: Results): Table {
  const small = rows.filter(({ section }) => section === smallCallSection);
  const quantiles = ['p1', 'p10', 'median', 'p90', 'p99'] as const;
  return [
    ['work', 'threads', '', ...quantiles],
    ...small.flatMap(({ name, threads, opponents }) =>
      opponents.flatMap(({ peer, duel }) =>
        duel === undefined
          ? []
          : [
              [
                name,
                String(threads),
                'heed',
                ...quantiles.map((quantile) => formatTime(duel.heed[quantile])),
              ],
              ['', '', peer, ...quantiles.map((quantile) => formatTime(duel.peer[quantile]))],
            ],
      ),
    ),
  ];
}

export function growthTable({ growth }: Results): Table {
  return [
    ['steps', 'time', 'more memory at most'],
    ...growth.flatMap(({ steps }) =>
      steps.map((entry) => [String(entry.steps), formatTime(entry.time), `${entry.extraMiB.toFixed(1)} MiB`]),
    ),
  ];
}

/** The cells in which fusing gains least. */
export function gridTable({ grid }: Results, count: number): Table {
  return [
    ['shape, type, options', 'threads', 'fused', 'unfused', 'ratio'],
    ...grid.flatMap(({ threads, cells }) =>
      cells
        .slice(0, Math.max(count, cells.filter((cell) => cell.ratio < noSlower).length))
        .map(({ what, fused, unfused, ratio }) => [
          what,
          String(threads),
          formatTime(fused),
          formatTime(unfused),
          withBar(formatRatio(ratio), ratio >= noSlower, String(noSlower)),
        ]),
    ),
  ];
}
