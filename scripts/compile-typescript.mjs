// Compiles TypeScript if a source has changed, and copies the other files of the package next to it. npm runs
// this as `prepare`: before it packs, after it installs a checkout, and when heed is installed from git.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);

function modified(file) {
  return statSync(join(root, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function sources() {
  const folders = ['lib', 'test', 'examples', 'bench'].filter((folder) => existsSync(join(root, folder)));
  const files = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true })
      // Benchmark results are not sources, and change with every run.
      .filter((file) => /\.(ts|mts|json)$/.test(file) && !/node_modules|^results[/\\]/.test(file))
      .map((file) => `${folder}/${file}`),
  );
  return ['package.json', 'tsconfig.json', 'binding.gyp', ...files.sort()];
}

/** Ends this process if it fails, and with it what scripts/setup.mjs runs beside it. */
async function run(what, args) {
  console.error(`heed: ${what} …`);
  const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit' });
  const why = await new Promise((resolve) => {
    child.on('error', ({ message }) => resolve(`: ${message}`));
    child.on('close', (status) => resolve(status === 0 ? undefined : ''));
  });
  if (why === undefined) return;
  console.error(`heed: ${what} has failed${why}`);
  process.exit(1);
}

function compiler() {
  try {
    return require.resolve('typescript/bin/tsc');
  } catch {
    console.error(
      'heed: Expected TypeScript to compile heed with, found none: npm ci --include=dev installs it',
    );
    process.exit(1);
  }
}

/** Makes one script of the modules of pages, which browsers run, and compiles the one with which tests look at a page. */
async function bundlePage() {
  const { build } = await import('esbuild');
  const settings = {
    absWorkingDir: root,
    outdir: 'dist',
    target: 'es2022',
    charset: 'utf8',
    logLevel: 'warning',
  };
  const entryPoints = (file, out) => [{ in: file, out }];
  await build({
    ...settings,
    entryPoints: entryPoints('lib/demo/page/browser/main.ts', 'lib/demo/page/browser'),
    bundle: true,
    format: 'iife',
  });
  const look = 'test/demo/in-page/look';
  if (existsSync(join(root, `${look}.ts`)))
    await build({ ...settings, entryPoints: entryPoints(`${look}.ts`, look) });
}

/** Records the last compilation: every source with its time, so that changes and deletions are detected. */
const stampFile = join(root, 'dist', '.setup.json');
const files = sources();
const hash = createHash('sha256');
for (const file of files) hash.update(`${file} ${modified(file)}\n`);
const stamp = { hash: hash.digest('hex'), files };
const last = existsSync(stampFile) ? JSON.parse(readFileSync(stampFile, 'utf8')) : { hash: '', files: [] };
if (last.hash !== stamp.hash) {
  const tsc = compiler();
  // Otherwise the output of a deleted source would remain and be run.
  const present = new Set(files);
  if (!last.files.every((file) => present.has(file))) rmSync(join(root, 'dist'), { recursive: true });
  await run('compiling TypeScript', [tsc]);
  await run('checking the script of pages', [tsc, '-p', 'lib/demo/page/browser']);
  await bundlePage();
  // In the package's root, package managers would treat it as a request to build.
  copyFileSync(join(root, 'binding.gyp'), join(root, 'dist', 'binding.gyp'));
  writeFileSync(stampFile, JSON.stringify(stamp));
}
