/** The bars, which are the targets of the benchmark, and whether they are met. */
import type { Results, RowResult } from '../results.js';
import { smallCallSection } from '../rows/small-calls.js';
import { noSlower } from '../studies/grid.js';
import { memoryBarMiB, slopeBar } from '../studies/growth.js';

/** Two threads must be this much faster than one. */
const scalingBar = 1.85;
/** Work shorter than this, in milliseconds, is not worth handing to another thread. */
const worthSharing = 0.5;

export interface Scaling {
  readonly ratio: number;
  /** undefined for work too short for a bar. */
  readonly bar?: number;
}

/** Time on one thread over time on two, for a row that was measured on two. */
export function scalingOf(row: RowResult, { rows }: Results): Scaling | undefined {
  const single = rows.find(({ name, threads }) => name === row.name && threads === 1);
  if (row.threads !== 2 || single === undefined) return undefined;
  const ratio = single.times.median / row.times.median;
  // Many small calls are not one piece of work that threads could share.
  const shared = single.times.median > worthSharing && row.section !== smallCallSection;
  return { ratio, ...(shared && { bar: scalingBar }) };
}

export interface Bar {
  readonly what: string;
  readonly met: boolean;
}

function rowBars(row: RowResult, results: Results): Bar[] {
  const { limit } = row;
  const scaling = scalingOf(row, results);
  const at = `${row.name}, ${row.threads} thread${row.threads === 1 ? '' : 's'}`;
  return [
    ...row.opponents.flatMap(({ peer, bar, duel }) =>
      bar === undefined || duel === undefined
        ? []
        : [{ what: `${at}: ${bar}× against ${peer}`, met: duel.ratio >= bar }],
    ),
    ...(limit?.bar === undefined
      ? []
      : [{ what: `${at}: ${100 * limit.bar} % of the limit`, met: limit.share >= limit.bar }]),
    ...(scaling?.bar === undefined
      ? []
      : [{ what: `${at}: ${scaling.bar}× over one thread`, met: scaling.ratio >= scaling.bar }]),
  ];
}

export function barsOf(results: Results): Bar[] {
  const [low, high] = slopeBar;
  return [
    ...results.rows.flatMap((row) => rowBars(row, results)),
    ...results.growth.map(({ slope }) => ({
      what: `time grows as a power of the steps between ${low} and ${high}`,
      met: slope >= low && slope <= high,
    })),
    ...results.growth.map(({ steps }) => ({
      what: `memory does not grow with the steps, by ${memoryBarMiB} MiB at most`,
      met: steps.every(({ extraMiB }) => extraMiB <= memoryBarMiB),
    })),
    ...results.grid.map(({ threads, cells }) => ({
      what: `on the grid, ${threads} thread${threads === 1 ? '' : 's'}: fused never slower than unfused`,
      met: cells[0].ratio >= noSlower,
    })),
  ];
}
