// Makes a checkout ready to run: packages, TypeScript, the native addon. Does only what is needed, and says nothing
// when nothing is. With --report it always says what has become of the native addon.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);

function run(what, command, args) {
  console.error(`heed: ${what} …`);
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (status === 0) return;
  console.error(`heed: ${what} has failed${error ? `: ${error.message}` : ''}`);
  process.exit(1);
}

function modified(file) {
  return statSync(join(root, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** npm writes the list of what it has installed last. */
function installPackages() {
  if (modified('node_modules/.package-lock.json') >= modified('package-lock.json')) return;
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  run('installing the packages that heed is built with', npm, ['ci', '--no-audit', '--no-fund']);
}

function sources() {
  const folders = ['lib', 'test', 'examples', 'bench'].filter((folder) => existsSync(join(root, folder)));
  const files = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true })
      // What a benchmark has found is no source, and new every time.
      .filter((file) => /\.(ts|mts|json)$/.test(file) && !/node_modules|^results[/\\]/.test(file))
      .map((file) => `${folder}/${file}`),
  );
  return ['package.json', 'tsconfig.json', ...files.sort()];
}

/** What was compiled last: every source with its time, to see changes as well as what is gone. */
function compileTypeScript() {
  const stampFile = join(root, 'dist', '.setup.json');
  const files = sources();
  const hash = createHash('sha256');
  for (const file of files) hash.update(`${file} ${modified(file)}\n`);
  const stamp = { hash: hash.digest('hex'), files };
  const last = existsSync(stampFile) ? JSON.parse(readFileSync(stampFile, 'utf8')) : { hash: '', files: [] };
  if (last.hash === stamp.hash) return;
  // The output of a source that is gone would stay, and be run, for ever.
  const present = new Set(files);
  if (!last.files.every((file) => present.has(file))) rmSync(join(root, 'dist'), { recursive: true });
  const tsc = require.resolve('typescript/bin/tsc');
  run('compiling TypeScript', process.execPath, [tsc]);
  run('compiling the script of pages', process.execPath, [tsc, '-p', 'lib/cli/page/browser']);
  writeFileSync(stampFile, JSON.stringify(stamp));
}

async function buildAddon(report) {
  const { build } = require(join(root, 'dist/lib/cli/build.js'));
  process.exitCode = await build({ silentIfReady: !report });
}

installPackages();
compileTypeScript();
await buildAddon(process.argv.includes('--report'));
