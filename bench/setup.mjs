// Makes the benchmark ready, once scripts/setup.mjs has made heed so: the peers, and the tools that measure the machine.
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = dirname(fileURLToPath(import.meta.url));
const root = dirname(folder);
const tools = join(root, '.cache', 'bench');

function run(what, command, args, cwd) {
  console.error(`heed: ${what} …`);
  const { status, error } = spawnSync(command, args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
  if (status === 0) return true;
  console.error(`heed: ${what} has failed${error ? `: ${error.message}` : ''}`);
  return false;
}

function modified(file) {
  return statSync(join(folder, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** npm writes the list of what it has installed last. */
function installPeers() {
  if (modified('node_modules/.package-lock.json') >= modified('package-lock.json')) return;
  // The install script of onnxruntime-node would download what only GPUs need.
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund'];
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  if (!run('installing the packages that heed is measured against', npm, args, folder)) process.exit(1);
}

/** Without them, which takes CMake, there is still a benchmark: it cannot tell how near to the machine's limit heed comes. */
function buildTools() {
  const configured = run(
    'looking for OpenBLAS',
    'cmake',
    ['-S', root, '-B', tools, '-DHEED_BENCH=ON', '-DCMAKE_BUILD_TYPE=Release'],
    root,
  );
  if (configured) {
    run(
      'building the tools that measure the machine',
      'cmake',
      ['--build', tools, '--target', 'bench_tools'],
      root,
    );
  }
}

installPeers();
buildTools();
