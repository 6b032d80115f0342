// Installs the packages that heed is measured against and compared with, unless they are installed already.
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = dirname(fileURLToPath(import.meta.url));

function modified(file) {
  return statSync(join(folder, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

// npm writes its list of installed packages last.
if (modified('node_modules/.package-lock.json') < modified('package-lock.json')) {
  console.error('heed: installing the packages that heed is measured against …');
  // The install script of onnxruntime-node would download files that only GPUs need.
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund'];
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const { status, error } = spawnSync(npm, args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) {
    console.error(`heed: installing them failed${error ? `: ${error.message}` : ''}`);
    process.exit(1);
  }
}
