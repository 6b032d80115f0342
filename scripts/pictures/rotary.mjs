/** Rotary positions: pairs that rotate, each at its own speed, and the effect of scalings on the speeds. */
import { frequencies } from '../../dist/lib/rotary/angles.js';
import { colour, element, picture, text } from './svg.mjs';

const theta = 10_000;
const dims = 128;
const trained = 4096;
const factor = 8;
const shownPairs = [0, 8, 16, 32];
const positions = [0, 1, 2, 3, 4];

const scalings = [
  { name: 'none', ink: colour.faint, scaling: undefined },
  { name: 'linear', ink: colour.query, scaling: { type: 'linear', factor } },
  {
    name: 'dynamic',
    ink: colour.value,
    scaling: { type: 'dynamic', factor: 1, originalMaxPositionEmbeddings: trained },
  },
  {
    name: 'yarn',
    ink: colour.key,
    scaling: {
      type: 'yarn',
      factor,
      originalMaxPositionEmbeddings: trained,
      attentionFactor: 1,
      betaFast: 32,
      betaSlow: 1,
      truncate: true,
    },
  },
  {
    name: 'llama3',
    ink: colour.output,
    scaling: {
      type: 'llama3',
      factor,
      lowFreqFactor: 1,
      highFreqFactor: 4,
      originalMaxPositionEmbeddings: trained,
    },
  },
];

const frequenciesOf = (scaling) => frequencies({ theta, scaling }, dims, factor * trained);

export function rotary() {
  return picture(800, 370, 'Rotary positions: pairs of elements turn with the position', [
    clocks(30, 30),
    paces(450, 30),
  ]);
}

function clocks(x, y) {
  const turns = frequenciesOf(undefined);
  const small = { 'font-size': 12, fill: colour.faint };
  return [
    text(x + 175, y, 'A head: pairs that turn', { 'font-weight': 600 }),
    positions.map((position, column) => text(x + 118 + column * 58, y + 30, `p = ${position}`, small)),
    shownPairs.map((pair, row) => {
      const top = y + 68 + row * 72;
      return [
        text(x + 40, top - 2, `pair ${pair}`, { fill: colour.query }),
        text(x + 40, top + 15, `${turns[pair].toPrecision(2)} rad`, small),
        positions.map((position, column) => clock(x + 118 + column * 58, top, position * turns[pair])),
      ];
    }),
  ];
}

/** Angles grow counterclockwise from the right, as usual in mathematics. */
function clock(x, y, angle) {
  const radius = 23;
  const [toX, toY] = [x + radius * Math.cos(angle), y - radius * Math.sin(angle)];
  return [
    element('circle', { cx: x, cy: y, r: radius, fill: colour.panel, stroke: colour.line }),
    element('line', { x1: x, y1: y, x2: toX, y2: toY, stroke: colour.query, 'stroke-width': 2 }),
    element('circle', { cx: toX, cy: toY, r: 3, fill: colour.query }),
  ];
}

function paces(x, y) {
  const [width, height] = [300, 230];
  const [left, top] = [x + 24, y + 34];
  const plain = frequenciesOf(undefined);
  const across = (pair) => left + (width * pair) / (dims / 2 - 1);
  const down = (share) => top + height * (1 - share);
  const small = { 'font-size': 12, fill: colour.faint };
  return [
    text(left + width / 2, y, `Pace, in sequences ${factor} times longer`, { 'font-weight': 600 }),
    element('rect', { x: left, y: top, width, height, fill: colour.panel, stroke: colour.line }),
    [1, 1 / 2, 1 / factor].map((share) => [
      element('line', { x1: left, y1: down(share), x2: left + width, y2: down(share), stroke: colour.line }),
      text(left - 6, down(share) + 4, share === 1 ? '1' : `1/${1 / share}`, {
        ...small,
        'text-anchor': 'end',
      }),
    ]),
    scalings.map(({ ink, scaling }, i) => {
      const points = Array.from(frequenciesOf(scaling), (pace, pair) =>
        [across(pair), down(pace / plain[pair])].map((number) => number.toFixed(1)).join(','),
      );
      const stroke = { stroke: ink, 'stroke-width': 2, 'stroke-dasharray': i === 0 ? '5 4' : undefined };
      return element('polyline', { points: points.join(' '), fill: 'none', ...stroke });
    }),
    text(left, top + height + 20, 'pair 0', { ...small, 'text-anchor': 'start' }),
    text(left + width, top + height + 20, `pair ${dims / 2 - 1}`, { ...small, 'text-anchor': 'end' }),
    scalings.map(({ name, ink }, i) =>
      text(left + 24 + i * 64, top + height + 48, name, { fill: ink, 'font-weight': 600, 'font-size': 13 }),
    ),
  ];
}
