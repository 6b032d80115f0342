/** Self-attention within one sequence, and attention between two: the sources of queries and of keys. */
import { arrow, box, colour, element, picture, text } from './svg.mjs';

export function sequences() {
  return picture(
    880,
    330,
    'Self attention relates a sequence to itself; general attention relates it to another',
    half(
      30,
      'self attention',
      'layer.forward(x)',
      ['it', 'was', 'too', 'tired'],
      ['it', 'was', 'too', 'tired'],
      [0.5, 0.1, 0.1, 0.3],
    ),
    element('line', { x1: 440, y1: 30, x2: 440, y2: 300, stroke: colour.line }),
    half(
      470,
      'attention between two sequences',
      'layer.forward(x, { context })',
      ['il', 'était', 'fatigué'],
      ['it', 'was', 'too', 'tired'],
      [0.06, 0.12, 0.14, 0.68],
      2,
    ),
  );
}

function half(x, title, call, asking, asked, weights, who = 0) {
  const width = 380;
  const at = (words, i) => x + ((i + 0.5) * width) / words.length;
  return [
    text(x + width / 2, 42, title, { 'font-weight': 600, 'font-size': 16 }),
    text(x + width / 2, 64, call, { 'font-family': 'monospace', 'font-size': 12, fill: colour.faint }),
    text(x, 98, 'queries from', { 'font-size': 12, fill: colour.query, 'text-anchor': 'start' }),
    asking.map((word, i) => wordBox(at(asking, i), 108, word, colour.query, i === who)),
    asked.map((word, i) => wordBox(at(asked, i), 240, word, colour.key, true)),
    text(x, 298, 'keys and values from', { 'font-size': 12, fill: colour.key, 'text-anchor': 'start' }),
    asked.map((_, i) =>
      arrow(
        [
          [at(asking, who), 144],
          [at(asked, i), 236],
        ],
        'query',
        {
          'stroke-width': 1 + 7 * weights[i],
          'stroke-opacity': 0.25 + 0.7 * weights[i],
          'marker-end': undefined,
        },
      ),
    ),
  ];
}

function wordBox(x, y, word, hue, strong) {
  return [
    box(x - 38, y, 76, 34, { stroke: hue, 'stroke-opacity': strong ? 1 : 0.35 }),
    text(x, y + 22, word, { 'fill-opacity': strong ? 1 : 0.5 }),
  ];
}
