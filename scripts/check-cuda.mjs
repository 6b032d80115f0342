// Compiles every CUDA kernel with nvcc, and fails if registers spill or if a kernel does not fit onto the
// GPU. Prints the registers and the shared memory of each kernel, and the resulting occupancy of a
// multiprocessor.
//
//   node scripts/check-cuda.mjs                    for sm_80
//   node scripts/check-cuda.mjs --arch sm_90       sm_80, sm_86, sm_89 or sm_90; compute_80 for PTX, as later GPUs take it
//   node scripts/check-cuda.mjs --write            writes the table into docs/cuda.md
//
// A GPU is not needed. Without nvcc the script says so and checks nothing.
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { build, configure, folderOf, root } from './cmake.mjs';

const emulator = folderOf('emulator');

// Per multiprocessor: registers, KiB of shared memory, and the maximum of warps and blocks; a block takes 1
// KiB more than it requests.
const processors = {
  sm_80: { registers: 65536, shared: 164, warps: 64, blocks: 32 },
  sm_86: { registers: 65536, shared: 100, warps: 48, blocks: 16 },
  sm_89: { registers: 65536, shared: 100, warps: 48, blocks: 24 },
  sm_90: { registers: 65536, shared: 228, warps: 64, blocks: 32 },
};

const { values: options } = parseArgs({
  options: { arch: { type: 'string', default: 'sm_80' }, write: { type: 'boolean', default: false } },
});
const processor = processors[options.arch];
const ptx = options.arch.startsWith('compute_');
if (processor === undefined && !ptx)
  fail(`Expected --arch to be ${Object.keys(processors).join(', ')} or compute_…, received ${options.arch}`);
if (ptx && options.write) fail('PTX has no registers to write about');

const nvcc = findCompiler();
const scratch = mkdtempSync(join(tmpdir(), 'heed-cuda-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

if (nvcc === undefined) {
  console.log('there is no nvcc: the CUDA kernels were not compiled, and nothing was checked');
} else {
  const began = performance.now();
  const reports = await compileAll();
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  console.log(`compiled for ${options.arch} in ${seconds} s, ${availableParallelism()} sources at once`);
  if (!ptx) report(reports.flatMap(kernelsOf));
}

function findCompiler() {
  const candidates = [process.env.CUDACXX, 'nvcc', '/usr/local/cuda/bin/nvcc'];
  return candidates.find((name) => name && spawnSync(name, ['--version']).status === 0);
}

/** The ptxas report of each source. */
async function compileAll() {
  const sources = JSON.parse(readFileSync(join(root, 'native/sources.json'), 'utf8')).cuda.filter((name) =>
    name.endsWith('.cu'),
  );
  const waiting = [...sources];
  const reports = [];
  const work = async () => {
    for (let source = waiting.shift(); source !== undefined; source = waiting.shift())
      reports.push(await compile(source));
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  return reports;
}

async function compile(source) {
  const result = join(scratch, `${source.replaceAll('/', '-')}.${ptx ? 'ptx' : 'cubin'}`);
  const args = ['-std=c++20', '-O3', '-I', 'native', ptx ? '-ptx' : '-cubin', `-arch=${options.arch}`];
  try {
    const { stderr, stdout } = await promisify(execFile)(
      nvcc,
      [...args, '-Xptxas=-v', '-o', result, source],
      { cwd: root, maxBuffer: 2 ** 26 },
    );
    return stdout + stderr;
  } catch (error) {
    return fail(`nvcc does not compile ${source}:\n${error.stdout ?? ''}${error.stderr ?? error.message}`);
  }
}

/** Parses the kernels of a ptxas report. */
function kernelsOf(report) {
  return report
    .split("Compiling entry function '")
    .slice(1)
    .map((text) => ({
      symbol: text.slice(0, text.indexOf("'")),
      spilled: Number(/(\d+) bytes spill stores/.exec(text)[1]),
      registers: Number(/Used (\d+) registers/.exec(text)[1]),
    }));
}

function report(kernels) {
  const names = run('c++filt', [], kernels.map((kernel) => kernel.symbol).join('\n'))
    .trim()
    .split('\n');
  const launches = launchesByKernel();
  for (const [i, kernel] of kernels.entries()) {
    kernel.name = names[i];
    const launch = launches.get(kernel.name);
    if (launch === undefined) fail(`test/emulator/launches_test.cc does not launch ${kernel.name}`);
    Object.assign(kernel, launch, occupancyOf(kernel.registers, launch));
  }
  const rows = rowsOf(kernels);
  console.log(alignedTable(rows));
  console.log(`${kernels.length} kernels in ${rows.length - 1} rows`);
  if (options.write) writeDocument(rows);

  const spilled = kernels.filter((kernel) => kernel.spilled > 0);
  for (const kernel of spilled) console.error(`${kernel.name} spills ${kernel.spilled} bytes`);
  const unfit = kernels.filter((kernel) => kernel.blocks === 0);
  for (const kernel of unfit) console.error(`${kernel.name} does not fit onto ${options.arch}`);
  if (spilled.length + unfit.length > 0) fail(`${spilled.length + unfit.length} kernels do not do`);
}

/** Threads and shared memory of every kernel, from its launches on the emulator. */
function launchesByKernel() {
  const path = join(scratch, 'launches');
  configure('emulator');
  build('emulator');
  process.env.HEED_KERNEL_LAUNCHES = path;
  run(join(emulator, 'heed_emulator_tests'), ['--test-case=every kernel fits*']);
  if (!existsSync(path)) fail('no test case of the emulator has written how kernels are launched');
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  return new Map(
    lines.map((line) => {
      const [threads, shared, name] = line.split('\t');
      return [name, { threads: Number(threads), shared: Number(shared) }];
    }),
  );
}

function occupancyOf(registers, { threads, shared }) {
  const warps = threads / 32;
  const registersOfBlock = Math.ceil((registers * 32) / 256) * 256 * warps;
  const sharedOfBlock = Math.ceil(shared / 128) * 128 + 1024;
  const blocks = Math.min(
    Math.floor(processor.registers / registersOfBlock),
    Math.floor((processor.shared * 1024) / sharedOfBlock),
    Math.floor(processor.warps / warps),
    processor.blocks,
  );
  return { blocks, occupancy: (blocks * warps) / processor.warps };
}

/**
 * One row for the instantiations of a kernel that differ only in their types, with the values of the one with
 * the most registers.
 */
function rowsOf(kernels) {
  const groups = new Map();
  for (const kernel of kernels) {
    const { label, type } = describe(kernel.name);
    const key = `${label} ${type}`;
    const other = groups.get(key);
    if (other === undefined || other.registers < kernel.registers)
      groups.set(key, { ...kernel, label, type });
  }
  const sorted = [...groups.entries()].sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }));
  return [
    ['kernel', 'elements', 'threads', 'registers', 'shared memory', 'blocks', 'occupancy'],
    ...sorted.map(([, kernel]) => [
      kernel.label,
      kernel.type,
      String(kernel.threads),
      String(kernel.registers),
      `${(kernel.shared / 1024).toFixed(1)} KiB`,
      String(kernel.blocks),
      `${Math.round(100 * kernel.occupancy)} %`,
    ]),
  ];
}

