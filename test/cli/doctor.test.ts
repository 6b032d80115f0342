import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { devices } from '../../lib/backends/devices.js';
import { nativeStatus } from '../../lib/backends/native/native.js';
import { packageRoot } from '../../lib/package-root.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { compile, meddling, realAddon } from './addon/fixtures.js';
import { script } from './build/fixture.js';
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

  it('knows variables that are misspelt, and leaves alone those that are not', () => {
    const { status, stdout } = runHeed(['doctor'], {
      env: {
        HEED_THREADS: '2',
        HEED_NUM_THREAD: '2',
        HEED_ISA: 'avx2',
        HEAD_BACKEND: 'cpu',
        heed_debug: '1',
        HEED_OF_OUR_FIRM: '1',
        HEED_TEST_SEED: '1',
        HEED_FUZZ_CALLS: '1',
        HEED_CUDA: 'OFF',
        SHEEP_CUDA: '1',
      },
    });
    assert.equal(status, 1);
    for (const [name, meant] of [
      ['HEED_THREADS', 'HEED_NUM_THREADS'],
      ['HEED_NUM_THREAD', 'HEED_NUM_THREADS'],
      ['HEED_ISA', 'HEED_CPU_ISA'],
      ['HEAD_BACKEND', 'HEED_BACKEND'],
      ['heed_debug', 'HEED_DEBUG'],
    ])
      assert.ok(
        stdout.includes(`environment variable ${name}: did you mean ${meant}?\n`),
        `${name}: ${stdout}`,
      );
    assert.match(stdout, /HEED_OF_OUR_FIRM +not a variable of heed: it has no effect\n/);
    assert.doesNotMatch(stdout, /HEED_TEST_SEED|HEED_FUZZ_CALLS|SHEEP_CUDA/);
    assert.match(stdout, /HEED_CUDA +OFF\n/);
    const onlyStrangers = runHeed(['doctor'], { env: { HEED_OF_OUR_FIRM: '1' } });
    assert.equal(onlyStrangers.status, 0, onlyStrangers.stdout);
  });

  it('tells what the addon and the compilers are', () => {
    const { stdout } = runHeed(['doctor'], { env: { CXX: '' } });
    assert.match(stdout, new RegExp(`is for +${process.arch}`));
    assert.match(stdout, /kernels +baseline/);
    assert.match(stdout, /C\+\+ compiler \(GCC or Clang\) +\/.*: (GCC|Clang|Apple clang) \d+\.\d+\.\d+/);
    const old = 'case "$*" in *-dM*) echo "#define __GNUC__ 11";; esac';
    const passedOver = runHeed(['doctor'], { env: { CXX: script(file('bin'), 'old c++', old) } });
    assert.match(passedOver.stdout, /old c\+\+, which CXX names, is GCC 11\.0\.0, and heed needs GCC 12/);
    // The addon exists, so no build is necessary.
    assert.equal(passedOver.status, 0);
  });

  it('tells what to do about a HEED_ADDON that is not there', () => {
    const { status, stdout } = runHeed(['doctor'], {
      env: { HEED_ADDON: file('nothing.node'), HEED_BACKEND: 'auto' },
    });
    assert.equal(status, 1);
    assert.match(stdout, /HEED_ADDON +.*nothing\.node/);
    assert.match(stdout, /addon +not loaded: .*nothing\.node, which HEED_ADDON names, does not exist/);
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
      assert.match(stdout, /tried .*heed\.node: not found/);
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

    /** Installs an addon made by the given function. */
    function withAddon(make: (path: string) => void): string {
      const folder = join(root, 'build/Release');
      mkdirSync(folder, { recursive: true });
      make(join(folder, 'heed.node'));
      const { status, stdout, stderr } = runHeed(['doctor'], { root, env: { HEED_BACKEND: 'auto' } });
      rmSync(join(root, 'build'), { recursive: true });
      assert.equal(status, 1, stderr);
      return stdout;
    }

    it('outlives one that ends whoever loads it', () => {
      const stdout = withAddon((path) => compile(path, meddling('__builtin_trap();')));
      assert.match(stdout, /addon +not loaded: .*heed\.node crashes the process that uses it \(SIG/);
      assert.match(stdout, /What to do\n(.*\n)*.*npx heed build --force/);
    });

    if (process.platform === 'linux') {
      it('says what one for another processor is for', () => {
        const stdout = withAddon((path) => {
          const bytes = readFileSync(realAddon);
          const [machine] = process.arch === 's390x' ? [62] : [22];
          bytes.writeUInt16LE(machine, 18);
          writeFileSync(path, bytes);
        });
        assert.match(
          stdout,
          new RegExp(`not usable +.*heed\\.node is for \\w+, but this is ${process.arch}\n`),
        );
        assert.match(stdout, /is for +(s390x|x64)/);
      });
    }

    it('says what building it needs', () => {
      const { status, stdout } = runHeed(['doctor'], {
        root,
        env: { HEED_BACKEND: 'auto', PATH: '/nonexistent' },
      });
      assert.equal(status, 1);
      assert.match(stdout, /CMake +not found/);
      assert.match(stdout, /cmake-js +needs CMake, ninja or make, C\+\+ compiler/);
      assert.match(stdout, /install what building needs/);
    });

    it('says that a backend which was demanded is not there', () => {
      const { status, stdout } = runHeed(['doctor'], { root, env: { HEED_BACKEND: 'cpu' } });
      assert.equal(status, 1);
      assert.match(stdout, /What to do\n(.*\n)*.*Expected the cpu backend to be available/);
    });
  });
});
