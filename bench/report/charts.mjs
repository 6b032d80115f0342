/** Charts of results: speed relative to the other contenders, and relative to the limits of the machine. */
import { barChart } from './bar-chart.mjs';

function threadsOf(rows) {
  return [...new Set(rows.map(({ threads }) => threads))].sort();
}

function nameOf(count) {
  return `${count} thread${count === 1 ? '' : 's'}`;
}

/** Compares with the first opponent, which is the main one of its row. */
function ratios(rows) {
  const threads = threadsOf(rows);
  const entries = rows.flatMap((row) => {
    const [{ peer, duel, bar }] = row.opponents;
    const series = threads.indexOf(row.threads);
    return duel === undefined
      ? []
      : [{ name: row.name, note: `against ${peer}`, series, value: duel.ratio, bar }];
  });
  const values = entries.flatMap(({ value, bar }) => [value, bar ?? value]);
  const [least, most] = [Math.min(0.8, ...values), Math.max(2, ...values)];
  return barChart({
    title: 'How much faster heed is',
    axis: 'The time of the other over that of heed, of medians. A black tick is the bar to reach.',
    series: threads.map(nameOf),
    entries,
    origin: 1,
    scale: (value) => Math.log(value / least) / Math.log(most / least),
    marks: [0.25, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10, 15, 20].filter((mark) => mark >= least && mark <= most),
    format: (value) => `${(Math.floor(100 * value) / 100).toFixed(2)}×`,
  });
}

function limits(rows) {
  const measured = rows.filter(({ limit }) => limit !== undefined);
  const threads = threadsOf(measured);
  const entries = measured.map(({ name, threads: count, limit }) => ({
    name,
    note: limit.work.limit,
    series: threads.indexOf(count),
    value: limit.share,
    bar: limit.bar,
  }));
  return barChart({
    title: 'How much of the machine heed uses',
    axis: 'Useful work as a share of the measured peak, of multiply-adds or of reading. A black tick is the bar to reach.',
    series: threads.map(nameOf),
    entries,
    origin: 0,
    scale: (value) => Math.min(1, value),
    marks: [0, 0.2, 0.4, 0.6, 0.8, 1],
    format: (value) => `${Math.floor(100 * value)} %`,
  });
}

/** The charts, by the suffix of their file names. */
export function charts({ rows }) {
  return {
    ...(rows.length > 0 && { ratios: ratios(rows) }),
    ...(rows.some(({ limit }) => limit) && { limits: limits(rows) }),
  };
}
