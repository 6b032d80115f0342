// Compiles every CUDA kernel with nvcc, and fails if registers spill, if a kernel uses local memory or does
// not fit onto the GPU, or if its main loop does not keep to its budget (check-cuda/budgets.mjs). Prints the
// registers and the shared memory of each kernel, the resulting occupancy of a multiprocessor, what a tile
// costs, and how fast that is to be.
//
//   node scripts/check-cuda.mjs                    for sm_80
//   node scripts/check-cuda.mjs --arch sm_90       another architecture; compute_80 for PTX, as later GPUs take it
//   node scripts/check-cuda.mjs --write            writes what holds for it into docs/cuda.md, and lowers budgets
//
// A GPU is not needed. Without nvcc the script says so and checks nothing.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as budgets from './check-cuda/budgets.mjs';
import { compileAll, findCompiler, versionOf } from './check-cuda/compile.mjs';
import { readCubin } from './check-cuda/cubin.mjs';
import { machines } from './check-cuda/models.mjs';
import { describe } from './check-cuda/names.mjs';
import * as occupancy from './check-cuda/occupancy.mjs';
import { predict } from './check-cuda/predictions.mjs';
import { alignedTable, writeTable } from './check-cuda/tables.mjs';
import { build, configure, folderOf, root } from './cmake.mjs';

const { values: options } = parseArgs({
  options: { arch: { type: 'string', default: 'sm_80' }, write: { type: 'boolean', default: false } },
});
const processor = occupancy.processors[options.arch];
const ptx = options.arch.startsWith('compute_');
if (processor === undefined && !ptx)
  fail(
    `Expected --arch to be ${Object.keys(occupancy.processors).join(', ')} or compute_…, received ${options.arch}`,
  );
if (ptx && options.write) fail('PTX has nothing to write about');

const nvcc = findCompiler();
const scratch = mkdtempSync(join(tmpdir(), 'heed-cuda-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

if (nvcc === undefined) {
  console.log('there is no nvcc: the CUDA kernels were not compiled, and nothing was checked');
} else {
  const began = performance.now();
  const kernels = await compileAll(nvcc, options.arch, scratch).catch((error) => fail(error.message));
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  console.log(`compiled for ${options.arch} in ${seconds} s, ${availableParallelism()} sources at once`);
  if (!ptx) check(kernels);
}

function check(kernels) {
  const names = run('c++filt', [], kernels.map((kernel) => kernel.symbol).join('\n'))
    .trim()
    .split('\n');
  const launches = launchesByKernel();
  const code = codeBySymbol(kernels);
  for (const [i, kernel] of kernels.entries()) {
    kernel.name = names[i];
    const launch = launches.get(kernel.name);
    if (launch === undefined) fail(`test/emulator/launches_test.cc does not launch ${kernel.name}`);
    Object.assign(kernel, describe(kernel.name), launch, code.get(kernel.symbol));
    Object.assign(kernel, occupancy.occupancyOf(processor, kernel));
  }
  const version = versionOf(nvcc);
  const said = `On ${options.arch}, nvcc ${version}:`;
  const rows = occupancy.rowsOf(kernels);
  console.log(alignedTable(rows));
  console.log(`${kernels.length} kernels in ${rows.length - 1} rows\n`);
  if (options.write && options.arch === budgets.readBudgets().architecture)
    writeTable('registers', said, rows, 2);

  const wrong = kernels.flatMap(({ name, spilled, local, blocks }) => [
    ...(spilled > 0 ? [`${name} spills ${spilled} bytes`] : []),
    ...(local > 0 ? [`${name} has ${local} accesses to local memory`] : []),
    ...(blocks === 0 ? [`${name} does not fit onto ${options.arch}`] : []),
  ]);
  wrong.push(...checkBudgets(kernels, version, said));
  const predicted = predict(options.arch, kernels);
  if (predicted.length > 0) console.log(`\n${alignedTable(predicted)}`);
  if (predicted.length > 0 && options.write) {
    writeTable(
      `predictions for ${options.arch}`,
      `${machines[options.arch].name}, nvcc ${version}:`,
      predicted,
      1,
    );
  }
  for (const complaint of wrong) console.error(complaint);
  if (wrong.length > 0) fail(`${wrong.length} things are not as they have to be`);
}

function codeBySymbol(kernels) {
  const found = new Map();
  for (const cubin of new Set(kernels.map((kernel) => kernel.cubin))) {
    const { architecture, kernels: compiled } = readCubin(readFileSync(cubin));
    for (const { symbol, code } of compiled)
      found.set(symbol, { code, architecture, local: budgets.localAccesses(code, architecture) });
  }
  return found;
}

/** Budgets hold for one compiler and architecture; for others the counts are printed alone. */
function checkBudgets(kernels, version, said) {
  const known = budgets.readBudgets();
  const measured = new Map();
  const wrong = [];
  for (const { label, type, code, architecture } of kernels) {
    const title = `${label}, ${type}`;
    const ways = Object.keys(known.kernels).filter((name) => name === title || name.startsWith(`${title}, `));
    for (const name of ways.length === 0 ? [title] : ways) {
      try {
        const values = budgets.measure(code, architecture, known.kernels[name]);
        if (values !== undefined) measured.set(name, budgets.largest(values, measured.get(name) ?? {}));
      } catch (error) {
        wrong.push(`${name}: ${error.message}`);
      }
    }
  }
  const tight = { ...known, kernels: budgets.lowered(known.kernels, measured) };
  const found = Object.fromEntries([...measured].map(([name, values]) => [name, { limits: values }]));
  console.log(alignedTable(budgets.rowsOf(found)));
  if (known.architecture !== options.arch || known.compiler !== version) {
    console.log(
      `budgets are those of ${known.architecture} and nvcc ${known.compiler}: these are not compared`,
    );
    return [];
  }
  for (const gain of budgets.gains(known.kernels, measured)) console.log(gain);
  if (options.write) {
    budgets.writeBudgets(tight);
    writeTable('budgets', said, budgets.rowsOf(tight.kernels), 1);
  }
  return [...wrong, ...budgets.complaints(options.write ? tight.kernels : known.kernels, measured)];
}

/** Threads and shared memory of every kernel, from its launches on the emulator. */
function launchesByKernel() {
  const path = join(scratch, 'launches');
  configure('emulator');
  build('emulator');
  process.env.HEED_KERNEL_LAUNCHES = path;
  run(join(folderOf('emulator'), 'heed_emulator_tests'), ['--test-case=every kernel fits*']);
  if (!existsSync(path)) fail('no test case of the emulator has written how kernels are launched');
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  return new Map(
    lines.map((line) => {
      const [threads, shared, name] = line.split('\t');
      return [name, { threads: Number(threads), shared: Number(shared) }];
    }),
  );
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
