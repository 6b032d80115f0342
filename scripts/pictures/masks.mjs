/**
 * Which query may attend which key, according to heed: a score of −∞ marks a key that may not be attended.
 */
import { attentionDetailsSync, Tensor } from '../../dist/lib/index.mjs';
import { colour, grid, picture, text } from './svg.mjs';

const cases = [
  { title: 'global', note: 'no options', queries: 6, keys: 6, options: {} },
  { title: 'masked (causal)', note: 'causal: true', queries: 6, keys: 6, options: { causal: true } },
  {
    title: 'local',
    note: 'window: { left: 1, right: 1 }',
    queries: 6,
    keys: 6,
    options: { window: { left: 1, right: 1 } },
  },
  {
    title: 'local and causal',
    note: 'causal: true, window: { left: 2 }',
    queries: 6,
    keys: 6,
    options: { causal: true, window: { left: 2 } },
  },
  {
    title: 'causal, newest queries only',
    note: '2 queries, 6 keys, causal: true',
    queries: 2,
    keys: 6,
    options: { causal: true },
  },
  { title: 'padded keys', note: 'kvLengths: [4]', queries: 6, keys: 6, options: { kvLengths: [4] } },
];

const size = 26;
const cell = { width: 250, height: 250 };

export function masks() {
  const panels = cases.map((each, index) => {
    const x = 20 + (index % 3) * cell.width;
    const y = 40 + Math.floor(index / 3) * cell.height;
    return panel(each, x, y);
  });
  return picture(40 + 3 * cell.width, 34 + 2 * cell.height, 'Which query may attend to which key', panels);
}

function panel({ title, note, queries, keys, options }, x, y) {
  const allowed = attended(queries, keys, options);
  const left = x + (cell.width - keys * size) / 2 + 12;
  const top = y + 38;
  return [
    text(x + cell.width / 2, y, title, { 'font-weight': 600 }),
    text(x + cell.width / 2, y + 18, note, { 'font-size': 12, fill: colour.faint }),
    grid(left, top, queries, keys, size, (row, column) =>
      allowed[row * keys + column] ? { fill: colour.heat, 'fill-opacity': 0.82 } : { fill: colour.panel },
    ),
    text(left + (keys * size) / 2, top + queries * size + 18, 'keys →', {
      'font-size': 12,
      fill: colour.key,
    }),
    text(left - 10, top + (queries * size) / 2, '← queries', {
      'font-size': 12,
      fill: colour.query,
      transform: `rotate(-90 ${left - 10} ${top + (queries * size) / 2})`,
    }),
  ];
}

function attended(queries, keys, options) {
  const query = Tensor.zeros('float32', [1, 1, queries, 4]);
  const key = Tensor.zeros('float32', [1, 1, keys, 4]);
  const { biasedScores } = attentionDetailsSync(query, key, key, {
    ...options,
    backend: 'reference',
    include: ['biasedScores'],
  });
  return Array.from(biasedScores.data, (score) => score !== -Infinity);
}
