/**
 * Tests the parts of bench/gpu that need no GPU; test/emulator/bench_problems_test.cc tests its computations.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../lib/package-root.js';
import { isEmulated } from '../support/device.js';
import { describeWith } from '../support/programs.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const folder = join(packageRoot, 'bench', 'gpu');

describeWith(['python3'], 'the benchmark on GPUs', () => {
  const at = temporaryDirectory();

  /** Runs it with these programs first on PATH. */
  function runWith(name: string, programs: Record<string, string>, args: readonly string[] = []) {
    const bin = at(`${name}-bin`);
    mkdirSync(bin);
    for (const [program, script] of Object.entries(programs)) {
      writeFileSync(join(bin, program), `#!/bin/sh\n${script}\n`);
      chmodSync(join(bin, program), 0o755);
    }
    const results = at(`${name}-results`);
    const places = ['--build', at(`${name}-build`), '--results', results];
    const env = { ...process.env, PATH: `${bin}:${process.env.PATH}`, CUDACXX: undefined };
    const ended = spawnSync(join(folder, 'run'), [...places, ...args], { env, encoding: 'utf8' });
    const [file] = readdirSync(results);
    return { ...ended, kept: JSON.parse(readFileSync(join(results, file), 'utf8')) };
  }

  const gpu = 'echo "Some GPU, 9.0, 580.1, 81559, 345, 2619, 1980, 2619, 700, 30"';

  it('passes its own tests', function () {
    this.timeout(60_000);
    const { status, stderr } = spawnSync('python3', ['-m', 'unittest', 'discover', '-s', 'tests'], {
      cwd: folder,
      env: { ...process.env, PYTHONPATH: `${folder}:${join(folder, 'tests')}`, PYTHONDONTWRITEBYTECODE: '1' },
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
    assert.match(stderr, /Ran \d\d tests/);
  });

  it('says that there is no GPU, and fails', () => {
    const { status, stdout, kept } = runWith('none', { 'nvidia-smi': 'exit 9' });
    assert.equal(status, 1);
    assert.match(stdout, /machine +FAILED .*nvidia-smi names no GPU/);
    assert.equal(kept.benchmark, null);
  });

  it('takes the other steps when one has failed, and keeps what each of them said', function () {
    this.timeout(60_000);
    const nvcc =
      'case "$1" in --version) echo "release 13.0, V13.0.88";; *) echo "nvcc is broken"; exit 3;; esac';
    const programs = { 'nvidia-smi': gpu, nvcc, 'g++': 'echo "g++ is broken"; exit 4' };
    const asked = ['--steps', 'build-wrappers', 'build-kernels', 'benchmark'];
    const { status, stdout, kept } = runWith('broken', programs, asked);
    assert.equal(status, 1);
    const steps = new Map<string, { status: string; note: string }>(
      kept.steps.map((step: { step: string }) => [step.step, step]),
    );
    assert.equal(steps.get('machine')?.status, 'passed');
    assert.match(steps.get('build-library')?.note ?? '', /nvcc is broken/);
    for (const step of ['build-wrappers', 'build-kernels']) assert.equal(steps.get(step)?.status, 'FAILED');
    assert.equal(steps.get('benchmark')?.status, 'skipped');
    assert.match(stdout, /benchmark +skipped .*build-library/);
    assert.equal(kept.machine.name, 'Some GPU');
    assert.equal(kept.versions.nvcc, '13.0.88');
    assert.ok(kept.commands.some((command: string) => command.includes('code=sm_90')));
  });

  it('takes only the steps that are asked for, and what they need', () => {
    const { kept } = runWith('some', { 'nvidia-smi': gpu, nvcc: 'exit 3' }, ['--steps', 'benchmark']);
    const names = kept.steps.map(({ step }: { step: string }) => step);
    assert.deepEqual(names, ['machine', 'build-library', 'benchmark']);
  });

  it('refuses a GPU that the kernels are not for', () => {
    const old = gpu.replace('9.0', '7.5');
    const { status, stdout } = runWith('old', { 'nvidia-smi': old, nvcc: 'exit 3' });
    assert.equal(status, 1);
    assert.match(stdout, /compute capability 7\.5; heed's kernels need 8\.0/);
  });

  it('keeps what it has found elsewhere, where it may not write', () => {
    const file = at('no-folder');
    writeFileSync(file, '');
    const places = ['--build', join(file, 'build'), '--results', join(file, 'results')];
    const env = { ...process.env, TMPDIR: at('elsewhere') };
    mkdirSync(env.TMPDIR);
    const { stdout } = spawnSync(join(folder, 'run'), [...places, '--steps', 'machine'], {
      env,
      encoding: 'utf8',
    });
    assert.match(stdout, /no-folder\/results cannot be written to/);
    const [, path] = /everything is in (.+)/.exec(stdout) ?? [];
    assert.ok(path?.startsWith(env.TMPDIR), stdout);
    assert.equal(JSON.parse(readFileSync(path, 'utf8')).kind, 'gpu');
  });

  if (isEmulated) {
    it('tests and measures the JavaScript side, here on an emulated GPU', function () {
      this.timeout(120_000);
      const shape = { batch: 1, heads: 2, key_heads: 1, steps: 1, keys: 20, width: 32 };
      const rows = ['float32', 'bfloat16'].map((type) => ({ name: `tiny ${type}`, type, shape, calls: 3 }));
      const script = `
import json, sys
from javascript import JavaScript
from steps import Steps
side = JavaScript(Steps(100, sys.argv[1], lambda _: None), "cuda-emulator")
side.test(60, "dist/test/backends/cuda/devices.test.js")
print(json.dumps(side.calls(60, json.loads(sys.argv[2]))))`;
      const logs = at('javascript-logs');
      const { stdout, stderr, status } = spawnSync(
        'python3',
        ['-B', '-c', script, logs, JSON.stringify(rows)],
        {
          cwd: folder,
          encoding: 'utf8',
        },
      );
      assert.equal(status, 0, stderr);
      const calls = JSON.parse(stdout);
      assert.deepEqual(
        calls.map(({ name, calls }: { name: string; calls: number }) => [name, calls]),
        rows.map(({ name }) => [name, 3]),
      );
      for (const { perCall, enqueue } of calls) {
        assert.ok(enqueue > 0 && enqueue < 10, `${enqueue}`);
        assert.ok(Number.isFinite(perCall) && perCall < 10, `${perCall}`);
      }
      assert.match(readFileSync(join(logs, 'javascript-tests.log'), 'utf8'), /[1-9]\d* passing/);
    });
  }

  it('draws charts of its results', () => {
    const row = (section: string, name: string, amounts: object, heed: number, other: number) => ({
      section,
      name,
      type: 'bfloat16',
      operations: 0,
      bytes: 0,
      ...amounts,
      times: { heed: { median: heed }, 'torch flash': { median: other } },
      bars: [{ against: 'torch flash', bar: 1, ratio: other / heed, met: other >= heed }],
    });
    const results = {
      kind: 'gpu',
      machine: { name: 'Some GPU' },
      benchmark: {
        rows: [
          row('Forward', 'full D128 1k', { operations: 2e12 }, 4e-3, 5e-3),
          row('Decode', 'decode B1', { bytes: 1e9 }, 1e-3, 5e-4),
        ],
      },
    };
    const file = at('drawn.json');
    writeFileSync(file, JSON.stringify(results));
    const script = join(packageRoot, 'bench', 'draw-charts.mjs');
    const { status, stderr } = spawnSync(process.execPath, [script, file], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    const chart = (name: string) => readFileSync(at(`drawn-${name}.svg`), 'utf8');
    assert.match(chart('forward-bfloat16'), /Attention in bfloat16 on Some GPU/);
    assert.match(chart('forward-bfloat16'), />500</);
    assert.match(chart('forward-bfloat16'), />400</);
    assert.match(chart('decode-bfloat16'), />1000</);
    assert.match(chart('ratios'), />1\.25×</);
    assert.match(chart('ratios'), />0\.50×</);
    // A run without measurements has no charts.
    writeFileSync(at('empty.json'), JSON.stringify({ ...results, machine: null, benchmark: null }));
    assert.equal(spawnSync(process.execPath, [script, at('empty.json')]).status, 0);
    assert.ok(!existsSync(at('empty-ratios.svg')));
  });
});
