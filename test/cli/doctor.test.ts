import assert from 'node:assert/strict';
import { cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { devices } from '../../lib/devices.js';
import { nativeStatus } from '../../lib/native.js';
import { packageRoot } from '../../lib/package-root.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { runHeed } from './run-heed.js';

describe('heed doctor', function () {
  this.timeout(60_000);
  const file = temporaryDirectory();

  it('tells what was found and chosen, and that all is well', () => {
    const { status, stdout } = runHeed(['doctor']);
    assert.equal(status, 0, stdout);
    assert.match(stdout, /All is well\./);
    for (const title of ['Machine', 'Environment', 'Native addon', 'CUDA', 'Build tools', 'Backend']) {
      assert.match(stdout, new RegExp(`^${title}$`, 'm'));
    }
    const { path, instructionSet, threads } = nativeStatus();
    assert.ok(stdout.includes(process.versions.node));
    assert.match(stdout, new RegExp(`loaded +${path}\n`));
    assert.match(stdout, new RegExp(`instruction set +${instructionSet}, of baseline`));
    assert.match(stdout, new RegExp(`threads +${threads}\n`));
    assert.match(
      stdout,
      new RegExp(`chosen +${devices().find((device) => device.preferred)?.backend} backend`),
    );
  });

  it('checks the cpu backend against the reference', () => {
    const { stdout } = runHeed(['doctor'], { env: { HEED_BACKEND: 'auto' } });
    const errors = [...stdout.matchAll(/agrees with the reference: error ([\d.e-]+)/g)].map(([, error]) =>
      Number(error),
    );
    assert.equal(errors.length, 2);
    for (const error of errors) assert.ok(error > 0 && error <= 3e-6, `${error}`);
  });

  it('shows the variables that are set', () => {
    const { status, stdout } = runHeed(['doctor'], {
      env: { HEED_BACKEND: 'reference', HEED_NUM_THREADS: '1' },
    });
    assert.equal(status, 0);
    assert.match(stdout, /HEED_BACKEND +reference\n/);
    assert.match(stdout, /HEED_NUM_THREADS +1\n/);
    assert.match(stdout, /threads +1\n/);
    assert.match(stdout, /chosen +reference backend/);
  });

  it('tells what is wrong with a variable', () => {
    const { status, stdout } = runHeed(['doctor'], { env: { HEED_NUM_THREADS: 'many' } });
    assert.equal(status, 1);
    assert.match(stdout, /What to do\n.*HEED_NUM_THREADS to be an integer from 1 to 1024, received 'many'/);
    assert.doesNotMatch(stdout, /All is well/);
  });

  it('tells what to do about a HEED_ADDON that is not there', () => {
    const { status, stdout } = runHeed(['doctor'], {
      env: { HEED_ADDON: file('nothing.node'), HEED_BACKEND: 'auto' },
    });
    assert.equal(status, 1);
    assert.match(stdout, /HEED_ADDON +.*nothing\.node/);
    assert.match(stdout, /addon +not loaded: .*nothing\.node, which HEED_ADDON names, is not there/);
    assert.match(stdout, /What to do\n.*unset HEED_ADDON/);
  });

  describe('where there is no addon that loads', () => {
    let root: string;

    before(() => {
      root = file('installed');
      cpSync(join(packageRoot, 'dist/lib'), join(root, 'dist/lib'), { recursive: true });
      cpSync(join(packageRoot, 'package.json'), join(root, 'package.json'));
      symlinkSync(join(packageRoot, 'node_modules'), join(root, 'node_modules'));
    });

    it('says what was tried and what to do', () => {
      const { status, stdout } = runHeed(['doctor'], { root, env: { HEED_BACKEND: 'auto' } });
      assert.equal(status, 1);
      assert.match(stdout, /tried .*heed\.node: not there/);
      assert.match(stdout, /addon +not loaded: it is not built/);
      assert.match(stdout, /chosen +reference backend/);
      assert.match(stdout, /What to do\n.*npx heed build/);
    });

    it('says why one that is there does not load', () => {
      mkdirSync(join(root, 'build/Release'), { recursive: true });
      writeFileSync(join(root, 'build/Release/heed.node'), 'not an addon');
      const { status, stdout } = runHeed(['doctor'], { root, env: { HEED_BACKEND: 'auto' } });
      rmSync(join(root, 'build'), { recursive: true });
      assert.equal(status, 1);
      assert.match(
        stdout,
        /addon +not loaded: .*(file too short|invalid ELF|not a mach-o|slice is not valid)/i,
      );
    });

    it('says what building it needs', () => {
      const { status, stdout } = runHeed(['doctor'], {
        root,
        env: { HEED_BACKEND: 'auto', PATH: '/nonexistent' },
      });
      assert.equal(status, 1);
      assert.match(stdout, /CMake +not found/);
      assert.match(stdout, /cmake-js +needs CMake, C\+\+ compiler/);
      assert.match(stdout, /install what building needs/);
    });

    it('says that a backend which was demanded is not there', () => {
      const { status, stdout } = runHeed(['doctor'], { root, env: { HEED_BACKEND: 'cpu' } });
      assert.equal(status, 1);
      assert.match(stdout, /What to do\n(.*\n)*.*Expected the cpu backend to be available/);
    });
  });
});
