/**
 * A tile of a projection: operands arrive in a ring of shared memory, and sums stay in registers until the
 * end.
 */
import { arrow, box, colour, grid, labelled, picture, text } from './svg.mjs';

export function cudaProjection() {
  return picture(
    900,
    400,
    'A tile of x Wᵀ: four stages in shared memory, four warps with a quarter of the sums each',
    operands(30),
    ring(300),
    sums(590),
  );
}

function operands(x) {
  const done = { fill: '#e2e8f0' };
  const now = (hue) => ({ fill: hue, 'fill-opacity': 0.75 });
  const shade = (hue) => (_, column) => (column < 3 ? done : column < 6 ? now(hue) : { fill: colour.panel });
  return [
    text(x + 100, 40, 'global memory', { 'font-weight': 600, 'font-size': 16 }),
    grid(x, 80, 4, 10, 20, shade(colour.query)),
    text(x + 100, 70, 'x: 128 rows', { fill: colour.query, 'font-size': 12 }),
    grid(x, 210, 4, 10, 20, shade(colour.key)),
    text(x + 100, 200, 'W: 128 rows, the columns of y', { fill: colour.key, 'font-size': 12 }),
    text(x + 100, 310, 'inner dimension →', { 'font-size': 12, fill: colour.faint }),
    text(x + 100, 336, '64 bytes of each row at a time:', { 'font-size': 13 }),
    text(x + 100, 354, 'whole sectors, then zeros', { 'font-size': 13 }),
  ];
}

function ring(x) {
  const labels = [
    'tile k: multiplied',
    'tile k + 1: arriving',
    'tile k + 2: arriving',
    'tile k + 3: started',
  ];
  return [
    text(x + 110, 40, 'shared memory', { 'font-weight': 600, 'font-size': 16 }),
    arrow(
      [
        [x - 62, 120],
        [x - 6, 120],
      ],
      'query',
    ),
    arrow(
      [
        [x - 62, 250],
        [x - 6, 250],
      ],
      'key',
    ),
    text(x - 34, 108, 'cp.async', { 'font-size': 11, fill: colour.faint }),
    labels.map((label, i) =>
      labelled(x, 70 + i * 62, 220, 50, [label, 'x 8 KiB, W 8 KiB'], {
        stroke: i === 0 ? colour.output : colour.line,
      }),
    ),
    text(x + 110, 336, 'one barrier a tile; chunks of 16 bytes', { 'font-size': 13 }),
    text(x + 110, 354, 'are swizzled, so no load meets in a bank', { 'font-size': 13 }),
  ];
}

function sums(x) {
  return [
    text(x + 140, 40, 'registers', { 'font-weight': 600, 'font-size': 16 }),
    arrow(
      [
        [x - 66, 95],
        [x + 34, 95],
      ],
      'output',
    ),
    text(x - 16, 84, 'ldmatrix', { 'font-size': 11, fill: colour.faint }),
    grid(x + 40, 70, 2, 2, 84, (row, column) => ({
      fill: colour.output,
      'fill-opacity': 0.18 + 0.14 * (2 * row + column),
    })),
    [0, 1, 2, 3].map((warp) =>
      text(x + 82 + (warp % 2) * 84, 116 + Math.floor(warp / 2) * 84, `warp ${warp}`, { 'font-size': 12 }),
    ),
    text(x + 124, 258, '128 × 128 sums in float32', { 'font-size': 12, fill: colour.faint }),
    box(x + 20, 276, 228, 30, { stroke: colour.value }),
    text(x + 134, 296, '+ bias → [batch, heads, steps, width]', { 'font-size': 12, fill: colour.value }),
    text(x + 134, 336, 'at the end the sums take the place of the', { 'font-size': 13 }),
    text(x + 134, 354, 'operands, so that whole rows are written', { 'font-size': 13 }),
  ];
}
