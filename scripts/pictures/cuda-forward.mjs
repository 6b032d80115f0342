/** A block of attention_forward: rows of a tile, the tiles of keys that some row may attend, and what happens to each. */
import { arrow, box, colour, grid, picture, text } from './svg.mjs';
import { tileSteps } from './tile-steps.mjs';

export function cudaForward() {
  return picture(
    900,
    430,
    'Fused attention: a block goes over the tiles of keys that its rows may attend; only tiles at the edge are masked',
    rows(20),
    tiles(150),
    steps(500),
  );
}

function rows(x) {
  return [
    text(x + 60, 40, 'a tile of rows', { 'font-weight': 600, 'font-size': 16 }),
    [0, 1, 2, 3].map((warp) =>
      grid(x + 30, 70 + warp * 60, 4, 4, 14, () => ({
        fill: colour.query,
        'fill-opacity': 0.3 + 0.1 * warp,
      })),
    ),
    text(x + 60, 326, 'each warp has', { 'font-size': 13 }),
    text(x + 60, 344, 'rows of its own', { 'font-size': 13 }),
  ];
}

/** Causal, with a window: a band of tiles, of which the block's are in its row. */
function tiles(x) {
  const size = 36;
  const block = 4;
  const kinds = (row, column) => {
    const last = row;
    const first = row - 3;
    if (column > last || column < first) return 'skipped';
    return column === last || column === first ? 'masked' : 'inside';
  };
  const look = { skipped: [colour.panel, 1], masked: [colour.key, 0.3], inside: [colour.key, 0.75] };
  return [
    text(x + 170, 40, 'tiles of keys', { 'font-weight': 600, 'font-size': 16 }),
    [0, 1, 2, 3, 4, 5].map((row) =>
      [0, 1, 2, 3, 4, 5].map((column) => {
        const [fill, opacity] = look[kinds(row, column)];
        return box(x + 50 + column * size, 70 + row * size, size - 4, size - 4, {
          fill,
          'fill-opacity': row === block ? opacity : opacity * 0.5,
          rx: 2,
        });
      }),
    ),
    arrow(
      [
        [x + 50, 70 + block * size + 16],
        [x + 50 + 6 * size + 60, 70 + block * size + 16],
      ],
      'ink',
    ),
    legend(x + 50, 316, look.inside, 'inside: nothing is masked'),
    legend(x + 50, 344, look.masked, 'at the edge: masked'),
    legend(x + 50, 372, look.skipped, 'beyond: never read'),
  ];
}

function legend(x, y, [fill, opacity], what) {
  return [
    box(x, y - 13, 16, 16, { fill, 'fill-opacity': opacity, rx: 2 }),
    text(x + 26, y, what, { 'font-size': 13, 'text-anchor': 'start' }),
  ];
}

function steps(x) {
  const boxes = [
    ['S = Q Kᵀ', 'while the values are on their way', colour.key],
    ['variant', 'range; scale, cap, ALiBi, mask if there are any', colour.faint],
    ['P = 2^(S − m)', 'online softmax, in registers', colour.query],
    ['O = O · decay + P V', 'while the next keys are on their way', colour.value],
  ];
  return tileSteps(x + 200, 320, boxes, ['O / Σ', 'through shared memory: whole rows are written']);
}
