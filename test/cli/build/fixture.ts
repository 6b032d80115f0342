/**
 * A package with the minimum that the real build files can build, on which `heed build` runs as for a user.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nativeStatus } from '../../../lib/backends/native/native.js';
import type { BuildOptions } from '../../../lib/cli/build.js';
import { packageRoot } from '../../../lib/package-root.js';

/**
 * An addon that returns 42 and otherwise forwards to the real one, which it loads: its computations can be
 * checked.
 */
const addon = `
  #include <dlfcn.h>
  #include <node_api.h>
  int core(), cpu(), wire(), runtime(), cuda();
  NAPI_MODULE_INIT() {
    void* real = dlopen(${JSON.stringify(nativeStatus().path)}, RTLD_NOW);
    auto init = reinterpret_cast<napi_value (*)(napi_env, napi_value)>(dlsym(real, "napi_register_module_v1"));
    napi_value answer;
    napi_create_int32(env, core() + cpu() + wire() + runtime() + cuda(), &answer);
    napi_set_named_property(env, exports, "answer", answer);
    return init(env, exports);
  }
`;

const sources: Readonly<Record<string, string>> = {
  'native/sources.json': JSON.stringify({
    core: ['native/core.cc'],
    cpu: ['native/cpu.cc'],
    wire: ['native/wire.cc'],
    runtime: ['native/runtime.cc'],
    withoutCuda: ['native/without-cuda.cc'],
    withCuda: ['native/with-cuda.cc'],
    solver: ['native/solver.cc'],
    cuda: ['native/cuda/kernels.cu'],
    addon: ['native/addon.cc'],
    addonDefinitions: ['NAPI_VERSION=9'],
    flags: ['-Wall', '-Wextra'],
    kernels: {
      sources: ['native/kernels.cc', 'native/more-kernels.cc'],
      flags: ['-O1', '-fno-exceptions'],
      architectures: { x64: ['baseline', 'avx2', 'avx512'], arm64: ['baseline'] },
      instructionSets: { baseline: [], avx2: ['-mavx2'], avx512: ['-mavx512f'] },
    },
  }),
  'native/core.cc': 'int core() { try { throw 40; } catch (int thrown) { return thrown; } }',
  'native/cpu.cc': 'int cpu() { return 1; }',
  'native/wire.cc': 'int wire() { return 1; }',
  'native/runtime.cc': 'int runtime() { return 0; }',
  // One of the two is compiled, depending on the CUDA compiler.
  'native/without-cuda.cc': 'int cuda() { return 0; }',
  'native/with-cuda.cc': 'int cuda() { return 0; }',
  'native/solver.cc': 'int solver() { return 0; }',
  'native/cuda/kernels.cu': '__global__ void kernel() {}',
  // Flags of kernels reach kernels, and nothing else.
  'native/kernels.cc':
    '#ifdef __cpp_exceptions\n#error\n#endif\nnamespace HEED_ISA { int lanes() { return 1; } }',
  'native/more-kernels.cc': 'namespace HEED_ISA { int rows() { return 1; } }',
  'native/addon.cc': addon,
};

/** As unusual as a folder name may be. */
const unusual = `test ü'& (1) `;

/**
 * Lies inside the package, where the build's dependencies are found; the folder is removed when the test
 * ends.
 */
export function fixturePackage(prefix = unusual): () => string {
  let root: string;
  beforeEach(() => {
    mkdirSync(join(packageRoot, 'build'), { recursive: true });
    root = mkdtempSync(join(packageRoot, 'build', prefix));
    for (const file of ['package.json', 'CMakeLists.txt', 'binding.gyp']) {
      cpSync(join(packageRoot, file), join(root, file));
    }
    for (const folder of ['addon', 'cuda', 'cpu/kernels'])
      mkdirSync(join(root, 'native', folder), { recursive: true });
    cpSync(join(packageRoot, 'native/node-gyp'), join(root, 'native/node-gyp'), { recursive: true });
    for (const file of [
      'addon/exports.map',
      'cpu/kernels/compiler.h',
      'cuda/CMakeLists.txt',
      'cuda/choice.cmake',
    ])
      cpSync(join(packageRoot, 'native', file), join(root, 'native', file));
    for (const [file, text] of Object.entries(sources)) writeFileSync(join(root, file), `${text}\n`);
  });
  afterEach(() => rmSync(root, { recursive: true }));
  return () => root;
}

export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/** The variables that CI sets but users do not. */
const usual = { HEED_REQUIRE_NATIVE: '', HEED_CUDA: 'OFF' };

/** A running `heed build`. */
export class RunningBuild {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;

  constructor(root: string, options: BuildOptions, env: NodeJS.ProcessEnv) {
    const module = JSON.stringify(join(packageRoot, 'dist/lib/cli/build.js'));
    const script = `require(${module}).build(${JSON.stringify(options)}, ${JSON.stringify(root)})
      .then((code) => { process.exitCode = code; });`;
    this.process = spawn(process.execPath, ['-e', script], {
      env: { ...process.env, ...usual, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    this.ended = new Promise((resolve) => {
      this.process.on('close', (status, signal) => resolve({ status, signal, stderr }));
    });
  }
}

export function runBuild(
  root: string,
  options: BuildOptions = {},
  env: NodeJS.ProcessEnv = {},
): Promise<Ended> {
  return new RunningBuild(root, options, env).ended;
}

/** Writes a shell script and returns its path. */
export function script(folder: string, name: string, body: string): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}
