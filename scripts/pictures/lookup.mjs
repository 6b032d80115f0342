/**
 * One word attends all words of its sentence: scores, weights, and the sum of values, with numbers computed
 * by heed.
 */
import { attentionDetailsSync, Tensor } from '../../dist/lib/index.mjs';
import { arrow, box, colour, element, picture, shade, text } from './svg.mjs';

const words = ['the', 'cat', 'drank', 'its', 'milk'];
const asking = 3;

/** Made up so that `its` looks for the features of `cat` and, a little less, of `milk`. */
const queryOfIts = [1.6, 0.4];
const keys = [
  [-0.9, 0.3],
  [1.7, 0.9],
  [-0.4, -0.8],
  [0.2, 0.4],
  [0.9, -0.6],
];
const values = [
  [0.1, 0.1, 0.1],
  [0.9, 0.2, 0.4],
  [0.2, 0.8, 0.1],
  [0.1, 0.3, 0.2],
  [0.4, 0.1, 0.9],
];

export function lookup() {
  const { scores, weights, output } = attentionDetailsSync(
    new Tensor(Float32Array.from(queryOfIts), [1, 1, 1, 2]),
    new Tensor(Float32Array.from(keys.flat()), [1, 1, 5, 2]),
    new Tensor(Float32Array.from(values.flat()), [1, 1, 5, 3]),
    { backend: 'reference', include: ['scores', 'weights'] },
  );
  const columns = words.map((word, i) => column(word, i, scores.data[i], weights.data[i]));
  return picture(
    860,
    520,
    'Self attention for one word: its query meets every key, and the weights mix the values',
    rows(),
    columns,
    query(),
    sum(output.data),
  );
}

const left = 190;
const step = 120;
const middle = (i) => left + i * step + 50;

function rows() {
  const names = [
    [92, 'query', colour.query],
    [172, 'keys', colour.key],
    [232, 'score q·k / √D', colour.ink],
    [312, 'weight (softmax)', colour.ink],
    [392, 'values', colour.value],
    [470, 'result', colour.output],
  ];
  return names.map(([y, name, fill]) =>
    text(30, y, name, { 'text-anchor': 'start', 'font-weight': 600, fill }),
  );
}

function column(word, i, score, weight) {
  const x = middle(i);
  return [
    text(x, 38, word, { 'font-size': 18, 'font-weight': i === asking ? 700 : 400 }),
    vector(x - 36, 152, keys[i], colour.key),
    arrow(
      [
        [middle(asking), 106],
        [middle(asking), 122],
        [x, 122],
        [x, 146],
      ],
      'query',
      { 'stroke-opacity': 0.7 },
    ),
    text(x, 232, score.toFixed(2)),
    bar(x, weight),
    vector(x - 45, 372, values[i], colour.value, 0.15 + 0.85 * weight),
    arrow(
      [
        [x, 408],
        [x, 428],
        [left + 2 * step + 50, 428],
        [left + 2 * step + 50, 444],
      ],
      'output',
      { 'stroke-width': 1 + 5 * weight, 'marker-end': undefined, 'stroke-opacity': 0.25 + 0.6 * weight },
    ),
  ];
}

function query() {
  return vector(middle(asking) - 36, 74, queryOfIts, colour.query);
}

function bar(x, weight) {
  const height = 50 * weight;
  return [
    box(x - 18, 262, 36, 50, { rx: 3 }),
    element('rect', { x: x - 18, y: 312 - height, width: 36, height, rx: 3, fill: colour.heat }),
    text(x, 332, `${(100 * weight).toFixed(0)} %`, { 'font-size': 13, 'font-weight': 600 }),
  ];
}

function sum(result) {
  return vector(left + 2 * step + 50 - 60, 448, Array.from(result), colour.output, 1, 40);
}

function vector(x, y, numbers, stroke, opacity = 1, width = 36) {
  const cellWidth = numbers.length === 3 && width === 36 ? 30 : width;
  return numbers.map((number, i) => [
    element('rect', {
      x: x + i * cellWidth,
      y,
      width: cellWidth,
      height: 32,
      stroke,
      ...shade(0.18 * opacity + 0.02, stroke),
      'stroke-opacity': opacity,
    }),
    text(x + (i + 0.5) * cellWidth, y + 21, number.toFixed(1), {
      'font-size': 12,
      'fill-opacity': 0.35 + 0.65 * opacity,
    }),
  ]);
}
