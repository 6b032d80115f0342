/** How fast the rows of bench/gpu are to be, by the machine code of their kernels and what models.mjs assumes. */
import { readBudgets } from './budgets.mjs';
import { decode } from './instructions.mjs';
import { count, mainLoop, unrolled } from './main-loop.mjs';
import { machines } from './models.mjs';
import { cyclesOfTile } from './replay.mjs';

const operationsOfMatrixInstruction = 2 * 16 * 8 * 16;
const copyBytes = 16;

/** Rows by their names in bench/gpu/rows.py: the blocks of the grid, or only what is read where keys decide. */
const rows = [
  {
    row: 'full D128 4k',
    kernel: 'attention_forward, width 128, plain, contiguous, 16 bits',
    blocks: 4 * 16 * 32,
  },
  {
    row: 'full D64 4k',
    kernel: 'attention_forward, width 64, plain, contiguous, 16 bits',
    blocks: 4 * 32 * 32,
  },
  { row: '4096×4096×4096', kernel: 'projection, 16 bits', blocks: 32 * 32 },
  { row: 'decode B8 64/8 D128 8k', kernel: 'attention_decode, width 128, contiguous, 16 bits' },
  { row: 'the same in pages', kernel: 'attention_decode, width 128, paged, 16 bits' },
];

/**
 * @param {string} architecture
 * @param {{ label: string, type: string, code: Buffer, architecture: number, threads: number, blocks: number }[]} kernels
 * @returns {string[][]} a table, or none where no GPU of the architecture is described
 */
export function predict(architecture, kernels) {
  const machine = machines[architecture];
  if (machine === undefined) return [];
  const budgets = readBudgets().kernels;
  const found = rows.flatMap(({ row, kernel: name, blocks }) => {
    const compiled = kernels.find(({ label, type }) => name.startsWith(`${label}, ${type}`));
    const budget = budgets[name];
    if (compiled === undefined || budget === undefined) return [];
    const way = unrolled(mainLoop(decode(compiled.code, compiled.architecture), budget), budget.times);
    return [[row, ...predictRow(machine, compiled, count(way), way, blocks)]];
  });
  return [['row', 'blocks', 'instructions', 'cycles', 'loop alone', 'predicted', 'share'], ...found];
}

/** A block's warps are spread over the four schedulers of a multiprocessor, which are alike. */
function predictRow(machine, { threads, blocks: atOnce }, counted, way, blocks) {
  const warps = (atOnce * threads) / 32 / 4;
  const cycles = cyclesOfTile(way, warps, machine);
  const perSecond = (4 * warps * machine.multiprocessors * machine.clock) / cycles;
  const said = [String(atOnce), String(counted.instructions), cycles.toFixed(0)];
  if (blocks === undefined) {
    const bytes = perSecond * counted.copies * 32 * copyBytes;
    const rate = Math.min(bytes, machine.copy);
    return [...said, terabytes(bytes), terabytes(rate), share(rate, machine.copy)];
  }
  const operations = perSecond * counted.matrix * operationsOfMatrixInstruction;
  const waves = blocks / (machine.multiprocessors * atOnce);
  const rate = (operations * waves) / Math.ceil(waves);
  return [...said, teraflops(operations), teraflops(rate), share(rate, machine.peak)];
}

const terabytes = (rate) => `${(rate / 1e12).toFixed(1)} TB/s`;
const teraflops = (rate) => `${(rate / 1e12).toFixed(0)} TFLOP/s`;
const share = (rate, of) => `${((100 * rate) / of).toFixed(0)} %`;
