// Builds build/emulated/heed.node: the whole addon, with emulated GPUs. Tests use it with HEED_BACKEND=cuda-emulator.
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = join('build', 'emulator');

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  if (status === 0) return;
  console.error(`build-emulated: ${command} has failed${error ? `: ${error.message}` : ''}`);
  process.exit(1);
}

run('cmake', [
  '-S',
  '.',
  '-B',
  folder,
  '-DCMAKE_BUILD_TYPE=Release',
  '-DHEED_EMULATED_ADDON=ON',
  '-DHEED_WERROR=ON',
]);
run('cmake', [
  '--build',
  folder,
  '--parallel',
  String(availableParallelism()),
  '--target',
  'heed_emulated_addon',
]);
