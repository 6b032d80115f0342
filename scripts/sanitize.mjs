// Builds the native code with sanitizers and runs tests on it: the native tests under ThreadSanitizer; the
// native tests under AddressSanitizer and UndefinedBehaviorSanitizer, which then also check the addon while
// JavaScript uses it. `node scripts/sanitize.mjs thread` or `… address` runs only one of the two.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build, configure, folderOf, root } from './cmake.mjs';

const mocha = join(root, 'node_modules', 'mocha', 'bin', 'mocha.js');

// The tests that cross between JavaScript and the addon, except tests that measure memory, of which
// sanitizers use much, and tests that require an allocation to fail, at which sanitizers end the process.
const scripts = [
  'dist/test/backends/native/abort.test.js',
  'dist/test/backends/native/exit.test.js',
  'dist/test/backends/native/transfer.test.js',
  'dist/test/backends/native/workers.test.js',
  'dist/test/fuzz/arguments.test.js',
  'dist/test/fuzz/memory.test.js',
  'dist/test/properties/native-reference.test.js',
];

function fail(message) {
  console.error(`sanitize: ${message}`);
  process.exit(1);
}

function run(command, args, options = {}) {
  const { env = {}, ...others } = options;
  const { status, signal, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
    ...others,
  });
  if (error) fail(`${command} cannot be run: ${error.message}`);
  if (status !== 0) fail(`${command} ${args[0] ?? ''} ended with ${signal ?? status}`);
}

/** The shared library of a sanitizer's run time. */
function library(name) {
  const { stdout } = spawnSync('g++', [`-print-file-name=lib${name}.so`], { encoding: 'utf8' });
  return stdout.trim();
}

function built(preset) {
  configure(preset);
  build(preset);
  return folderOf(preset);
}

/** A separate package with the sanitized addon; its dependencies are found in parent folders. */
function packageAround(folder) {
  const copy = join(folder, 'package');
  rmSync(copy, { recursive: true, force: true });
  mkdirSync(join(copy, 'build', 'Release'), { recursive: true });
  for (const part of ['package.json', '.mocharc.json', 'dist', 'test', 'examples']) {
    cpSync(join(root, part), join(copy, part), { recursive: true });
  }
  cpSync(join(folder, 'heed.node'), join(copy, 'build', 'Release', 'heed.node'));
  return copy;
}

function thread() {
  const folder = built('sanitize-thread');
  const env = { TSAN_OPTIONS: 'halt_on_error=1', HEED_TEST_PROBLEMS: '10' };
  run(join(folder, 'heed_native_tests'), [], { env });
}

function address() {
  const folder = built('sanitize-address');
  const env = { UBSAN_OPTIONS: 'print_stacktrace=1', HEED_TEST_PROBLEMS: '40' };
  run(join(folder, 'heed_native_tests'), [], { env });
  // Node and V8 keep memory until the process ends, so only the addon's own leaks would be of interest.
  const preloaded = { LD_PRELOAD: `${library('asan')}:${library('ubsan')}`, ASAN_OPTIONS: 'detect_leaks=0' };
  const fewer = { HEED_FUZZ_CALLS: '2000', HEED_TEST_SANITIZED: '1' };
  run(process.execPath, [mocha, '--timeout', '300000', ...scripts], {
    cwd: packageAround(folder),
    env: { ...env, ...preloaded, ...fewer },
  });
}

const parts = { thread, address };
const chosen = process.argv.slice(2);
for (const name of chosen) if (!(name in parts)) fail(`expected thread or address, received ${name}`);
for (const [name, part] of Object.entries(parts)) if (chosen.length === 0 || chosen.includes(name)) part();
