// Prepares a checkout: packages, TypeScript, the native addon. Does only what is needed, and prints nothing
// otherwise. The addon is then built for this machine only. With --report it is built completely, and the
// result is always reported.
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);

function modified(file) {
  return statSync(join(root, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** npm writes its list of installed packages last. */
function installPackages() {
  if (modified('node_modules/.package-lock.json') >= modified('package-lock.json')) return;
  console.error('heed: installing the packages that heed is built with …');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  // npm would run `prepare` afterwards; it is the next step here, where its output is visible.
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund'];
  const { status, error } = spawnSync(npm, args, { cwd: root, stdio: 'inherit' });
  if (status === 0) return;
  console.error(`heed: installing them failed${error ? `: ${error.message}` : ''}`);
  process.exit(1);
}

async function buildAddon(report) {
  const { build } = require(join(root, 'dist/lib/cli/build.js'));
  process.exitCode = await build({ silentIfReady: !report, forThisMachine: !report });
}

installPackages();
await import('./compile-typescript.mjs');
await buildAddon(process.argv.includes('--report'));
