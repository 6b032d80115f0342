/** The loss during training, as a picture. */
import { colour, element, picture, text } from '../../scripts/pictures/svg.mjs';

const width = 760;
const height = 340;
const left = 64;
const right = 24;
const top = 64;
const bottom = 52;

/** @param training what train.ts has written into training.json */
export function drawLoss({ curve, lessons }) {
  const steps = lessons.reduce((sum, lesson) => sum + lesson.steps, 0);
  const most = Math.ceil(Math.max(...curve.flatMap((point) => [point.training, point.heldOut])));
  const x = (step) => left + (step / steps) * (width - left - right);
  const y = (loss) => height - bottom - (loss / most) * (height - top - bottom);
  const line = (key, attributes) =>
    element('polyline', {
      points: curve.map((point) => `${x(point.step).toFixed(1)},${y(point[key]).toFixed(1)}`).join(' '),
      fill: 'none',
      'stroke-width': 2,
      ...attributes,
    });
  const last = curve[curve.length - 1];
  const small = { 'font-size': 11, fill: colour.faint };
  return picture(
    width,
    height,
    'The loss of the language model while it was trained',
    text(24, 30, 'Loss in nats a token', { 'text-anchor': 'start', 'font-weight': 600 }),
    legend(230, 'what it is trained on', { stroke: colour.line }),
    legend(430, 'stories it never sees', { stroke: colour.query }),
    Array.from({ length: most + 1 }, (_, loss) => [
      element('line', { x1: left, y1: y(loss), x2: width - right, y2: y(loss), stroke: colour.panel }),
      text(left - 10, y(loss) + 4, String(loss), { 'text-anchor': 'end', ...small }),
    ]),
    Array.from({ length: 5 }, (_, i) => {
      const step = Math.round((steps * i) / 4);
      return text(x(step), height - bottom + 20, String(step), small);
    }),
    text((left + width - right) / 2, height - 12, 'steps', small),
    lessons.map((lesson, index) => {
      const begin = lessons.slice(0, index).reduce((sum, earlier) => sum + earlier.steps, 0);
      const at = x(begin);
      return [
        index === 0
          ? []
          : element('line', { x1: at, y1: top, x2: at, y2: height - bottom, stroke: colour.line }),
        text(at + 6, top - 8, nameOf(lesson), { 'text-anchor': 'start', ...small }),
      ];
    }),
    line('training', { stroke: colour.line, 'stroke-width': 4 }),
    line('heldOut', { stroke: colour.query }),
    text(x(last.step) - 4, y(last.heldOut) - 8, last.heldOut.toFixed(2), {
      'text-anchor': 'end',
      'font-size': 12,
      fill: colour.query,
    }),
  );
}

function nameOf({ stories }) {
  return stories === 0 ? 'repeated random tokens' : 'stories, and repeated random tokens';
}

function legend(x, name, attributes) {
  return [
    element('line', { x1: x, y1: 25, x2: x + 24, y2: 25, 'stroke-width': 3, ...attributes }),
    text(x + 32, 30, name, { 'text-anchor': 'start', 'font-size': 12, fill: colour.faint }),
  ];
}
