// Builds the CUDA kernels for the emulator and runs their tests on machines without a GPU or a CUDA toolkit:
// one process per test case, as many at once as there are cores. Arguments go to doctest:
//
//   node scripts/emulate.mjs --test-case='cast*'
//
// Every launch of a kernel has its own schedule, and a fault fails its test case: so the number of launches
// says how often correct kernels ran without a finding.
import { spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { build, configure, folderOf } from './cmake.mjs';

const program = join(folderOf('emulator'), 'heed_emulator_tests');
const filters = process.argv.slice(2);
const workers = availableParallelism();
const fewestLaunches = 10_000;

function fail(message) {
  console.error(`emulate: ${message}`);
  process.exit(1);
}

function countTestCases() {
  const { stdout } = spawnSync(program, [...filters, '--count'], { encoding: 'utf8' });
  const count = Number(/current filters: (\d+)/.exec(stdout)?.[1] ?? 0);
  if (count === 0) fail('no test case passes the filters');
  return count;
}

/** Runs the test case with this number and resolves to its output. */
function runTestCase(number, seed) {
  return new Promise((resolve) => {
    const range = [`--first=${number}`, `--last=${number}`, '--duration=true', '--no-intro=true'];
    const child = spawn(program, [...filters, ...range], { env: { ...process.env, HEED_TEST_SEED: seed } });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output += text;
      });
    }
    child.on('close', (status, signal) => resolve({ passed: status === 0, output, signal }));
  });
}

async function runAll() {
  const count = countTestCases();
  const seed = process.env.HEED_TEST_SEED ?? String(randomInt(2 ** 32));
  console.log(`seed ${seed} (HEED_TEST_SEED repeats it), ${count} test cases`);
  let begun = 0;
  let ended = 0;
  let assertions = 0;
  let launches = 0;
  const failed = [];
  const work = async () => {
    while (begun < count) {
      begun += 1;
      const { passed, output, signal } = await runTestCase(begun, seed);
      ended += 1;
      const [, seconds, name] = /^([\d.]+) s: (.*)$/m.exec(output) ?? [null, '?', `ended by ${signal}`];
      assertions += Number(/assertions:\s*(\d+)/.exec(output)?.[1] ?? 0);
      launches += Number(/launches of heed's kernels: (\d+)/.exec(output)?.[1] ?? 0);
      const time = Number.isNaN(Number(seconds)) ? '' : ` (${Number(seconds).toFixed(1)} s)`;
      console.log(`${passed ? '✔' : '✘'} ${ended}/${count} ${name}${time}`);
      if (!passed) failed.push(output);
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
  for (const output of failed) console.log(output);
  console.log(`${count - failed.length} of ${count} test cases passed, ${assertions} assertions`);
  console.log(`${launches} launches of heed's kernels, each on a schedule of its own`);
  if (failed.length > 0) fail(`${failed.length} test cases failed (HEED_TEST_SEED=${seed})`);
  const all = filters.length === 0 && process.env.HEED_TEST_PROBLEMS === undefined;
  if (all && launches < fewestLaunches)
    fail(`Expected at least ${fewestLaunches} launches, received ${launches}`);
}

/** Compiles the CUDA bodies if there is nvcc, and compares them if there is a GPU. */
function runOnGpu() {
  const onGpu = join(folderOf('emulator'), 'heed_wrappers_on_gpu');
  if (!existsSync(onGpu)) {
    console.log('there is no CUDA compiler: only the emulator was built');
    return;
  }
  const { status, signal } = spawnSync(onGpu, [], { stdio: ['ignore', 'inherit', 'inherit'] });
  // 77: there is no GPU, as the program has said.
  if (status !== 0 && status !== 77) fail(`${onGpu} ended with ${signal ?? status}`);
}

configure('emulator');
build('emulator');
await runAll();
runOnGpu();
