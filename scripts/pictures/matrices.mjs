/** softmax(Q Kᵀ / √D) V as matrices, for a short causal sequence, shaded by numbers computed by heed. */
import { attentionDetailsSync, Tensor } from '../../dist/lib/index.mjs';
import { arrow, colour, grid, picture, shade, text } from './svg.mjs';

const steps = 5;
const width = 3;
const size = 26;

const query = wave(0.9);
const key = wave(1.7);
const value = wave(2.6);

export function matrices() {
  const { biasedScores, weights, output } = attentionDetailsSync(query, key, value, {
    causal: true,
    scale: 1.4,
    backend: 'reference',
    include: ['biasedScores', 'weights'],
  });
  const y = 70;
  return picture(
    960,
    262,
    'Attention as matrices: queries times keys, masked, softmax, times values',
    matrix(40, y, query, steps, width, 'Q', '[queries, D]', colour.query),
    text(140, y + 70, '·', { 'font-size': 28 }),
    matrix(164, y + 26, transposed(key), width, steps, 'Kᵀ', '[D, keys]', colour.key),
    becomes(306, y, '/ √D'),
    scores(364, y, biasedScores.data),
    becomes(506, y, 'softmax'),
    weightMatrix(564, y, weights.data),
    text(712, y + 70, '·', { 'font-size': 28 }),
    matrix(730, y, value, steps, width, 'V', '[keys, Dv]', colour.value),
    text(832, y + 72, '=', { 'font-size': 22 }),
    outputs(output.data, y),
    text(
      480,
      236,
      'A row of weights sums to 1. Above the diagonal: keys after the query, which a causal mask leaves out.',
      {
        'font-size': 13,
        fill: colour.faint,
      },
    ),
  );
}

/** An arrow from one matrix to the next, labelled with the operation. */
function becomes(x, y, how) {
  return [
    arrow(
      [
        [x, y + 65],
        [x + 46, y + 65],
      ],
      'faint',
    ),
    text(x + 23, y + 54, how, { 'font-size': 12, fill: colour.faint }),
  ];
}

function matrix(x, y, tensor, rows, columns, name, shape, hue) {
  const { data } = tensor;
  return [
    head(x + (columns * size) / 2, y, name, shape, hue),
    grid(x, y, rows, columns, size, (row, column) =>
      shade(0.12 + 0.6 * (0.5 + 0.5 * data[row * columns + column]), hue),
    ),
  ];
}

function scores(x, y, data) {
  return [
    head(x + (steps * size) / 2, y, 'scores', '[queries, keys]', colour.ink),
    grid(x, y, steps, steps, size, (row, column) => {
      const score = data[row * steps + column];
      return score === -Infinity ? { fill: colour.paper } : shade(0.4 + 0.25 * score, colour.faint);
    }),
  ];
}

function weightMatrix(x, y, data) {
  return [
    head(x + (steps * size) / 2, y, 'weights', '[queries, keys]', colour.heat),
    grid(x, y, steps, steps, size, (row, column) => shade(data[row * steps + column], colour.heat)),
  ];
}

function outputs(data, y) {
  return matrix(854, y, { data }, steps, width, 'O', '[queries, Dv]', colour.output);
}

function head(x, y, name, shape, hue) {
  return [
    text(x, y - 24, name, { 'font-weight': 600, fill: hue }),
    text(x, y - 8, shape, { 'font-size': 11, fill: colour.faint }),
  ];
}

function wave(speed) {
  const data = Float32Array.from({ length: steps * width }, (_, i) =>
    Math.sin(speed * (i + 1) + (i % width)),
  );
  return new Tensor(data, [1, 1, steps, width]);
}

function transposed({ data }) {
  return { data: data.map((_, i) => data[(i % steps) * width + Math.floor(i / steps)]) };
}
