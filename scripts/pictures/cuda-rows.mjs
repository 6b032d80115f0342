/** A warp of attention_rows: eight lanes per key, eight rounds, and 32 neighbouring scores at the end. */
import { arrow, box, colour, grid, labelled, picture, text } from './svg.mjs';

const hues = [colour.key, colour.query, colour.value, colour.output];

export function cudaRows() {
  return picture(
    900,
    260,
    'Scores of a row: eight lanes share a key, and after eight rounds each lane has a key of its own',
    keys(30),
    lanes(330),
    written(610),
  );
}

function keys(x) {
  return [
    text(x + 130, 40, '4 keys a round', { 'font-weight': 600, 'font-size': 16 }),
    [0, 1, 2, 3].map((key) =>
      grid(x + 18, 70 + key * 34, 1, 8, 28, () => ({ fill: hues[key], 'fill-opacity': 0.45 })),
    ),
    text(x + 130, 226, 'each lane takes 16 of 128 bytes', { 'font-size': 13 }),
    arrow([
      [x + 256, 134],
      [x + 296, 134],
    ]),
  ];
}

function lanes(x) {
  return [
    text(x + 110, 40, 'a warp', { 'font-weight': 600, 'font-size': 16 }),
    [0, 1, 2, 3].map((key) =>
      grid(x + 14, 70 + key * 34, 1, 8, 24, (_, lane) => ({
        fill: hues[key],
        'fill-opacity': lane === 2 ? 0.9 : 0.15,
      })),
    ),
    text(x + 110, 226, 'adds up; lane r keeps round r', { 'font-size': 13 }),
    arrow([
      [x + 218, 134],
      [x + 268, 134],
    ]),
  ];
}

function written(x) {
  return [
    text(x + 130, 40, '8 rounds later', { 'font-weight': 600, 'font-size': 16 }),
    grid(x + 2, 84, 1, 32, 8, (_, key) => ({ fill: hues[key % 4], 'fill-opacity': 0.6 })),
    text(x + 130, 118, '32 neighbouring keys', { 'font-size': 13 }),
    labelled(
      x + 10,
      142,
      240,
      56,
      ['scores, weights', '2^(s − log-sum-exp), as asked for'],
      {},
      colour.output,
    ),
    box(x + 2, 84, 256, 8, { fill: 'none', rx: 0 }),
  ];
}
