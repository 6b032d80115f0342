/**
 * Makes the packages of a release from a clean tree, and checks them: heed itself, which lists the others as
 * optional dependencies, and `heed-linux-x64` and `heed-linux-x64-cuda`, which contain only a compiled addon.
 *
 *   node scripts/pack-prebuilt.mjs              all packages; the GPU kernels take some minutes and need nvcc
 *   node scripts/pack-prebuilt.mjs --cpu        without the package for GPUs
 *   node scripts/pack-prebuilt.mjs --out DIR    writes the tarballs to DIR instead of build/packages
 *
 * package.json in the repository does not list them: `npm ci` would request packages that are not published
 * yet.
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { buildAddon, checkAddon } from './package/addon.mjs';
import { freshCheckout } from './package/checkout.mjs';
import { nameOptional, packAddon, packHeed, variants } from './package/prebuilt.mjs';
import { checkPrebuilt } from './package/prebuilt-installed.mjs';
import { root } from './package/run.mjs';

const { values: options } = parseArgs({
  options: { cpu: { type: 'boolean', default: false }, out: { type: 'string', default: 'build/packages' } },
});
if (process.platform !== 'linux' || process.arch !== 'x64')
  throw new Error(`Expected to run on linux x64, received ${process.platform} ${process.arch}`);

const made = variants.filter((variant) => !(options.cpu && variant.cuda));
const out = resolve(root, options.out);
const work = mkdtempSync(join(tmpdir(), 'heed-release-'));
try {
  const checkout = freshCheckout(work);
  const tarballs = {};
  for (const variant of made) {
    const addon = buildAddon(checkout, variant, join(checkout, 'build', variant.name));
    checkAddon(addon, variant);
    tarballs[variant.name] = packAddon(checkout, variant, addon, work);
  }
  nameOptional(checkout, made);
  tarballs.heed = packHeed(checkout, work);
  checkPrebuilt(tarballs, made, work);
  mkdirSync(out, { recursive: true });
  for (const tarball of Object.values(tarballs)) cpSync(tarball, join(out, tarball.split('/').pop()));
  console.log(`\n${Object.keys(tarballs).join(', ')} are in order, and in ${out}`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
