/** An operation on host arrays: pool threads copy, the stream transfers and computes, and no thread waits. */
import { box, colour, picture, text } from './svg.mjs';

const left = 150;
const unit = 45;

export function cudaStaging() {
  return picture(
    900,
    300,
    'Host arrays travel through two halves of pinned memory: one is copied while the other is on its way',
    lane(50, 'event loop', [[0, 1, 'solve()', colour.panel]]),
    lane(110, 'threads of the pool', [
      [1, 2, 'copy 1', colour.query],
      [3, 2, 'copy 2', colour.query],
      [5, 1.2, 'launch', colour.panel],
      [11, 2, 'copy back', colour.output],
    ]),
    lane(170, 'stream', [
      [3, 2, 'upload 1', colour.query],
      [5, 2, 'upload 2', colour.query],
      [7, 2, 'kernels', colour.value],
      [9, 1.6, 'download', colour.output],
      [10.6, 0.4, '', colour.ink],
    ]),
    lane(230, 'event loop', [[13, 1.3, 'promise', colour.panel]]),
    text(left + 10.8 * unit, 222, 'callback: hands over to the pool', {
      'font-size': 12,
      fill: colour.faint,
    }),
    text(left + 7 * unit, 288, 'time →', { 'font-size': 12, fill: colour.faint }),
  );
}

function lane(y, name, pieces) {
  return [
    text(left - 14, y + 22, name, { 'text-anchor': 'end', 'font-weight': 600, 'font-size': 13 }),
    pieces.map(([start, length, label, fill]) => [
      box(left + start * unit, y, length * unit - 2, 34, {
        fill,
        'fill-opacity': fill === colour.panel || fill === colour.ink ? 1 : 0.25,
        rx: 3,
      }),
      text(left + (start + length / 2) * unit - 1, y + 22, label, { 'font-size': 13 }),
    ]),
  ];
}
