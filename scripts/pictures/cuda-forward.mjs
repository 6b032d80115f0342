/**
 * A block of attention_forward: the rows of a tile, the tiles of keys that some row may attend, and the steps
 * for each.
 */
import { arrow, box, colour, grid, picture, text } from './svg.mjs';
import { tileSteps } from './tile-steps.mjs';

export function cudaForward() {
  return picture(
    900,
    430,
    'Fused attention: a block goes over the tiles of keys that its rows may attend; only tiles at the edge are masked, and others are skipped',
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

const look = { skipped: [colour.panel, 1], masked: [colour.key, 0.3], inside: [colour.key, 0.75] };

/** Kinds of tiles: `.` is skipped, `#` lies inside, `+` is at an edge. */
const ways = {
  causal: ['+....', '#+...', '##+..', '###+.', '####+'],
  'with a window': ['+....', '#+...', '+#+..', '.+#+.', '..+#+'],
  'documents (mask)': ['##...', '##...', '..#+.', '..+++', '...+#'],
};
const kinds = { '.': 'skipped', '#': 'inside', '+': 'masked' };

function tiles(x) {
  return [
    text(x + 186, 40, 'tiles of keys that the block reads', { 'font-weight': 600, 'font-size': 16 }),
    Object.entries(ways).map(([name, rows], i) => way(x + 30 + i * 116, 104, name, rows)),
    text(x + 186, 250, 'each row of tiles is a block; the arrow is the way of one', { 'font-size': 13 }),
    legend(x + 14, 296, look.inside, 'inside, or the mask leaves all: not masked'),
    legend(x + 14, 324, look.masked, 'at the edge, or it leaves some: masked'),
    legend(x + 14, 352, look.skipped, 'beyond, or it leaves nothing: skipped, never read'),
  ];
}

function way(x, y, name, rows) {
  const size = 20;
  const block = 3;
  const middle = y + block * size + 9;
  const first = rows[block].search(/[#+]/);
  const last = rows[block].search(/[#+]\.*$/);
  return [
    text(x + 50, y - 16, name, { 'font-size': 13 }),
    rows.map((row, r) =>
      [...row].map((kind, c) => {
        const [fill, opacity] = look[kinds[kind]];
        const edge = r === block ? { stroke: colour.ink } : {};
        const tile = { fill, 'fill-opacity': opacity, rx: 2, ...edge };
        return box(x + c * size, y + r * size, size - 2, size - 2, tile);
      }),
    ),
    arrow(
      [
        [x + first * size + 3, middle],
        [x + last * size + 17, middle],
      ],
      'ink',
    ),
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
