/**
 * clang-format over every C++ file, and clang-tidy over every translation unit, with the flags that CMake
 * compiles it with. `--write` formats in place instead, and leaves clang-tidy out.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const compileCommands = join(root, 'build', 'compile_commands.json');
const write = process.argv.includes('--write');

const files = ['native', 'test/native']
  .flatMap((folder) => readdirSync(join(root, folder), { recursive: true }).map((name) => join(folder, name)))
  .filter((name) => /\.(cc|h)$/.test(name));

run('clang-format', write ? ['-i', ...files] : ['--dry-run', '--Werror', ...files]);
console.log(`clang-format: ${files.length} files ${write ? 'written' : 'checked'}`);
if (!write) tidy();

function tidy() {
  if (!existsSync(compileCommands)) fail('build/compile_commands.json is not there: run `npm run build`');
  const units = JSON.parse(readFileSync(compileCommands, 'utf8'))
    .map((command) => command.file)
    .filter((file) => files.some((name) => file === join(root, name)));
  if (units.length === 0) fail('build/compile_commands.json names none of the sources');
  // xargs, because clang-tidy takes its files one after the other.
  run('xargs', ['-P', String(availableParallelism()), '-n', '1', 'clang-tidy', '--quiet', '-p', 'build'], {
    input: units.join('\n'),
  });
  console.log(`clang-tidy: ${units.length} translation units checked`);
}

function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'inherit', 'inherit'],
    ...options,
  });
  if (error !== undefined)
    fail(`${command} cannot be run (${error.code}): apt-get install clang-format clang-tidy`);
  if (status !== 0) fail(`${command} found something, see above`);
}

function fail(message) {
  console.error(`lint-native: ${message}`);
  process.exit(1);
}
