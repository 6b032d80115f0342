/** A bar chart in the style of all charts of results. */
import { colour, element, picture, text } from '../../scripts/pictures/svg.mjs';

const width = 900;
const left = 340;
const right = 70;
const barHeight = 11;
const gap = 12;
const colours = [colour.query, colour.key, colour.value, colour.output, colour.heat, colour.faint];

/**
 * One line per piece of work, with a bar for each series and a tick at the value to reach.
 *
 * @param series their names; an entry's `series` is an index into them
 * @param scale from a value to a share of the width; bars begin at `origin`
 * @param format rounds down, so that a value below its target does not seem to reach it
 */
export function barChart({ title, axis, series, entries, origin, scale, marks, format }) {
  const names = [...new Set(entries.map((entry) => entry.name))];
  const top = 52 + 16 * Math.max(2, series.length);
  const height = top + names.length * (series.length * barHeight + gap) + 12;
  const x = (value) => left + scale(value) * (width - left - right);
  const middle = (y) => y + barHeight / 2 + 3.5;

  const drawEntry = ({ series: place, value, bar }, y) => [
    element('rect', {
      x: Math.min(x(origin), x(value)),
      y,
      width: Math.max(1, Math.abs(x(value) - x(origin))),
      height: barHeight - 1,
      fill: inkOf(place),
    }),
    text(width - 16, middle(y), format(value), { 'text-anchor': 'end', 'font-size': 11 }),
    bar === undefined ? [] : tick(x(bar), y - 1, y + barHeight, { stroke: colour.ink, 'stroke-width': 2 }),
  ];
  const drawName = (name, i) => {
    const y = top + i * (series.length * barHeight + gap);
    const own = entries.filter((entry) => entry.name === name);
    const faint = { 'text-anchor': 'end', 'font-size': 10, fill: colour.faint };
    return [
      text(left - 10, y + 9, name, { 'text-anchor': 'end', 'font-size': 12 }),
      own[0].note === undefined ? [] : text(left - 10, y + 22, own[0].note, faint),
      own.map((entry) => drawEntry(entry, y + entry.series * barHeight)),
    ];
  };
  return picture(
    width,
    height,
    title,
    text(24, 30, title, { 'text-anchor': 'start', 'font-weight': 600, 'font-size': 16 }),
    text(24, 50, axis, { 'text-anchor': 'start', 'font-size': 12, fill: colour.faint }),
    legend(series),
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

function inkOf(place) {
  return colours[place % colours.length];
}

function tick(x, from, to, attributes) {
  return element('line', { x1: x, y1: from, x2: x, y2: to, ...attributes });
}

/** Names are spaced by the width of the longest. */
function legend(series) {
  const x = width - Math.max(96, 30 + 6.5 * Math.max(...series.map((name) => name.length)));
  return series.map((name, i) => [
    element('rect', { x, y: 20 + i * 16, width: 12, height: 10, fill: inkOf(i) }),
    text(x + 18, 29 + i * 16, name, { 'text-anchor': 'start', 'font-size': 11 }),
  ]);
}
