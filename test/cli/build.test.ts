import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { unitsToCompile } from '../../lib/cli/build/announcement.js';
import { sourcesOf } from '../../lib/cli/build/sources.js';
import { hashOfSources, readStamp } from '../../lib/cli/build/stamp.js';
import { addonPath } from '../../lib/cli/build/tools.js';
import { packageRoot } from '../../lib/package-root.js';
import { describeWith } from '../support/programs.js';
import { type Ended, fixturePackage, RunningBuild, runBuild, script } from './build/fixture.js';

/** All files under a folder. */
function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

function answer(root: string): string {
  const print = 'console.log(require(process.argv[1]).answer)';
  return spawnSync(process.execPath, ['-e', print, addonPath(root)], { encoding: 'utf8' }).stdout;
}

const stack = /\n\s+at .*:\d+/;

describe('building the addon, from beginning to end', function () {
  this.timeout(120_000);

  for (const [tool, programs, prefix] of [
    ['cmake-js', ['cmake'], undefined],
    ['node-gyp', ['make', 'python3'], 'test-ü-'],
  ] as const) {
    describeWith(programs, `by ${tool}`, () => {
      const root = fixturePackage(prefix);

      it('gives an addon that works, leaves nothing else, and downloads nothing', async () => {
        // No server listens there.
        const nowhere = 'http://127.0.0.1:9';
        const offline = { HTTP_PROXY: nowhere, HTTPS_PROXY: nowhere, npm_config_devdir: join(root(), 'dev') };
        if (tool === 'node-gyp') {
          // As in the package: package managers must not find binding.gyp in its root.
          mkdirSync(join(root(), 'dist'));
          renameSync(join(root(), 'binding.gyp'), join(root(), 'dist/binding.gyp'));
        }
        const { status, stderr } = await runBuild(root(), { with: tool }, { ...offline, HOME: undefined });
        assert.equal(status, 0, stderr);
        assert.match(
          stderr,
          new RegExp(`building the native backend with ${tool} and /.* \\((GCC|Clang) [\\d.]+\\)`),
        );
        assert.match(stderr, /the CPU's kernels for baseline.*, about .*minute/);
        assert.match(stderr, /skipping the cuda backend/);
        assert.equal(answer(root()), '42\n');
        assert.deepEqual(filesIn(join(root(), 'build')), [
          'Release/heed.json',
          'Release/heed.node',
          `${tool}.log`,
        ]);
        const log = readFileSync(join(root(), 'build', `${tool}.log`), 'utf8');
        const compiled = log.match(/Building CXX object|CXX\(target\)/g)?.length;
        assert.equal(compiled, unitsToCompile(root(), tool, sourcesOf(root()).instructionSets, false), log);

        const again = await runBuild(root());
        assert.match(again.stderr, /^heed: the native backend is ready: .*heed\.node\n$/);
        writeFileSync(join(root(), 'native/core.cc'), 'int core() { return nonsense; }\n');
        const failed = await runBuild(root(), { with: tool });
        assert.equal(failed.status, 1);
        assert.match(failed.stderr, /heed\.node was built from other sources/);
        assert.match(failed.stderr, new RegExp(`${tool} failed: .*core\\.cc:1:.*error.*nonsense`));
        assert.match(failed.stderr, /stays as it was/);
        assert.match(readFileSync(join(root(), 'build', `${tool}.log`), 'utf8'), /nonsense/);
        assert.equal(answer(root()), '42\n', 'the addon that was there is gone');
        assert.deepEqual(filesIn(join(root(), 'build')), [
          'Release/heed.json',
          'Release/heed.node',
          `${tool}.log`,
        ]);
      });
    });
  }
});

describe('building the addon for this machine', function () {
  this.timeout(120_000);

  for (const [tool, programs, prefix] of [
    ['cmake-js', ['cmake'], undefined],
    ['node-gyp', ['make', 'python3'], 'test-ü-'],
  ] as const) {
    describeWith(programs, `by ${tool}`, () => {
      const root = fixturePackage(prefix);

      it('leaves out what the processor lacks, and says how to have everything', async () => {
        // Neither the processor nor the compiler knows it.
        const listed = join(root(), 'native/sources.json');
        writeFileSync(listed, readFileSync(listed, 'utf8').replace('-mavx512f', '-mavx999'));
        const quick = await runBuild(root(), { with: tool, forThisMachine: true });
        assert.equal(quick.status, 0, quick.stderr);
        assert.match(
          quick.stderr,
          /skipping the kernels for AVX-512, to be ready sooner; `npm run build` builds everything/,
        );
        assert.equal(answer(root()), '42\n');
        const again = await runBuild(root(), { forThisMachine: true });
        assert.match(again.stderr, /^heed: the native backend is ready: .*\n$/);
        // It does not count as a complete build.
        const whole = await runBuild(root(), { with: tool });
        assert.match(whole.stderr, /heed\.node was built without the kernels for AVX-512\n/);
        assert.match(whole.stderr, new RegExp(`${tool} failed: .*avx999`));
      });
    });
  }

  const fixture = fixturePackage();

  it('leaves out the cuda backend, which takes longest', async () => {
    const root = fixture();
    const nvcc = script(root, 'nvcc', 'exit 1');
    const { stderr } = await runBuild(root, { forThisMachine: true }, { HEED_CUDA: 'AUTO', CUDACXX: nvcc });
    assert.match(stderr, /skipping .*the cuda backend, to be ready sooner/);
    assert.doesNotMatch(stderr, /Without the cuda backend|because HEED_CUDA is OFF/);
    assert.equal(answer(root), '42\n');
  });
});

describe('building the addon', function () {
  this.timeout(120_000);
  const root = fixturePackage();

  it('keeps nothing of a configuration that has failed, and sees another compiler', async () => {
    const compiler = script(root(), 'a compiler', 'case "$*" in *" -o "*) exit 1;; *) exec c++ "$@";; esac');
    const broken = await runBuild(root(), { with: 'cmake-js' }, { CXX: compiler });
    assert.match(broken.stderr, /cmake-js failed: .*is not able to compile a simple test program/);
    assert.doesNotMatch(broken.stderr, stack);
    assert.equal(existsSync(addonPath(root())), false);
    assert.equal(readStamp(root()), undefined);
    // A checkout keeps its build output.
    mkdirSync(join(root(), 'lib'));
    writeFileSync(join(root(), 'lib/index.ts'), '');
    await runBuild(root(), { with: 'cmake-js' }, { CXX: compiler });
    const { status, stderr } = await runBuild(root(), { with: 'cmake-js' });
    assert.equal(status, 0, stderr);
    const objects = filesIn(join(root(), 'build/cmake')).filter((file) => file.endsWith('.o'));
    assert.ok(objects.length > 0);
    const marked = script(
      root(),
      'marked',
      `echo "$@" >> ${JSON.stringify(join(root(), 'calls'))}; exec c++ "$@"`,
    );
    assert.equal((await runBuild(root(), { force: true }, { CXX: marked })).status, 0);
    assert.match(readFileSync(join(root(), 'calls'), 'utf8'), /heed_core/);
  });

  it('tells CMake’s errors as one sentence', async () => {
    writeFileSync(
      join(root(), 'CMakeLists.txt'),
      'cmake_minimum_required(VERSION 3.19)\nproject(heed LANGUAGES CXX)\nmessage(FATAL_ERROR "The moon\nis full.")\n',
    );
    const { status, stderr } = await runBuild(root(), { with: 'cmake-js' });
    assert.equal(status, 1);
    assert.match(stderr, /cmake-js failed: CMake Error at CMakeLists\.txt:3: The moon is full\.\n/);
  });

  /** Starts a build whose compiler or CMake writes its process ids to a file and never ends. */
  async function begin(sleeper: NodeJS.ProcessEnv, began: string): Promise<[RunningBuild, number[]]> {
    const running = new RunningBuild(root(), { with: 'cmake-js' }, sleeper);
    let ended: Ended | undefined;
    void running.ended.then((how) => {
      ended = how;
    });
    while (!existsSync(began) || !/\d+ \d+\n/.test(readFileSync(began, 'utf8'))) {
      // Nothing begins any more where it has ended, and Mocha would wait for this loop.
      assert.equal(ended, undefined);
      await sleep(20);
    }
    return [running, readFileSync(began, 'utf8').trim().split(/\s+/).map(Number)];
  }

  function isAlive(pid: number): boolean {
    try {
      process.kill(pid, 0);
    } catch {
      return false;
    }
    // A zombie process has ended, too, and so has one that is gone by now.
    const { stdout } = spawnSync('ps', ['-o', 'state=', '-p', String(pid)], { encoding: 'utf8' });
    return stdout !== '' && !stdout.startsWith('Z');
  }

  const sleepForever = (began: string) => `sleep 3600 & echo $$ $! >> ${JSON.stringify(began)}; wait`;

  it('leaves no compiler running and nothing half-made when it is stopped', async () => {
    const began = join(root(), 'began');
    const compiler = `case "$*" in *heed_core*) ${sleepForever(began)};; *) exec c++ "$@";; esac`;
    const [running, pids] = await begin({ CXX: script(root(), 'slow', compiler) }, began);
    running.process.kill('SIGTERM');
    const { status, stderr } = await running.ended;
    assert.deepEqual(pids.filter(isAlive), []);
    assert.equal(status, 143);
    assert.match(
      stderr,
      /heed: stopped by SIGTERM: what was started has ended, and partial files are removed\n/,
    );
    assert.deepEqual(filesIn(join(root(), 'build')), []);
  });

  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGHUP', 129],
    ['SIGKILL', null],
  ] as const) {
    it(`leaves no tool running after ${signal}`, async () => {
      const began = join(root(), 'began');
      const bin = join(root(), 'bin');
      // One of them ignores the signal.
      const stubborn = `${signal === 'SIGINT' ? 'trap "" TERM;' : ''} ${sleepForever(began)}; wait`;
      script(bin, 'cmake', `if [ "$1" = --version ]; then echo cmake version 3.25.1; else ${stubborn}; fi`);
      const [running, pids] = await begin({ PATH: `${bin}:${process.env.PATH}` }, began);
      running.process.kill(signal);
      const { status } = await running.ended;
      assert.equal(status, code);
      // A killed process cannot wait for its children.
      while (signal === 'SIGKILL' && pids.some(isAlive)) await sleep(20);
      assert.deepEqual(pids.filter(isAlive), []);
    });
  }

  it('sees every change of a source', () => {
    const hashes = [hashOfSources(root())];
    writeFileSync(join(root(), 'native/new.h'), '\n');
    hashes.push(hashOfSources(root()));
    writeFileSync(join(root(), 'native/new.h'), '// changed\n');
    hashes.push(hashOfSources(root()));
    writeFileSync(join(root(), 'CMakeLists.txt'), '# changed\n');
    hashes.push(hashOfSources(root()));
    assert.equal(new Set(hashes).size, 4);
    rmSync(join(root(), 'native/new.h'));
    cpSync(join(packageRoot, 'CMakeLists.txt'), join(root(), 'CMakeLists.txt'));
    assert.equal(hashOfSources(root()), hashes[0]);
  });

  describe('without what it takes', () => {
    let bin: string;

    beforeEach(() => {
      bin = join(root(), 'bin');
      mkdirSync(bin);
    });

    /** With only the test's programs on PATH. */
    async function said(env: NodeJS.ProcessEnv = {}): Promise<string> {
      const { status, stderr } = await runBuild(
        root(),
        {},
        { PATH: bin, CXX: undefined, MAKE: undefined, ...env },
      );
      assert.equal(status, 0, stderr);
      assert.match(stderr, /heed runs on its slow reference backend\. What to do:\n {2}\S/);
      assert.doesNotMatch(stderr, stack);
      return stderr;
    }

    it('says what is missing and what to do; fails only where a native backend is demanded', async () => {
      const stderr = await said();
      assert.match(
        stderr,
        /this machine has no CMake, no ninja or make, no C\+\+ compiler \(GCC or Clang\), no Python, no make;/,
      );
      assert.match(stderr, /install/);
      const demanded = { PATH: bin, HEED_REQUIRE_NATIVE: '1' };
      assert.equal((await runBuild(root(), {}, demanded)).status, 1);
    });

    it('says which program is too old, or does not run', async () => {
      script(bin, 'cmake', 'echo cmake version 3.18.4');
      script(bin, 'python3', 'echo Python 3.8.10');
      script(bin, 'make', 'echo "make: lib.so: cannot open shared object file" >&2; exit 127');
      script(bin, 'g++', 'case "$*" in *-dM*) echo "#define __GNUC__ 11";; esac');
      script(bin, 'clang++', 'echo "#define __clang__ 1"; echo "#define __clang_major__ 14"');
      const stderr = await said();
      assert.match(stderr, /\/cmake is CMake 3\.18\.4, and 3\.19 or later is needed\n/);
      assert.match(stderr, /\/python3 is Python 3\.8\.10, and 3\.9 or later is needed\n/);
      assert.match(stderr, /\/make does not run: make: lib\.so: cannot open shared object file\n/);
      assert.match(stderr, /\/g\+\+ is GCC 11\.0\.0, and heed needs GCC 12 or Clang 15, or later\n/);
      assert.match(stderr, /\/clang\+\+ is Clang 14\.0\.0, and heed needs GCC 12 or Clang 15, or later\n/);
      assert.match(stderr, /g\+\+-12/);
    });

    it('says that node-gyp cannot build where make would misread the path', async () => {
      assert.match(
        await said(),
        /node-gyp cannot build in .*: its make does not take a path with “ ”; CMake does\n/,
      );
    });

    it('says that CXX names no compiler, and takes no other', async () => {
      script(bin, 'c++', 'case "$*" in *-dM*) echo "#define __GNUC__ 13";; esac');
      const stderr = await said({ CXX: 'nope' });
      assert.match(stderr, /CXX is 'nope', which was not found\n/);
      assert.match(stderr, /What to do:\n {2}set CXX to another compiler, or unset it/);
    });

    it('takes no word for a variable that it is not', async () => {
      const { status, stderr } = await runBuild(root(), {}, { PATH: bin, HEED_CUDA: 'maybe' });
      assert.equal(status, 1);
      assert.match(
        stderr,
        /^heed: Expected the environment variable HEED_CUDA to be one of AUTO, ON, OFF, received 'maybe'\n$/,
      );
      const gyp = await runBuild(root(), { with: 'node-gyp' }, { HEED_CUDA: 'ON' });
      assert.equal(gyp.status, 1);
      assert.match(gyp.stderr, /HEED_CUDA is ON, and node-gyp does not build the cuda backend/);
    });
  });

  describe('where the file system refuses', () => {
    it('says that a file is in the place of a folder', async () => {
      writeFileSync(join(root(), 'build'), '');
      const { status, stderr } = await runBuild(root());
      assert.equal(status, 0);
      assert.match(stderr, /could not .*\/build.*: .* is in the place of a folder/);
      assert.match(stderr, /What to do:\n {2}remove or rename/);
      assert.doesNotMatch(stderr, stack);
    });

    it('says that a part of heed is missing', async () => {
      rmSync(join(root(), 'native/sources.json'));
      const { stderr } = await runBuild(root(), { with: 'cmake-js' });
      assert.match(stderr, /could not open .*sources\.json: it does not exist \(ENOENT\)/);
      assert.doesNotMatch(stderr, stack);
    });
  });

  describe('with something in its place', () => {
    const place = () => addonPath(root());

    function pretendBuilt(): void {
      mkdirSync(join(root(), 'build/Release'), { recursive: true });
      const stamp = { hash: hashOfSources(root()), tool: 'cmake-js' };
      writeFileSync(join(root(), 'build/Release/heed.json'), JSON.stringify(stamp));
    }

    const nowhere = () => ({ PATH: join(root(), 'nothing'), HEED_REQUIRE_NATIVE: '1' });

    it('takes what works, and remembers that it does', async () => {
      pretendBuilt();
      copyFileSync(join(packageRoot, 'build/Release/heed.node'), place());
      const first = await runBuild(root(), {}, nowhere());
      assert.equal(first.status, 0, first.stderr);
      assert.match(first.stderr, /is ready/);
      const { worked } = readStamp(root()) ?? {};
      assert.ok(worked?.startsWith(`${statSync(place()).size} `));
      // A remembered addon is not loaded again, but this changed file must be.
      writeFileSync(join(root(), 'build/Release/heed.node'), 'changed');
      assert.match((await runBuild(root(), {}, nowhere())).stderr, /heed\.node is not an addon/);
    });

    it('says what is wrong with it', async () => {
      pretendBuilt();
      for (const [content, complaint] of [
        ['', /heed\.node is empty\n/],
        ['not an addon', /heed\.node (is not an addon for Linux|does not load)/],
      ] as const) {
        writeFileSync(place(), content);
        const { status, stderr } = await runBuild(root(), {}, nowhere());
        assert.equal(status, 1);
        assert.match(stderr, complaint);
      }
      rmSync(place());
      mkdirSync(place());
      assert.match((await runBuild(root(), {}, nowhere())).stderr, /heed\.node is a directory\n/);
    });

    it('does not take what was built from other sources, or from nobody knows which', async () => {
      mkdirSync(join(root(), 'build/Release'), { recursive: true });
      copyFileSync(join(packageRoot, 'build/Release/heed.node'), place());
      assert.match((await runBuild(root(), {}, nowhere())).stderr, /heed\.node is of unknown origin\n/);
    });
  });
});
