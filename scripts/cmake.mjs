/** CMake builds of the scripts: the presets of CMakePresets.json, by name. */
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** The build folder of a configure preset. */
export const folderOf = (preset) => join(root, 'build', preset);

/** Ends the script if CMake fails; shows CMake's output. */
export function configure(preset) {
  cmake(['--preset', preset]);
}

export function build(preset) {
  cmake(['--build', '--preset', preset, '--parallel', String(availableParallelism())]);
}

function cmake(args) {
  const { status, signal, error } = spawnSync('cmake', args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status === 0) return;
  console.error(`cmake ${args.join(' ')} has failed: ${error?.message ?? signal ?? `status ${status}`}`);
  process.exit(1);
}
