/** The weights of one query over twelve keys, for each selection: computed by heed. */
import { attentionDetailsSync, Tensor } from '../../dist/lib/index.mjs';
import { arrow, colour, element, picture, text } from './svg.mjs';

const scores = [0.2, 0.9, 0.4, 1.4, 2.3, 1.1, 0.3, 1.9, 1.2, 0.6, 0.1, 0.5];
const center = 6.4;
const halfWidth = 3;
const draws = 10;

const query = new Tensor(Float32Array.of(1), [1, 1, 1, 1]);
const key = new Tensor(Float32Array.from(scores), [1, 1, scores.length, 1]);
const centers = new Tensor(Float32Array.of(center), [1]);

const bar = { width: 14, step: 17, height: 110 };
const panelWidth = scores.length * bar.step + 36;

export function selections() {
  const often = scores.map(() => 0);
  for (let seed = 0; seed < draws; seed++) often[weightsFor({ type: 'hard', seed }).indexOf(1)] += 1 / draws;
  const panels = [
    { title: 'soft', note: "select: 'soft'", weights: weightsFor('soft') },
    { title: 'hard', note: "select: 'hard'", weights: weightsFor('hard') },
    { title: 'drawn', note: "{ type: 'hard', seed }, ten seeds", weights: often },
    { title: 'local', note: 'centers: 6.4, halfWidth: 3', weights: weightsFor(local()), around: center },
  ];
  const drawn = panels.map((each, index) => panel(each, 30 + index * panelWidth, 44));
  return picture(40 + panels.length * panelWidth, 240, 'Weights of one query over twelve keys', drawn);
}

function local() {
  return { type: 'local', centers, halfWidth };
}

function weightsFor(select) {
  const { weights } = attentionDetailsSync(query, key, key, {
    select,
    backend: 'reference',
    include: ['weights'],
  });
  return Array.from(weights.data);
}

function panel({ title, note, weights, around }, x, y) {
  const base = y + 30 + bar.height;
  const middle = x + (scores.length * bar.step) / 2;
  const highest = Math.max(...weights);
  return [
    text(middle, y - 8, title, { 'font-weight': 600 }),
    text(middle, y + 10, note, { 'font-size': 12, fill: colour.faint }),
    weights.map((weight, i) =>
      element('rect', {
        x: x + i * bar.step,
        y: base - (weight / highest) * bar.height,
        width: bar.width,
        height: Math.max((weight / highest) * bar.height, 0.8),
        fill: colour.heat,
        'fill-opacity': 0.82,
      }),
    ),
    around === undefined
      ? []
      : arrow(
          [
            [x + around * bar.step + bar.width / 2, base + 22],
            [x + around * bar.step + bar.width / 2, base + 4],
          ],
          'key',
        ),
    text(middle, base + 40, 'keys →', { 'font-size': 12, fill: colour.key }),
  ];
}
