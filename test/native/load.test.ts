import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { addonPackages, loadAddon, prebuiltAddons } from '../../lib/native/load.js';
import { nativeStatus } from '../../lib/native.js';
import { packageRoot } from '../../lib/package-root.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'));
const [withCuda, withoutCuda] = addonPackages;

describe('loading the addon', () => {
  const at = temporaryDirectory();

  /** A file that is the addon, or has this content. */
  function place(path: string, content?: string): string {
    mkdirSync(dirname(path), { recursive: true });
    if (content !== undefined) writeFileSync(path, content);
    else copyFileSync(nativeStatus().path as string, path);
    return path;
  }

  function build(root: string, content?: string): string {
    return place(join(root, 'build', 'Release', 'heed.node'), content);
  }

  /** As npm installs an optional dependency: beside heed. */
  function install(root: string, name: string, content?: string, its = version): string {
    const folder = join(dirname(root), name);
    place(join(folder, 'package.json'), JSON.stringify({ name, version: its }));
    return place(join(folder, 'heed.node'), content);
  }

  function project(name: string): string {
    return join(at(name), 'node_modules', 'heed');
  }

  it('says where it looked when it is nowhere', () => {
    const { addon, tried, why } = loadAddon(project('nowhere'));
    assert.equal(addon, undefined);
    assert.equal(why, 'it is not built');
    assert.match(tried[0], /heed\.node: not there$/);
    assert.deepEqual(
      tried.slice(1),
      addonPackages.map((name) => `${name}: not installed`),
    );
  });

  it('takes what was built here before what was built elsewhere', () => {
    const root = project('both');
    install(root, withCuda);
    const built = build(root);
    assert.equal(loadAddon(root).path, built);
  });

  it('prefers the package with kernels for GPUs', () => {
    const root = project('packages');
    const paths = [install(root, withCuda), install(root, withoutCuda)];
    const { addon, path } = loadAddon(root);
    assert.equal(path, paths[0]);
    assert.ok(addon?.availableInstructionSets().includes('baseline'));
    assert.deepEqual(prebuiltAddons(root), paths);
  });

  it('takes the next one when one does not load, and says what was wrong with that', () => {
    const root = project('damaged');
    const built = build(root, 'not an addon');
    const damaged = install(root, withCuda, 'not an addon');
    const good = install(root, withoutCuda);
    const { path, tried } = loadAddon(root);
    assert.equal(path, good);
    assert.equal(tried.length, 2);
    for (const [i, where] of [built, damaged].entries()) {
      assert.ok(tried[i].startsWith(`${where}: `), tried[i]);
      assert.match(tried[i], /file too short|invalid ELF header|not a mach-o/i);
    }
  });

  it('leaves a package of another version alone', () => {
    const root = project('older');
    install(root, withCuda, undefined, '0.0.1');
    const { addon, tried } = loadAddon(root);
    assert.equal(addon, undefined);
    assert.equal(tried[1], `${withCuda}: its version is 0.0.1, that of heed is ${version}`);
    assert.deepEqual(prebuiltAddons(root), []);
  });

  it('says why when nothing loads', () => {
    const root = project('hopeless');
    build(root, 'not an addon');
    const { addon, tried, why } = loadAddon(root);
    assert.equal(addon, undefined);
    assert.ok(why && tried[0].endsWith(why));
  });
});
