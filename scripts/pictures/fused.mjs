/** Unfused attention writes a matrix of scores; fused attention keeps one tile and three running sums per row. */
import { arrow, box, colour, grid, labelled, picture, text } from './svg.mjs';

export function fused() {
  return picture(
    900,
    384,
    'Unfused attention holds every score; fused attention holds one tile at a time',
    unfused(40),
    tiled(470),
  );
}

function unfused(x) {
  return [
    text(x + 180, 40, 'unfused', { 'font-weight': 600, 'font-size': 16 }),
    grid(x + 70, 90, 12, 12, 16, () => ({ fill: colour.heat, 'fill-opacity': 0.55 })),
    text(x + 166, 78, 'keys', { fill: colour.key, 'font-size': 12 }),
    text(x + 54, 190, 'queries', {
      fill: colour.query,
      'font-size': 12,
      transform: `rotate(-90 ${x + 54} 190)`,
    }),
    text(x + 180, 314, 'Q Kᵀ → memory → softmax → memory → · V', { 'font-size': 13 }),
    text(x + 180, 340, '32,768 × 32,768 scores in float32: 4 GiB per head', {
      'font-size': 13,
      fill: colour.faint,
    }),
  ];
}

function tiled(x) {
  const inTile = (row, column) => row >= 4 && row < 8 && column >= 4 && column < 8;
  const done = (row, column) => row >= 4 && row < 8 && column < 4;
  return [
    text(x + 190, 40, 'fused', { 'font-weight': 600, 'font-size': 16 }),
    grid(x + 20, 90, 12, 12, 16, (row, column) => {
      if (inTile(row, column)) return { fill: colour.heat, 'fill-opacity': 0.85 };
      return { fill: colour.panel, 'fill-opacity': 1, ...(done(row, column) ? { fill: '#e2e8f0' } : {}) };
    }),
    box(x + 20, 154, 192, 64, { fill: 'none', stroke: colour.query, 'stroke-width': 2, rx: 2 }),
    arrow(
      [
        [x + 150, 232],
        [x + 204, 232],
      ],
      'query',
    ),
    arrow(
      [
        [x + 214, 186],
        [x + 246, 186],
      ],
      'output',
    ),
    labelled(x + 248, 120, 152, 40, ['m: largest score'], {}),
    labelled(x + 248, 166, 152, 40, ['ℓ: Σ exp(s − m)'], {}),
    labelled(x + 248, 212, 152, 40, ['o: Σ exp(s − m) v'], {}),
    text(x + 190, 314, 'a tile of scores never leaves the cache; m, ℓ, o are corrected', { 'font-size': 13 }),
    text(x + 190, 332, 'whenever a larger score turns up; at the end o / ℓ is the result', {
      'font-size': 13,
    }),
    text(x + 190, 358, 'memory: the output', { 'font-size': 13, fill: colour.faint }),
  ];
}
