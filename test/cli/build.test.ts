import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { runTool } from '../../lib/cli/build/run.js';
import { hashOfSources } from '../../lib/cli/build/stamp.js';
import { addonPath, type Tool } from '../../lib/cli/build/tools.js';
import { build, usableAddon } from '../../lib/cli/build.js';
import { packageRoot } from '../../lib/package-root.js';

const tools: readonly Tool[] = ['cmake-js', 'node-gyp'];

// The least that the real build files can build: what matters here is not what it does.
const sources = {
  'native/sources.json': JSON.stringify({
    core: ['native/core.cc'],
    cpu: ['native/cpu.cc'],
    decoder: ['native/decoder.cc'],
    runtime: ['native/runtime.cc'],
    withoutCuda: ['native/without-cuda.cc'],
    withCuda: ['native/with-cuda.cc'],
    solver: ['native/solver.cc'],
    cuda: ['native/cuda/kernels.cu'],
    addon: ['native/addon.cc'],
    flags: ['-Wall', '-Wextra', '-Werror'],
    kernels: {
      source: 'native/kernels.cc',
      flags: ['-O1'],
      instructionSets: { baseline: [], avx2: ['-mavx2'], avx512: ['-mavx512f'] },
    },
  }),
  'native/core.cc': 'int core() { return 40; }',
  'native/cpu.cc': 'int cpu() { return 1; }',
  'native/decoder.cc': 'int decoder() { return 1; }',
  'native/runtime.cc': 'int runtime() { return 0; }',
  // The one or the other, whether there is a CUDA compiler or not.
  'native/without-cuda.cc': 'int cuda() { return 0; }',
  'native/with-cuda.cc': 'int cuda() { return 0; }',
  'native/solver.cc': 'int solver() { return 0; }',
  'native/cuda/kernels.cu': '__global__ void kernel() {}',
  'native/kernels.cc': 'namespace HEED_ISA { int lanes() { return 1; } }',
  'native/addon.cc': `
    #include <napi.h>
    int core(), cpu(), decoder(), runtime(), cuda();
    namespace baseline { int lanes(); }
    static Napi::Object init(Napi::Env env, Napi::Object exports) {
      exports.Set("answer", Napi::Number::New(env, core() + cpu() + decoder() + runtime() + cuda()));
      return exports;
    }
    NODE_API_MODULE(heed, init)
  `,
};

describe('building the addon', function () {
  this.timeout(120_000);
  let root: string;

  // Inside the package, where the packages that building takes are found; by a name that asks for quotes.
  beforeEach(() => {
    mkdirSync(join(packageRoot, 'build'), { recursive: true });
    root = mkdtempSync(join(packageRoot, 'build', 'a größe test-'));
    for (const file of ['package.json', 'CMakeLists.txt', 'binding.gyp']) {
      cpSync(join(packageRoot, file), join(root, file));
    }
    for (const folder of ['node-gyp', 'addon', 'cuda'])
      mkdirSync(join(root, 'native', folder), { recursive: true });
    cpSync(join(packageRoot, 'native/node-gyp'), join(root, 'native/node-gyp'), { recursive: true });
    for (const file of ['native/addon/exports.map', 'native/cuda/CMakeLists.txt', 'native/cuda/choice.cmake'])
      cpSync(join(packageRoot, file), join(root, file));
    for (const [file, text] of Object.entries(sources)) {
      writeFileSync(join(root, file), `${text}\n`);
    }
  });
  afterEach(() => rmSync(root, { recursive: true }));

  for (const tool of tools) {
    it(`${tool} gives an addon that loads, and downloads nothing`, async () => {
      // Nobody listens there.
      const nowhere = 'http://127.0.0.1:9';
      const before = { ...process.env };
      Object.assign(process.env, {
        HTTP_PROXY: nowhere,
        HTTPS_PROXY: nowhere,
        npm_config_devdir: join(root, 'dev'),
      });
      try {
        assert.equal(usableAddon(tool, root), undefined);
        assert.equal(await build({ with: tool }, root), 0);
      } finally {
        process.env = before;
      }
      assert.equal(usableAddon(tool, root), addonPath(root));
      const print = 'console.log(require(process.argv[1]).answer)';
      const { stdout, stderr } = spawnSync(process.execPath, ['-e', print, addonPath(root)], {
        encoding: 'utf8',
      });
      assert.equal(stdout, '42\n', stderr);
      assert.ok(!existsSync(join(root, 'dev')));
      writeFileSync(join(root, 'native/core.cc'), 'int core() { return 50; }\n');
      assert.equal(usableAddon(tool, root), undefined, 'built from other sources');
    });

    it(`${tool} that fails says what was wrong and where the rest can be read`, async () => {
      writeFileSync(join(root, 'native/cpu.cc'), 'int cpu() { return nonsense; }\n');
      const { succeeded, complaints, log } = await runTool(tool, root);
      assert.equal(succeeded, false);
      assert.ok(
        complaints.some((line) => /cpu\.cc:1:.*error.*nonsense/.test(line)),
        complaints.join('\n'),
      );
      assert.match(readFileSync(log, 'utf8'), /nonsense/);
      assert.equal(existsSync(addonPath(root)), false);
    });
  }

  it('node-gyp finds binding.gyp where the package has it, and leaves none where npm would see it', async () => {
    mkdirSync(join(root, 'dist'));
    renameSync(join(root, 'binding.gyp'), join(root, 'dist', 'binding.gyp'));
    assert.equal(await build({ with: 'node-gyp' }, root), 0);
    assert.equal(usableAddon('node-gyp', root), addonPath(root));
    assert.equal(existsSync(join(root, 'binding.gyp')), false);
  });

  it('sees every change of a source', () => {
    const hashes = [hashOfSources(root)];
    writeFileSync(join(root, 'native/new.h'), '\n');
    hashes.push(hashOfSources(root));
    writeFileSync(join(root, 'native/new.h'), '// changed\n');
    hashes.push(hashOfSources(root));
    writeFileSync(join(root, 'CMakeLists.txt'), '# changed\n');
    hashes.push(hashOfSources(root));
    assert.equal(new Set(hashes).size, 4);
    rmSync(join(root, 'native/new.h'));
    cpSync(join(packageRoot, 'CMakeLists.txt'), join(root, 'CMakeLists.txt'));
    assert.equal(hashOfSources(root), hashes[0]);
  });

  it('without any tool says what is missing and what to do; fails only where a native backend is demanded', () => {
    const script = `require(${JSON.stringify(join(packageRoot, 'dist/lib/cli/build.js'))})
      .build({ force: true }, ${JSON.stringify(root)}).then((code) => { process.exitCode = code; });`;
    const run = (env: NodeJS.ProcessEnv) =>
      spawnSync(process.execPath, ['-e', script], { encoding: 'utf8', env: { PATH: root, ...env } });
    const { status, stderr } = run({});
    assert.equal(status, 0);
    assert.match(
      stderr,
      /this machine has no CMake, no C\+\+ compiler \(GCC or Clang\), no Python, no make;/,
    );
    assert.match(stderr, /reference backend/);
    assert.match(stderr, /install/);
    assert.equal(run({ HEED_REQUIRE_NATIVE: '1' }).status, 1);
  });
});
