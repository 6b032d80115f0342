// Prepares the benchmark after scripts/setup.mjs has prepared heed: installs the peers and builds the tools
// that measure the machine.
import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import './install-peers.mjs';

const folder = dirname(fileURLToPath(import.meta.url));
const root = dirname(folder);

function run(what, command, args, cwd) {
  console.error(`heed: ${what} …`);
  const { status, error } = spawnSync(command, args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
  if (status === 0) return true;
  console.error(`heed: ${what} has failed${error ? `: ${error.message}` : ''}`);
  return false;
}

/** The tools need CMake. Without them the benchmark still runs, but does not measure the machine's limit. */
function buildTools() {
  const configured = run('looking for OpenBLAS', 'cmake', ['--preset', 'bench'], root);
  if (configured) {
    run('building the tools that measure the machine', 'cmake', ['--build', '--preset', 'bench'], root);
  }
}

buildTools();
