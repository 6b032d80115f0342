/**
 * A block of attention_decode: heads of a group as rows, a chunk of the keys, and the data that warps
 * exchange.
 */
import { arrow, box, colour, grid, picture, text } from './svg.mjs';
import { tileSteps } from './tile-steps.mjs';

export function cudaDecode() {
  return picture(
    900,
    430,
    'Decoding: one block reads a chunk of the keys for all heads of a group; chunks are combined afterwards',
    rows(30),
    chunks(230),
    steps(480),
  );
}

function rows(x) {
  return [
    text(x + 75, 40, '16 rows', { 'font-weight': 600, 'font-size': 16 }),
    grid(x + 30, 70, 16, 4, 14, (row) => ({
      fill: row < 8 ? colour.query : colour.panel,
      'fill-opacity': row < 8 ? 0.35 + 0.05 * row : 1,
    })),
    text(x + 58, 318, 'the query heads', { 'font-size': 13 }),
    text(x + 58, 336, 'of one key head,', { 'font-size': 13 }),
    text(x + 58, 354, 'step after step', { 'font-size': 13 }),
  ];
}

function chunks(x) {
  return [
    text(x + 90, 40, 'keys and values', { 'font-weight': 600, 'font-size': 16 }),
    [0, 1, 2, 3].map((chunk) => [
      box(x + 20, 70 + chunk * 60, 66, 52, {
        fill: colour.key,
        'fill-opacity': chunk === 1 ? 0.6 : 0.15,
        rx: 2,
      }),
      box(x + 94, 70 + chunk * 60, 66, 52, {
        fill: colour.value,
        'fill-opacity': chunk === 1 ? 0.6 : 0.15,
        rx: 2,
      }),
    ]),
    arrow(
      [
        [x + 166, 156],
        [x + 240, 156],
      ],
      'ink',
    ),
    text(x + 90, 336, 'chunks of 256 keys or more,', { 'font-size': 13 }),
    text(x + 90, 354, 'as the sequence’s length says:', { 'font-size': 13 }),
    text(x + 90, 372, 'a block for each', { 'font-size': 13 }),
  ];
}

function steps(x) {
  const boxes = [
    ['S = Q Kᵀ', 'each warp: 16 keys of the tile', colour.key],
    ['maxima', 'warps tell each other, one barrier', colour.faint],
    ['P = 2^(S − m)', 'into shared memory, one barrier', colour.query],
    ['O = O · decay + P V', 'each warp: a quarter of the columns', colour.value],
  ];
  return tileSteps(x + 190, 280, boxes, ['attention_combine', 'Σ 2^(lse of chunk − lse) · O of chunk']);
}
