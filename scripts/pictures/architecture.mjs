/** The call graph of heed's parts. Arrows only point downwards. */
import { arrow, box, colour, labelled, picture, text } from './svg.mjs';

export function architecture() {
  return picture(
    860,
    560,
    'The parts of heed; arrows only run downwards',
    labelled(40, 20, 240, 48, ['your program', 'require or import']),
    labelled(310, 20, 240, 48, ['heed', 'the command']),
    labelled(580, 20, 240, 48, ['heed/onnx', 'the ONNX operators by their names']),
    [160, 430, 700].map((x) =>
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
    arrow([
      [515, 386],
      [515, 412],
    ]),
    labelled(
      420,
      414,
      190,
      108,
      ['native/core/', 'problem descriptions,', 'operations, threads;', 'no Node'],
      {},
    ),
    labelled(640, 414, 180, 108, ['native/cpu/', 'tiles; one translation', 'unit per instruction set'], {}),
    arrow([
      [730, 386],
      [730, 412],
    ]),
    arrow([
      [640, 468],
      [612, 468],
    ]),
    text(200, 340, 'Both backends answer the same tests.', { 'font-size': 13, fill: colour.faint }),
  );
}
