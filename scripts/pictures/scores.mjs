/**
 * The scores that each score function gives to every key in the plane, for the same query: computed by heed.
 */
import { attentionDetailsSync, Tensor } from '../../dist/lib/index.mjs';
import { arrow, colour, grid, picture, text } from './svg.mjs';

const query = [1.2, 0.6];
const reach = 2;
const cells = 17;
const size = 12;
const side = cells * size;
const matrix = (dims, ...numbers) => new Tensor(Float32Array.from(numbers), dims);

/** A quarter turn to the left: learned similarity need not be geometric. */
const turned = matrix([2, 2], 0, 1, -1, 0);

/** Three hidden units: each coordinate alone, and both together. */
const network = {
  type: 'additive',
  query: matrix([3, 2], 1, 0, 0, 1, 1, -1),
  key: matrix([3, 2], -2, 0, 0, -2, 1, 1),
  vector: matrix([3], 1, -1, 1),
};

const functions = [
  { title: 'dot product', formula: 'q · k', score: 'dot' },
  { title: 'cosine', formula: 'q · k / (‖q‖ ‖k‖)', score: 'cosine' },
  { title: 'general', formula: 'qᵀ W k, W a quarter turn', score: { type: 'general', weight: turned } },
  { title: 'additive', formula: 'vᵀ tanh(W q + U k)', score: network },
];
const positions = matrix([cells, 2], ...Array.from({ length: cells }, (_, j) => wave(j)).flat());

function wave(j) {
  return [Math.sin(j / 2.2), Math.cos(j / 3.1)];
}

const cell = { width: side + 40, height: side + 96 };

export function scores() {
  const panels = functions.map((each, index) => plane(each, 30 + index * cell.width, 50));
  const width = 40 + 5 * cell.width;
  const title = 'The score of every key in the plane, for one query';
  const last = 30 + functions.length * cell.width;
  return picture(width, cell.height + 20, title, [...panels, byLocation(last, 50)]);
}

function heading(x, y, title, formula) {
  return [
    text(x + side / 2, y - 22, title, { 'font-weight': 600 }),
    text(x + side / 2, y - 5, formula, { 'font-size': 12, fill: colour.faint }),
  ];
}

/** High scores are blue, low ones orange, 0 is white. */
function tint(score, largest) {
  const hue = score > 0 ? colour.query : colour.key;
  return {
    fill: hue,
    'fill-opacity': Math.round((Math.abs(score) / largest) * 85) / 100,
    stroke: 'none',
  };
}

function plane({ title, formula, score }, x, y) {
  const at = (column, row) => [
    ((column + 0.5) / cells) * 2 * reach - reach,
    reach - ((row + 0.5) / cells) * 2 * reach,
  ];
  const keys = Array.from({ length: cells * cells }, (_, i) => at(i % cells, Math.floor(i / cells)));
  const values = scoresOf(matrix([1, 1, keys.length, 2], ...keys.flat()), score);
  const largest = Math.max(...values.map(Math.abs));
  const [centerX, centerY] = [x + side / 2, y + 4 + side / 2];
  const unit = side / 2 / reach;
  return [
    heading(x, y, title, formula),
    grid(x, y + 4, cells, cells, size, (row, column) => tint(values[row * cells + column], largest)),
    arrow(
      [
        [centerX, centerY],
        [centerX + query[0] * unit, centerY - query[1] * unit],
      ],
      'ink',
      { 'stroke-width': 2.4 },
    ),
    text(x + side / 2, y + side + 24, 'where the key is', { 'font-size': 12, fill: colour.faint }),
  ];
}

/** A location score depends on the position: it would be the same for any keys. */
function byLocation(x, y) {
  const keys = Tensor.zeros('float32', [1, 1, cells, 2]);
  const values = scoresOf(keys, { type: 'location', weight: positions });
  const largest = Math.max(...values.map(Math.abs));
  const row = y + 4 + side / 2 - size;
  return [
    heading(x, y, 'location', '(W q)ⱼ'),
    grid(x, row, 2, cells, size, (_, column) => tint(values[column], largest)),
    text(x + side / 2, row + 2 * size + 20, 'position of the key →', { 'font-size': 12, fill: colour.faint }),
  ];
}

function scoresOf(key, score) {
  const asked = matrix([1, 1, 1, 2], ...query);
  const { scores } = attentionDetailsSync(asked, key, key, {
    score,
    backend: 'reference',
    include: ['scores'],
  });
  return Array.from(scores.data);
}
