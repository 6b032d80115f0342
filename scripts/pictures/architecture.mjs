/** The call graph of heed's parts. Arrows only point downwards. */
import { arrow, box, colour, labelled, picture, text } from './svg.mjs';

export function architecture() {
  return picture(
    860,
    560,
    'The parts of heed; arrows only run downwards',
    labelled(40, 20, 150, 48, ['your program', 'require or import']),
    labelled(205, 20, 110, 48, ['heed', 'the command']),
    labelled(330, 20, 250, 48, ['heed/models, heed/serving', 'whole models, and many texts']),
    labelled(595, 20, 225, 48, ['heed/onnx', 'the ONNX operators by their names']),
    [115, 260, 455, 707].map((x) =>
      arrow([
        [x, 68],
        [x, 96],
      ]),
    ),
    box(40, 98, 780, 78, { stroke: colour.query }),
    text(430, 128, 'lib/: the facade (TypeScript)', { 'font-weight': 600, fill: colour.query }),
    text(
      430,
      152,
      'checks every argument, resolves every default, and writes problem descriptions (lib/problem/problem.ts)',
      {
        'font-size': 13,
        fill: colour.faint,
      },
    ),
    arrow([
      [200, 176],
      [200, 228],
    ]),
    arrow([
      [620, 176],
      [620, 228],
    ]),
    text(212, 207, 'Backend.solve(problems)', {
      'text-anchor': 'start',
      'font-size': 12,
      fill: colour.faint,
    }),
    text(632, 207, 'Backend.solve(problems)', {
      'text-anchor': 'start',
      'font-size': 12,
      fill: colour.faint,
    }),
    labelled(
      40,
      230,
      320,
      72,
      ['lib/backends/reference/', 'TypeScript, float64 inside:', 'the oracle, and the fallback'],
      { stroke: colour.value },
      colour.value,
    ),
    labelled(
      420,
      230,
      400,
      72,
      ['lib/backends/native/native.ts', 'the only file that touches the addon'],
      { stroke: colour.key },
      colour.key,
    ),
    arrow([
      [620, 302],
      [620, 328],
    ]),
    labelled(
      420,
      330,
      400,
      56,
      ['native/addon/', 'the only folder that knows Node-API'],
      { stroke: colour.key },
      colour.key,
    ),
    [480, 615, 750].map((x) =>
      arrow([
        [x, 386],
        [x, 412],
      ]),
    ),
    labelled(420, 414, 120, 108, ['native/core/', 'descriptions', 'of problems,', 'threads; no Node'], {}),
    labelled(556, 414, 118, 108, ['native/cpu/', 'tiles; one unit', 'for each', 'instruction set'], {}),
    labelled(690, 414, 130, 108, ['native/cuda/', 'kernels, streams,', 'graphs'], {}),
    arrow([
      [556, 468],
      [542, 468],
    ]),
    arrow([
      [690, 500],
      [682, 500],
      [682, 535],
      [480, 535],
      [480, 524],
    ]),
    text(200, 340, 'All backends answer the same tests.', { 'font-size': 13, fill: colour.faint }),
  );
}
