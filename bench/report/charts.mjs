/** Charts of results: how much faster than the others, and how near to what the machine can do. */
import { colour, element, picture, text } from '../../scripts/pictures/svg.mjs';

const width = 900;
const left = 340;
const right = 70;
const top = 84;
const barHeight = 11;
const gap = 12;
const colours = [colour.query, colour.key, colour.value];

/**
 * A line for each piece of work, in it a bar for each number of threads, and a tick where the bar to reach is.
 *
 * @param scale from a value to a share of the width; bars begin at `origin`
 * @param format rounds down: what has not been reached shall not look as if it had
 */
function barChart({ title, axis, entries, origin, scale, marks, format }) {
  const threads = [...new Set(entries.map((entry) => entry.threads))].sort();
  const names = [...new Set(entries.map((entry) => entry.name))];
  const height = top + names.length * (threads.length * barHeight + gap) + 12;
  const x = (value) => left + scale(value) * (width - left - right);
  const middle = (y) => y + barHeight / 2 + 3.5;

  const drawEntry = ({ threads: count, value, bar }, y) => [
    element('rect', {
      x: Math.min(x(origin), x(value)),
      y,
      width: Math.max(1, Math.abs(x(value) - x(origin))),
      height: barHeight - 1,
      fill: inkOf(count, threads),
    }),
    text(width - 16, middle(y), format(value), { 'text-anchor': 'end', 'font-size': 11 }),
    bar === undefined ? [] : tick(x(bar), y - 1, y + barHeight, { stroke: colour.ink, 'stroke-width': 2 }),
  ];
  const drawName = (name, i) => {
    const y = top + i * (threads.length * barHeight + gap);
    const own = entries.filter((entry) => entry.name === name);
    const faint = { 'text-anchor': 'end', 'font-size': 10, fill: colour.faint };
    return [
      text(left - 10, y + 9, name, { 'text-anchor': 'end', 'font-size': 12 }),
      own[0].note === undefined ? [] : text(left - 10, y + 22, own[0].note, faint),
      own.map((entry) => drawEntry(entry, y + threads.indexOf(entry.threads) * barHeight)),
    ];
  };
  return picture(
    width,
    height,
    title,
    text(24, 30, title, { 'text-anchor': 'start', 'font-weight': 600, 'font-size': 16 }),
    text(24, 50, axis, { 'text-anchor': 'start', 'font-size': 12, fill: colour.faint }),
    legend(threads),
    marks.map((mark) => [
      tick(x(mark), top - 8, height - 12, { stroke: mark === origin ? colour.faint : colour.line }),
      text(x(mark), top - 12, format(mark), {
        'font-size': 11,
        fill: colour.faint,
      }),
    ]),
    names.map(drawName),
  );
}

function inkOf(count, threads) {
  return colours[threads.indexOf(count) % colours.length];
}

function tick(x, from, to, attributes) {
  return element('line', { x1: x, y1: from, x2: x, y2: to, ...attributes });
}

function legend(threads) {
  return threads.map((count, i) => [
    element('rect', { x: width - 96, y: 20 + i * 16, width: 12, height: 10, fill: inkOf(count, threads) }),
    text(width - 78, 29 + i * 16, `${count} thread${count === 1 ? '' : 's'}`, {
      'text-anchor': 'start',
      'font-size': 11,
    }),
  ]);
}

/** The first opponent is the one that a row is there for. */
function ratios(rows) {
  const entries = rows.flatMap(({ name, threads, opponents: [{ peer, duel, bar }] }) =>
    duel === undefined ? [] : [{ name, note: `against ${peer}`, threads, value: duel.ratio, bar }],
  );
  const values = entries.flatMap(({ value, bar }) => [value, bar ?? value]);
  const [least, most] = [Math.min(0.8, ...values), Math.max(2, ...values)];
  return barChart({
    title: 'How much faster heed is',
    axis: 'The time of the other over that of heed, of medians. A black tick is the bar to reach.',
    entries,
    origin: 1,
    scale: (value) => Math.log(value / least) / Math.log(most / least),
    marks: [0.25, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10, 15, 20].filter((mark) => mark >= least && mark <= most),
    format: (value) => `${(Math.floor(100 * value) / 100).toFixed(2)}×`,
  });
}

function limits(rows) {
  const entries = rows.flatMap(({ name, threads, limit }) =>
    limit === undefined
      ? []
      : [{ name, note: limit.work.limit, threads, value: limit.share, bar: limit.bar }],
  );
  return barChart({
    title: 'How much of the machine heed uses',
    axis: 'Useful work as a share of the measured peak, of multiply-adds or of reading. A black tick is the bar to reach.',
    entries,
    origin: 0,
    scale: (value) => Math.min(1, value),
    marks: [0, 0.2, 0.4, 0.6, 0.8, 1],
    format: (value) => `${Math.floor(100 * value)} %`,
  });
}

/** By the end of their files' names. */
export function charts({ rows }) {
  return {
    ...(rows.length > 0 && { ratios: ratios(rows) }),
    ...(rows.some(({ limit }) => limit) && { limits: limits(rows) }),
  };
}
