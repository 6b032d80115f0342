/** Bundles that contain heed, because it is not marked as external. */
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../package/run.mjs';
import { expectBackend, expectFailure } from './expect.mjs';

const files = {
  // All entry points of heed but heed/models, which imports packages that users install.
  'all.mjs': `
    import { attention, devices, Tensor } from 'heed';
    import { attentionSync } from 'heed/onnx';
    import { open } from 'heed/safetensors';
    import { Engine } from 'heed/serving';

    const x = new Tensor(new Float32Array(16).fill(1), [1, 1, 2, 8]);
    attention(x, x, x).then(async ({ data }) => {
      const { Y } = attentionSync({ Q: x, K: x, V: x });
      if (data[0] !== Y.data[0]) throw new Error('Expected heed and heed/onnx to agree');
      await open('nowhere').then(() => { throw new Error('Expected an error'); }, () => {});
      if (typeof Engine !== 'function') throw new Error('Expected heed/serving to have an engine');
      console.log(devices().find((device) => device.preferred).backend);
    });`,
  'webpack.all.cjs': `
    const path = __dirname + '/bundle';
    const common = { mode: 'production', target: 'node', entry: './all.mjs' };
    const configurations = [
      { ...common, output: { path, filename: 'webpack.cjs' } },
      { ...common, experiments: { outputModule: true }, output: { path, filename: 'webpack.mjs', module: true } },
    ];
    require('webpack')(configurations, (error, stats) => {
      if (error || stats.hasErrors() || stats.hasWarnings()) throw error ?? new Error(String(stats));
    });`,
  'rollup.all.mjs': `
    import commonjs from '@rollup/plugin-commonjs';
    import resolve from '@rollup/plugin-node-resolve';
    export default {
      input: 'all.mjs',
      plugins: [resolve(), commonjs()],
      output: [{ file: 'bundle/rollup.mjs', format: 'es' }, { file: 'bundle/rollup.cjs', format: 'cjs' }],
    };`,
  'vite.all.mjs': `
    export default { ssr: { noExternal: true }, build: { ssr: 'all.mjs', outDir: 'bundle/vite' } };`,
};

/** Two bundles, and the heed installed beside them. */
const copies = "import './bundle/esbuild.cjs';\nimport './bundle/rollup.mjs';\nimport './program.mjs';\n";

const banner =
  "--banner:js=import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";

const esbuild = (file, ...more) => [
  ...['node_modules/.bin/esbuild', 'all.mjs', '--bundle', '--platform=node', '--log-level=warning'],
  ...[`--outfile=${file}`, ...more],
];

const builds = [
  esbuild('bundle/esbuild.cjs'),
  esbuild('bundle/esbuild-minified.cjs', '--minify'),
  esbuild('bundle/esbuild-banner.mjs', '--format=esm', banner),
  esbuild('bundle/esbuild.mjs', '--format=esm'),
  ['node', 'webpack.all.cjs'],
  ['node_modules/.bin/rollup', '--config', 'rollup.all.mjs', '--silent'],
  ['node_modules/.bin/vite', 'build', '--config', 'vite.all.mjs', '--logLevel', 'error'],
  ['node_modules/.bin/ncc', 'build', 'all.mjs', '--quiet', '--out', 'bundle/ncc'],
];

/** The bundles that use the addon of an installed heed. */
const bundles = [
  'bundle/esbuild.cjs',
  'bundle/esbuild-minified.cjs',
  'bundle/esbuild-banner.mjs',
  'bundle/webpack.cjs',
  'bundle/webpack.mjs',
  'bundle/rollup.mjs',
  'bundle/rollup.cjs',
  'bundle/vite/all.mjs',
];

const whatToWrite = [
  'heed was bundled, and its addon was left behind',
  'esbuild --external:heed',
  'serverExternalPackages',
  'HEED_ADDON',
];

/** Copies a folder to a place where heed is not installed. */
function moveAway(project, work, folder) {
  const elsewhere = join(work, 'elsewhere');
  cpSync(join(project, folder), join(elsewhere, folder), { recursive: true });
  return elsewhere;
}

export function checkUnmarked(project, work) {
  mkdirSync(join(project, 'bundle'));
  for (const [file, content] of Object.entries(files)) writeFileSync(join(project, file), content);
  for (const [command, ...args] of builds) run(command, args, { cwd: project });

  const elsewhere = { cwd: moveAway(project, work, 'bundle') };
  const addon = join(project, 'node_modules', 'heed', 'build', 'Release', 'heed.node');
  const named = { ...elsewhere, env: { HEED_ADDON: addon } };
  for (const bundle of bundles) {
    expectBackend('cpu', `${bundle} beside heed`, `node ${bundle}`, { cwd: project });
    expectFailure(whatToWrite, `${bundle} alone`, `node ${bundle}`, elsewhere);
    expectBackend('cpu', `${bundle} with HEED_ADDON`, `node ${bundle}`, named);
  }
  writeFileSync(join(project, 'copies.mjs'), copies);
  expectBackend('cpu\ncpu\ncpu', 'copies in one process', 'node copies.mjs', { cwd: project });
  const slow = { ...elsewhere, env: { HEED_BACKEND: 'reference' } };
  expectBackend('reference', 'a bundle that is to be slow', 'node bundle/esbuild.cjs', slow);
  const noRequire = ['has no require', '--external:heed', '--banner:js='];
  expectFailure(noRequire, 'an ES module by esbuild', 'node bundle/esbuild.mjs', { cwd: project });
  expectBackend('cpu', 'ncc, with its copy of the addon', 'node bundle/ncc/index.mjs', elsewhere);
}

/** The addon is in a separate package. */
export function checkPrebuilt(project, work) {
  expectBackend('cpu', 'a bundle beside a prebuilt package', 'node bundle/esbuild.cjs', { cwd: project });
  rmSync(join(project, 'out', 'traced'), { recursive: true });
  run('node', ['trace.mjs'], { cwd: project });
  const elsewhere = { cwd: moveAway(project, work, 'out/traced') };
  expectBackend('cpu', 'nft, with a prebuilt package', 'node out/traced/program.mjs', elsewhere);
}
