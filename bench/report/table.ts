/** The table in the terminal. */
import type { OpponentResult, Results, RowResult } from '../results.js';

type Cells = readonly string[];

export function formatMilliseconds(milliseconds: number): string {
  return milliseconds < 1
    ? `${(1000 * milliseconds).toPrecision(3)} µs`
    : `${milliseconds < 1000 ? milliseconds.toPrecision(3) : milliseconds.toFixed(0)} ms`;
}

/** GFLOP/s or GB/s, in words. */
export function formatRate({ times, limit }: RowResult): string {
  if (limit === undefined) return '–';
  const { work } = limit;
  const [amount, unit] =
    'bytes' in work ? ([work.bytes, 'GB/s'] as const) : ([work.operations, 'GFLOP/s'] as const);
  return `${(amount / times.median / 1e6).toPrecision(3)} ${unit}`;
}

export function formatShare(row: RowResult): string {
  const { limit } = row;
  if (limit === undefined) return '–';
  const share = `${(100 * limit.share).toFixed(0)} %`;
  return limit.bar === undefined
    ? share
    : `${share} ${verdict(limit.share >= limit.bar)} ${(100 * limit.bar).toFixed(0)}`;
}

export function formatRatio({ duel, bar }: OpponentResult): string {
  if (duel === undefined) return 'not here';
  const ratio = `${duel.ratio.toFixed(2)}×`;
  return bar === undefined ? ratio : `${ratio} ${verdict(duel.ratio >= bar)} ${bar}`;
}

function verdict(met: boolean): string {
  return met ? '≥' : '< !';
}

function opponentCells({ peer, duel, difference, agrees }: OpponentResult): Cells {
  return [
    peer,
    duel ? formatMilliseconds(duel.peer.median) : '–',
    difference ? `${difference.absolute.toExponential(0)}${agrees ? '' : ' WRONG'}` : '–',
  ];
}

function lines(row: RowResult, older: Results | undefined): Cells[] {
  const before = older?.rows.find(({ name, threads }) => name === row.name && threads === row.threads);
  return row.opponents.map((opponent, i) => [
    i === 0 ? row.name : '',
    i === 0 ? String(row.threads) : '',
    i === 0 ? formatMilliseconds(row.times.median) : '',
    i === 0 ? formatRate(row) : '',
    i === 0 ? formatShare(row) : '',
    ...opponentCells(opponent),
    formatRatio(opponent),
    ...(older ? [i === 0 && before ? `${(before.times.median / row.times.median).toFixed(2)}×` : ''] : []),
  ]);
}

function layOut(rows: readonly Cells[]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((cells) => cells[column].length)));
  return rows
    .map((cells) =>
      cells
        .map((cell, column) => cell.padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** @param older an earlier run, whose times over these are a column of their own */
export function table(results: Results, older?: Results): string {
  const head = [
    'work',
    'threads',
    'heed',
    'rate',
    'of limit',
    'against',
    'takes',
    'apart',
    'ratio',
    ...(older ? ['before'] : []),
  ];
  return layOut([head, ...results.rows.flatMap((row) => lines(row, older))]);
}
