import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { addonPackages, loadAddon, prebuiltAddons } from '../../../lib/backends/native/load.js';
import { nativeStatus } from '../../../lib/backends/native/native.js';
import { packageRoot, version } from '../../../lib/package-root.js';
import { compile } from '../../cli/addon/fixtures.js';
import { temporaryDirectory } from '../../support/temporary-directory.js';

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

  /** Like an optional dependency installed by npm: next to heed. */
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
    assert.match(tried[0], /heed\.node: not found$/);
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

  it('knows its version, which a bundle has no package.json for', () => {
    const manifest = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'));
    assert.equal(version, manifest.version);
  });

  describe('that HEED_ADDON names', () => {
    const index = JSON.stringify(join(packageRoot, 'dist/lib/index.js'));

    function run(script: string, env: Record<string, string>) {
      const { HEED_BACKEND, ...inherited } = process.env;
      const program = `
        const { attentionSync, devices, Tensor } = require(${index});
        const tensor = Tensor.zeros('float32', [1, 1, 2, 4]);
        try { ${script} } catch (error) { console.log(error.code, error.message); }
      `;
      const { stdout, stderr } = spawnSync(process.execPath, ['-e', program], {
        env: { ...inherited, ...env },
        encoding: 'utf8',
      });
      return { stdout, stderr };
    }

    const attend = 'console.log(attentionSync(tensor, tensor, tensor).size);';

    it('is loaded, and no other', () => {
      const file = place(at('named/addon.bin'));
      const { stdout, stderr } = run(attend, { HEED_ADDON: file, HEED_DEBUG: '1' });
      assert.equal(stdout, '8\n');
      assert.ok(stderr.includes(`loaded ${file}`), stderr);
    });

    for (const [what, content, reason] of [
      ['is not there', undefined, /which HEED_ADDON names, does not exist/],
      ['does not load', 'not an addon', /file too short|invalid ELF header|not a mach-o/i],
    ] as const) {
      it(`fails the operation where it ${what}`, () => {
        const file = at(`named/${what}.node`);
        if (content !== undefined) place(file, content);
        const { stdout, stderr } = run(attend, { HEED_ADDON: file });
        assert.match(stdout, /^HEED_NO_NATIVE Expected the cpu backend to be available/);
        assert.match(stdout, reason);
        assert.ok(stdout.includes(`tried ${file}: `) && stdout.includes('unset HEED_ADDON'), stdout);
        assert.doesNotMatch(stdout, /heed build|not installed/);
        assert.equal(stderr, '');
      });
    }

    it('fails the operation where it is the addon of another package', () => {
      const file = at('named/other.node');
      mkdirSync(dirname(file), { recursive: true });
      compile(file, '#include <node_api.h>\nNAPI_MODULE_INIT() { return exports; }');
      const { stdout } = run(attend, { HEED_ADDON: file });
      assert.match(stdout, /^HEED_NO_NATIVE .*it is the addon of another package\n/);
    });

    it('is not asked for by the reference', () => {
      const env = { HEED_ADDON: at('named/nothing.node'), HEED_BACKEND: 'reference' };
      assert.deepEqual(run(attend, env), { stdout: '8\n', stderr: '' });
    });
  });
});
