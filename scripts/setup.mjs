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

/**
 * Runs what builds the addon from a copy that esbuild makes in a moment, without checking types: so the compiler of
 * TypeScript may take its time beside it, and writes into another folder.
 */
async function buildAddon(report) {
  const { build: transpile } = await import('esbuild');
  await transpile({
    absWorkingDir: root,
    entryPoints: ['lib/**/*.ts'],
    outdir: 'build/setup/lib',
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    logLevel: 'warning',
  });
  const { build } = require(join(root, 'build/setup/lib/cli/build.js'));
  process.exitCode = await build({ silentIfReady: !report, forThisMachine: !report }, root);
}

installPackages();
await Promise.all([buildAddon(process.argv.includes('--report')), import('./compile-typescript.mjs')]);
