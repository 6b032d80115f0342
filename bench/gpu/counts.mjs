// Counts what a tile takes in the main loop of each kernel, in the objects that nvcc has made:
//
//   node bench/gpu/counts.mjs OBJECT …
//
// writes { symbol: { label, instructions, matrix, copies, exponentials, perMatrix, copiesPerMatrix } } as JSON:
// what ncu is to count on a GPU, but for what is outside of the main loop.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readBudgets } from '../../scripts/check-cuda/budgets.mjs';
import { readCubin } from '../../scripts/check-cuda/cubin.mjs';
import { decode } from '../../scripts/check-cuda/instructions.mjs';
import { count, mainLoop, unrolled } from '../../scripts/check-cuda/main-loop.mjs';
import { describe } from '../../scripts/check-cuda/names.mjs';

const budgets = readBudgets().kernels;
const kernels = process.argv.slice(2).flatMap((path) => cubinsIn(readFileSync(path)).flatMap(kernelsOf));
const names = demangled(kernels.map(({ symbol }) => symbol));
const counted = kernels.flatMap(({ symbol, instructions }, i) => {
  const label = labelOf(names[i]);
  const counts = countsOf(label, instructions);
  return counts === undefined ? [] : [[symbol, { label, ...counts }]];
});
console.log(JSON.stringify(Object.fromEntries(counted)));

/** nvcc leaves them uncompressed among the data of an object. */
function cubinsIn(object) {
  const magic = Buffer.from('\x7fELF\x02\x01', 'latin1');
  const found = [];
  for (let at = object.indexOf(magic); at >= 0; at = object.indexOf(magic, at + 1)) {
    try {
      found.push(readCubin(object.subarray(at)));
    } catch {
      // The object itself.
    }
  }
  return found;
}

function kernelsOf({ architecture, kernels }) {
  return kernels.map(({ symbol, code }) => ({ symbol, instructions: decode(code, architecture) }));
}

function demangled(symbols) {
  const { stdout, status } = spawnSync('c++filt', { input: symbols.join('\n'), encoding: 'utf8' });
  return status === 0 ? stdout.trimEnd().split('\n') : symbols;
}

function labelOf(name) {
  try {
    const { label, type } = describe(name);
    return `${label}, ${type}`;
  } catch {
    return name.replace(/\(anonymous namespace\)::|^void |\(.*/g, '');
  }
}

/** Undefined where there is no main loop. */
function countsOf(label, instructions) {
  // Budgets say which way a tile takes; those of another architecture may not fit.
  for (const way of [budgets[label], {}]) {
    try {
      const loop = way && mainLoop(instructions, way);
      if (loop === undefined) continue;
      const { instructions: all, matrix, copies, exponentials } = count(unrolled(loop, way.times));
      const ratios = matrix > 0 && { perMatrix: all / matrix, copiesPerMatrix: copies / matrix };
      return { instructions: all, matrix, copies, exponentials, ...ratios };
    } catch {
      // Other loops than the way has.
    }
  }
  return undefined;
}
