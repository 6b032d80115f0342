// Makes the benchmark ready, once scripts/setup.mjs has made heed so: the peers, and the tools that measure the machine.
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

/** Without them, which takes CMake, there is still a benchmark: it cannot tell how near to the machine's limit heed comes. */
function buildTools() {
  const configured = run('looking for OpenBLAS', 'cmake', ['--preset', 'bench'], root);
  if (configured) {
    run('building the tools that measure the machine', 'cmake', ['--build', '--preset', 'bench'], root);
  }
}

buildTools();
