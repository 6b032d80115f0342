/** The whole layer: project, split into heads, attend, join, project with W0. */
import { arrow, box, colour, labelled, picture, text } from './svg.mjs';

const heads = [96, 186, 276];

export function multiHead() {
  return picture(
    940,
    370,
    'Multi-head attention: projections, heads that attend each on its own, and the output projection W0',
    labelled(24, 170, 96, 60, ['x', '[B, S, E]']),
    projection(164, 70, 'Wq', colour.query),
    projection(164, 170, 'Wk', colour.key),
    projection(164, 270, 'Wv', colour.value),
    ['query', 'key', 'value'].map((name, i) => [
      arrow([
        [120, 200],
        [142, 200],
        [142, 100 + i * 100],
        [162, 100 + i * 100],
      ]),
      arrow(
        [
          [250, 100 + i * 100],
          [284, 100 + i * 100],
        ],
        name,
      ),
      box(286, 80 + i * 100, 96, 40, { stroke: colour[name] }),
      text(334, 97 + i * 100, ['Q', 'K', 'V'][i], { 'font-weight': 600, fill: colour[name] }),
      text(334, 113 + i * 100, name === 'value' ? '[B, H, S, Dv]' : '[B, H, S, D]', {
        'font-size': 11,
        fill: colour.faint,
      }),
      heads.map((y) =>
        arrow(
          [
            [382, 100 + i * 100],
            [402, 100 + i * 100],
            [420, y + 18 + i * 14],
            [438, y + 18 + i * 14],
          ],
          name,
          { 'stroke-opacity': 0.55 },
        ),
      ),
    ]),
    heads.map((y, i) => head(440, y, i)),
    text(530, 80, 'split into heads', { 'font-size': 12, fill: colour.faint }),
    heads.map((y) =>
      arrow(
        [
          [620, y + 32],
          [640, y + 32],
          [640, 218],
          [658, 218],
        ],
        'output',
      ),
    ),
    labelled(660, 188, 84, 60, ['concat', '[B, S, H·Dv]'], { stroke: colour.output }, colour.output),
    arrow(
      [
        [744, 218],
        [774, 218],
      ],
      'output',
    ),
    labelled(776, 188, 54, 60, ['W0'], { stroke: colour.output }, colour.output),
    arrow(
      [
        [830, 218],
        [856, 218],
      ],
      'output',
    ),
    labelled(858, 188, 66, 60, ['y', '[B, S, E]'], {}, colour.output),
    text(470, 38, 'the same attention several times in parallel, each head with its own matrices', {
      'font-size': 15,
      'font-weight': 600,
    }),
  );
}

function projection(x, y, name, hue) {
  return labelled(x, y, 86, 60, [name, 'x · Wᵀ + b'], { stroke: hue }, hue);
}

function head(x, y, i) {
  return labelled(x, y, 180, 64, [`head ${i + 1}`, 'softmax(q·kᵀ / √D) · v'], { stroke: colour.output });
}
