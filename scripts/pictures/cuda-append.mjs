/** append: the new steps of every head are written to a contiguous cache, or to pages at arbitrary places. */
import { arrow, box, colour, picture, text } from './svg.mjs';

export function cudaAppend() {
  return picture(
    900,
    260,
    'New steps go into the pages of a cache, a warp for each row, rounded to the type of the cache',
    added(40),
    pages(470),
  );
}

const steps = ['t', 't + 1', 't + 2'];

function added(x) {
  return [
    text(x + 110, 40, 'new steps, float32', { 'font-weight': 600, 'font-size': 16 }),
    steps.map((name, i) => [
      box(x + 40, 70 + i * 44, 180, 34, { fill: colour.key, 'fill-opacity': 0.25 + 0.2 * i, rx: 2 }),
      text(x + 18, 92 + i * 44, name, { 'font-size': 13 }),
    ]),
    text(x + 130, 226, 'a warp takes a row of a head', { 'font-size': 13 }),
  ];
}

/** Two pages of four steps: the first has room for one more. */
function pages(x) {
  const page = (left, top, filled) => [
    box(left, top, 130, 4 * 26 + 8, { rx: 4 }),
    [0, 1, 2, 3].map((slot) =>
      box(left + 4, top + 4 + slot * 26, 122, 24, {
        fill: filled[slot] === undefined ? colour.paper : colour.key,
        'fill-opacity': filled[slot] ?? 1,
        rx: 2,
      }),
    ),
  ];
  return [
    text(x + 190, 40, 'pages of a cache, float16', { 'font-weight': 600, 'font-size': 16 }),
    page(x + 20, 64, [0.1, 0.1, 0.1, 0.25]),
    page(x + 230, 92, [0.45, 0.65]),
    arrow([
      [265, 87],
      [x + 22, 158],
    ]),
    arrow([
      [265, 131],
      [x + 232, 108],
    ]),
    arrow([
      [265, 175],
      [x + 232, 134],
    ]),
    text(x + 190, 226, 'place of a step: page t / length, row t mod length', { 'font-size': 13 }),
  ];
}
