/**
 * Two forks of a cache: both refer to the pages with their common steps, and each has its own pages for new
 * steps.
 */
import { arrow, box, colour, grid, picture, text } from './svg.mjs';

const pageSize = 4;
const cell = 22;
const pageWidth = pageSize * cell;

export function caches() {
  return picture(
    880,
    330,
    'Forks of a cache share full pages, and have pages of their own from where they part',
    text(440, 36, 'Forks share pages until they write to them', { 'font-weight': 600, 'font-size': 16 }),
    fork(60, 'one', 10, [0, 1, 2], colour.query),
    fork(258, 'another', 9, [0, 1, 3], colour.output),
    caption(258, 161, 'shared: 8 steps', 'end'),
    page(0, 270, 145, pageSize, colour.key),
    page(1, 380, 145, pageSize, colour.key),
    caption(690, 121, 'its own: 2 more steps', 'start'),
    page(2, 560, 105, 2, colour.query),
    caption(690, 201, 'its own: 1 more step', 'start'),
    page(3, 560, 185, 1, colour.output),
    caption(440, 318, 'a page holds the keys and the values of four steps, of all heads', 'middle'),
  );
}

function caption(x, y, content, anchor) {
  return text(x, y, content, { 'font-size': 12, fill: colour.faint, 'text-anchor': anchor });
}

/** A list of pages, with an arrow to each. */
function fork(y, name, steps, pages, hue) {
  const top = y < 160;
  const ends = { 0: 270, 1: 380, 2: 560, 3: 560 };
  const targets = { 0: 145, 1: 145, 2: 105, 3: 185 };
  return [
    box(30, y, 170, 40, { stroke: hue }),
    text(115, y + 17, `${name}: ${steps} steps`, { 'font-weight': 600, fill: hue }),
    text(115, y + 33, `pages ${pages.join(', ')}`, { 'font-size': 12, fill: colour.faint }),
    pages.map((id) =>
      arrow(
        [
          [200, y + 20],
          [ends[id] + pageWidth / 2 + (top ? -6 : 6), y + 20],
          [ends[id] + pageWidth / 2 + (top ? -6 : 6), top ? targets[id] - 4 : targets[id] + cell + 4],
        ],
        top ? 'query' : 'output',
        { 'stroke-opacity': 0.75 },
      ),
    ),
  ];
}

function page(id, x, y, used, hue) {
  return [
    grid(x, y, 1, pageSize, cell, (_, step) => ({
      fill: hue,
      'fill-opacity': step < used ? 0.35 : 0.04,
    })),
    text(x + pageWidth + 14, y + 16, String(id), { 'font-size': 12, fill: hue }),
  ];
}
