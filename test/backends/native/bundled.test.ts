/**
 * Tests heed's code without heed's files, as a bundler leaves it; scripts/check-bundles.mjs uses real
 * bundlers.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nativeStatus } from '../../../lib/backends/native/native.js';
import { packageRoot, version } from '../../../lib/package-root.js';
import { temporaryDirectory } from '../../support/temporary-directory.js';

const attend = `
  const { attentionSync, devices, Tensor } = require('./heed/index.js');
  const tensor = Tensor.zeros('float32', [1, 1, 2, 4]);
  try {
    attentionSync(tensor, tensor, tensor);
    console.log(devices().find((device) => device.preferred).backend);
  } catch (error) {
    console.log(error.code, error.message);
  }
`;

const native = { stdout: 'cpu\n', stderr: '' };

describe('heed in a bundle', () => {
  const at = temporaryDirectory();
  let count = 0;
  let folder: string;
  let addon: string;

  /** The code of heed in a project of another name, with only its dependencies. */
  beforeEach(() => {
    addon = nativeStatus().path as string;
    folder = at(`project-${count++}`);
    cpSync(join(packageRoot, 'dist', 'lib'), join(folder, 'server', 'heed'), { recursive: true });
    mkdirSync(join(folder, 'node_modules'));
    symlinkSync(
      join(packageRoot, 'node_modules', 'bindings'),
      join(folder, 'node_modules', 'bindings'),
      'dir',
    );
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'project', version }));
    writeFileSync(join(folder, 'server', 'program.cjs'), attend);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function run(env: Record<string, string> = {}, cwd = folder, program = join(folder, 'server/program.cjs')) {
    const { HEED_BACKEND, HEED_ADDON, ...inherited } = process.env;
    const { stdout, stderr } = spawnSync(process.execPath, [program], {
      cwd,
      env: { ...inherited, ...env },
      encoding: 'utf8',
    });
    return { stdout, stderr };
  }

  function put(file: string): string {
    mkdirSync(join(file, '..'), { recursive: true });
    copyFileSync(addon, file);
    return file;
  }

  /** heed with an addon, as npm installs it in a project. */
  function install(where: string, its = version, built = true): string {
    const root = join(where, 'node_modules', 'heed');
    mkdirSync(root, { recursive: true });
    writeFileSync(join(root, 'package.json'), JSON.stringify({ name: 'heed', version: its }));
    if (built) put(join(root, 'build', 'Release', 'heed.node'));
    return root;
  }

  it('fails at once where its addon was left behind, and says what to write', () => {
    const { stdout, stderr } = run();
    assert.match(stdout, /^HEED_NO_NATIVE .*heed was bundled, and its addon was left behind\n/);
    for (const what of ['--external:heed', 'serverExternalPackages', 'HEED_ADDON', 'HEED_BACKEND=reference'])
      assert.ok(stdout.includes(what), stdout);
    assert.doesNotMatch(stdout, /not built|heed build/);
    assert.equal(stderr, '');
  });

  it('runs on the reference where that is asked for', () => {
    assert.deepEqual(run({ HEED_BACKEND: 'reference' }), { stdout: 'reference\n', stderr: '' });
  });

  it('takes the addon that HEED_ADDON names, whatever the file is called', () => {
    const file = put(join(folder, 'assets', 'addon'));
    assert.deepEqual(run({ HEED_ADDON: file }), native);
    assert.deepEqual(run({ HEED_ADDON: 'assets/addon' }), native);
  });

  it('takes the addon of the heed that is installed where the bundle is', () => {
    install(folder);
    assert.deepEqual(run({}, at('.')), native);
  });

  it('takes the addon of the heed that is installed where the program is', () => {
    const host = at(`host-${count}`);
    install(host);
    const program = join(host, 'main.cjs');
    writeFileSync(program, `require(${JSON.stringify(join(folder, 'server/program.cjs'))})`);
    assert.deepEqual(run({}, at('.'), program), native);
  });

  it('falls back to the reference, and says so, where heed is installed and not built', () => {
    install(folder, version, false);
    const { stdout, stderr } = run();
    assert.equal(stdout, 'reference\n');
    assert.match(stderr, /it is not built/);
    assert.match(stderr, /npx heed build/);
  });

  it('leaves the addon of another version alone', () => {
    const root = install(folder, '0.0.1');
    const { stdout } = run();
    assert.match(stdout, /^HEED_NO_NATIVE /);
    const complaint = `${root}: its version is 0.0.1, that of heed in the bundle is ${version}`;
    assert.ok(stdout.includes(complaint), stdout);
  });

  it('looks for nothing in the working directory', () => {
    const elsewhere = at(`elsewhere-${count}`);
    install(elsewhere);
    assert.match(run({}, elsewhere).stdout, /^HEED_NO_NATIVE /);
  });

  it('takes nothing that lies where heed would have built an addon, had it not been moved', () => {
    put(join(folder, 'build', 'Release', 'heed.node'));
    assert.match(run().stdout, /^HEED_NO_NATIVE .*left behind/);
  });
});
