/**
 * Tests the parts of bench/gpu that need no GPU; gpu-rehearsal.test.ts runs all of it on a pretended one, and
 * test/emulator/bench_problems_test.cc tests its computations.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../lib/package-root.js';
import { isEmulated } from '../support/device.js';
import { describeWith } from '../support/programs.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const folder = join(packageRoot, 'bench', 'gpu');

describeWith(['python3'], 'the benchmark on GPUs', () => {
  const at = temporaryDirectory();

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

  if (isEmulated) {
    it('tests and measures the JavaScript side, here on an emulated GPU', function () {
      this.timeout(120_000);
      const shape = { batch: 1, heads: 2, key_heads: 1, steps: 1, keys: 20, width: 32 };
      const rows = ['float32', 'bfloat16'].map((type) => ({ name: `tiny ${type}`, type, shape, calls: 3 }));
      const script = `
import json, sys
from javascript import JavaScript
from steps import Steps
side = JavaScript(Steps(100, sys.argv[1], lambda _: None), backend="cuda-emulator")
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
