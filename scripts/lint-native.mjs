/**
 * Runs clang-format over every C++ and CUDA file, and clang-tidy over every translation unit with CMake's
 * compiler flags; CUDA sources as compiled for the emulator. `--write` formats in place instead and omits
 * clang-tidy.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { configure, folderOf, root } from './cmake.mjs';

const folder = folderOf('tidy');
const write = process.argv.includes('--write');

const files = ['native', 'test/native', 'test/emulator', 'bench/native', 'bench/gpu']
  .flatMap((folder) => readdirSync(join(root, folder), { recursive: true }).map((name) => join(folder, name)))
  .filter((name) => /\.(cc|cuh?|h)$/.test(name));

run('clang-format', write ? ['-i', ...files] : ['--dry-run', '--Werror', ...files]);
console.log(`clang-format: ${files.length} files ${write ? 'written' : 'checked'}`);
if (!write) tidy();

function tidy() {
  // clang-tidy checks CUDA sources as compiled for the emulator: the preset names no CUDA compiler.
  configure('tidy');
  const commands = JSON.parse(readFileSync(join(folder, 'compile_commands.json'), 'utf8'));
  // The kernels differ by instruction set; what else has several commands is only linked several times.
  const different = [...new Map(commands.map((each) => [subjectOf(each), each])).values()];
  const parts = partsOf(different);
  const database = join(folder, 'parts');
  rmSync(database, { recursive: true, force: true });
  mkdirSync(database);
  writeFileSync(join(database, 'compile_commands.json'), JSON.stringify(parts.map(writePart)));
  // xargs runs several processes, because clang-tidy checks its files one after the other.
  const tidyOne = [findTidy(), '--quiet', '-p', database];
  run('xargs', ['-P', String(availableParallelism()), '-n', '1', ...tidyOne], {
    input: parts.map(({ unit }) => unit).join('\n'),
    stdio: ['pipe', 'inherit', 'inherit'],
  });
  console.log(`clang-tidy: ${different.length} translation units checked, in ${parts.length} parts`);

  /** A unit includes the sources of its part: their findings are those of its headers. */
  function writePart({ unit, directory, command, files }) {
    writeFileSync(unit, files.map((file) => `#include "${file}"\n`).join(''));
    return { directory, command: `${command} -c ${unit}`, file: unit };
  }
}

/**
 * The sources that one target compiles with the same flags; CUDA sources alone, as kernels may have templates of
 * the same name. clang-tidy takes two seconds for the headers of the C++ library, and a tenth of that for most
 * sources.
 */
function partsOf(commands) {
  const parts = new Map();
  for (const { directory, command, file } of commands) {
    const [, flags, target] = /^(.*) -o (\S+\.dir)\/\S+ -c \S+$/.exec(command);
    const key = `${flags} ${target} ${file.endsWith('.cu') ? file : ''}`;
    const unit = join(folder, 'parts', `${parts.size}-${basename(target, '.dir')}.cc`);
    if (!parts.has(key)) parts.set(key, { unit, directory, command: flags, files: [] });
    parts.get(key).files.push(file);
  }
  // The longest first: the last ones are to end together.
  return [...parts.values()].sort((one, other) => other.files.length - one.files.length);
}

/** Debian 12's own is version 14, which takes twice as long and does not know _Float16. */
function findTidy() {
  const names = ['clang-tidy-22', 'clang-tidy'];
  return names.find((name) => spawnSync(name, ['--version']).error === undefined) ?? names[0];
}

function subjectOf({ file, command }) {
  return `${file} ${command.match(/-DHEED_ISA=\w+/) ?? ''}`;
}

function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    ...options,
  });
  if (error !== undefined)
    fail(`${command} cannot be run (${error.code}): apt-get install clang-format clang-tidy-22`);
  if (status !== 0) fail(`${command} found something, see above`);
}

function fail(message) {
  console.error(`lint-native: ${message}`);
  process.exit(1);
}
