/** The weights of the heads of examples/heads.safetensors in one sentence, computed as by `heed attend`. */
import { createRequire } from 'node:module';
import { colour, element, grid, picture, shade, text } from './svg.mjs';

const require = createRequire(import.meta.url);
const { embed } = require('../../dist/lib/demo/embedding.js');
const { layers } = require('../../dist/lib/demo/heads.js');
const { TwoLayers } = require('../../dist/lib/demo/two-layers.js');
const { readWords } = require('../../dist/lib/demo/words.js');

const sentence = 'the cat chased the mouse and the cats chased the mice until the cat slept';
const size = 15;
const panel = { width: 318, height: 342 };

export async function heads() {
  const { words } = readWords(sentence);
  const stack = await TwoLayers.load(false);
  const findings = await stack.examine(
    embed(words),
    words.map((_, i) => i),
  );
  stack[Symbol.dispose]();
  const panels = layers
    .flatMap((layer) => layer.heads)
    .map((head, index) =>
      heatMap(
        head.title,
        words.map((word) => word.text),
        findings.weights[index],
        10 + (index % 3) * panel.width,
        20 + Math.floor(index / 3) * panel.height,
      ),
    );
  return picture(
    24 + 3 * panel.width,
    48 + 2 * panel.height,
    `What six attention heads look at in the sentence “${sentence}”`,
    panels,
    text(
      12 + 1.5 * panel.width,
      32 + 2 * panel.height,
      'Each row is a word, each column a word it may look at; the darker, the more.',
      {
        'font-size': 13,
        fill: colour.faint,
      },
    ),
  );
}

function heatMap(title, words, weights, x, y) {
  const left = x + 66;
  const top = y + 84;
  return [
    text(left + (words.length * size) / 2, y + 12, title, { 'font-weight': 600 }),
    words.map((word, i) => [
      text(left - 6, top + i * size + 11, word, {
        'text-anchor': 'end',
        'font-size': 11,
        fill: colour.query,
      }),
      element(
        'text',
        {
          x: left + i * size + 11,
          y: top - 6,
          'font-size': 11,
          fill: colour.key,
          transform: `rotate(-60 ${left + i * size + 11} ${top - 6})`,
        },
        word,
      ),
    ]),
    grid(left, top, words.length, words.length, size, (row, column) =>
      shade(weights[row * words.length + column]),
    ),
  ];
}
