/**
 * Checks the package as users install it: packs it, checks its contents with publint and are-the-types-wrong,
 * installs the tarball into empty projects with every package manager, and uses it there, first without the
 * native backend, then with it. Needs a compiler and the npm registry; takes a few minutes.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freshCheckout } from './package/checkout.mjs';
import { checkContents } from './package/contents.mjs';
import { checkInstalled } from './package/installed.mjs';
import { checkManagers } from './package/managers.mjs';
import { output, run } from './package/run.mjs';
import { installTools } from './package/tools.mjs';

// Users do not have the variables that CI sets.
delete process.env.HEED_REQUIRE_NATIVE;

const work = mkdtempSync(join(tmpdir(), 'heed-package-'));
// Other users must be able to run the installed files, too.
chmodSync(work, 0o755);
try {
  const packArguments = ['pack', '--json', '--foreground-scripts=false', '--pack-destination', work];
  const [packed] = JSON.parse(output('npm', packArguments, { cwd: freshCheckout(work) }));
  const tarball = join(work, packed.filename);
  checkContents(packed, tarball, work);
  run('npx', ['--no-install', 'publint', 'run', '--strict', tarball]);
  run('npx', ['--no-install', 'attw', tarball]);
  const tools = installTools(work);
  checkManagers(tarball, tools, work);
  checkInstalled(tarball, tools, work);
  console.log(`\n${packed.filename} is in order`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