function describe(name) {
  const [, base, templateArguments] = /heed::cuda::(\w+)_kernel(?:<(.*)>)?\(/.exec(name);
  const list = templateArguments ?? '';
  const types = new Set(list.match(/BFloat16|Float16|float/g) ?? ['–']);
  const [number] = list.replace(/B?Float16/g, '').match(/\d+/) ?? [];
  const variant = /(\w+)(?:Scores|Rows)/.exec(list)?.[1].toLowerCase();
  const what =
    number === undefined ? '' : base.startsWith('attention') ? `width ${number}` : `${number} at once`;
  const pair = /append|cast/.test(base);
  return {
    label: [base, what, variant].filter(Boolean).join(', '),
    type: pair ? 'any' : types.has('float') ? 'float32' : types.has('–') ? '–' : '16 bits',
  };
}

function alignedTable(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function writeDocument(rows) {
  const path = join(root, 'docs', 'cuda.md');
  const text = readFileSync(path, 'utf8');
  const begin = '<!-- written by scripts/check-cuda.mjs -->\n',
    end = '<!-- end -->';
  const from = text.indexOf(begin),
    to = text.indexOf(end, from);
  if (from < 0 || to < 0) fail(`docs/cuda.md has no place for the table: ${begin.trim()} … ${end}`);
  const [head, ...body] = rows.map((row) => `| ${row.join(' | ')} |`);
  const table = [head, `|${rows[0].map((_, i) => (i < 2 ? '---|' : '---:|')).join('')}`, ...body].join('\n');
  const said = `On ${options.arch}, ${compilerVersion()}:\n`;
  writeFileSync(path, `${text.slice(0, from + begin.length)}\n${said}\n${table}\n\n${text.slice(to)}`);
}

function compilerVersion() {
  return `nvcc ${/release ([\d.]+)/.exec(run(nvcc, ['--version']))[1]}`;
}

function run(command, args, input = '') {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: root, input, encoding: 'utf8' });
  if (error) fail(`${command} cannot be run: ${error.message}`);
  if (status !== 0) fail(`${command} ${args[0] ?? ''} ended with ${status}\n${stdout}${stderr}`);
  return stdout;
}

function fail(message) {
  console.error(`check-cuda: ${message}`);
  process.exit(1);
}
