/** Charts of the results of bench/gpu/run: speeds of heed and of PyTorch's backends, with the bars. */
import { barChart } from './bar-chart.mjs';

/** Round steps for the axis, at most ten up to `most`. */
function roundMarks(most) {
  const step = [1, 2, 5].flatMap((digit) => Array.from({ length: 12 }, (_, i) => digit * 10 ** (i - 2)));
  const chosen = step.sort((a, b) => a - b).find((each) => most / each <= 10);
  return Array.from({ length: Math.floor(most / chosen) + 1 }, (_, i) => i * chosen);
}

function speeds(rows, { title, unit, amount }) {
  const series = [...new Set(rows.flatMap(({ times }) => Object.keys(times)))];
  const entries = rows.flatMap((row) =>
    Object.entries(row.times).map(([name, { median }]) => ({
      name: row.name,
      series: series.indexOf(name),
      value: amount(row) / median,
    })),
  );
  const most = Math.max(...entries.map(({ value }) => value));
  return barChart({
    title,
    axis: `${unit}, of median times; longer is faster. Useful work alone: no score that is masked.`,
    series,
    entries,
    origin: 0,
    scale: (value) => value / most,
    marks: roundMarks(most),
    format: (value) => value.toFixed(0),
  });
}

function ratios(rows) {
  const entries = rows.flatMap(({ name, bars }) =>
    bars
      .filter(({ ratio }) => ratio !== undefined)
      .map(({ against, bar, ratio }) => ({ name, note: `against ${against}`, series: 0, value: ratio, bar })),
  );
  const values = entries.flatMap(({ value, bar }) => [value, bar]);
  const [least, most] = [Math.min(0.5, ...values), Math.max(2, ...values)];
  return barChart({
    title: 'How much faster heed is on a GPU',
    axis: 'The time of the other over that of heed, of medians. A black tick is the bar to reach.',
    series: ['heed'],
    entries,
    origin: 1,
    scale: (value) => Math.log(value / least) / Math.log(most / least),
    marks: [0.25, 0.5, 0.7, 1, 1.5, 2, 3, 5].filter((mark) => mark >= least && mark <= most),
    // Rounds down, so that a value below its bar does not seem to meet it.
    format: (value) => `${(Math.floor(100 * value) / 100).toFixed(2)}×`,
  });
}

/** The charts, by the suffix of their file names. */
export function gpuCharts({ machine, benchmark }) {
  const rows = benchmark?.rows ?? [];
  const found = {};
  if (rows.some(({ bars }) => bars.some(({ ratio }) => ratio !== undefined))) found.ratios = ratios(rows);
  const on = machine === null ? '' : ` on ${machine.name}`;
  for (const type of new Set(rows.map((row) => row.type))) {
    const forward = rows.filter((row) => row.section === 'Forward' && row.type === type);
    const decode = rows.filter((row) => row.section === 'Decode' && row.type === type);
    if (forward.length > 0) {
      const amount = (row) => row.operations / 1e12;
      const title = `Attention in ${type}${on}`;
      found[`forward-${type}`] = speeds(forward, { title, unit: 'TFLOP/s', amount });
    }
    if (decode.length > 0) {
      const amount = (row) => row.bytes / 1e9;
      const title = `Decoding in ${type}${on}`;
      found[`decode-${type}`] = speeds(decode, { title, unit: 'GB/s of keys and values', amount });
    }
  }
  return found;
}
