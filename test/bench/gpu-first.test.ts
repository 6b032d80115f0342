/** Rehearses bench/gpu/first with a pretended device, and breaks each of its steps in turn. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../lib/package-root.js';
import { describeWith } from '../support/programs.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const folder = join(packageRoot, 'bench', 'gpu');
const wrappers = 'heed_wrappers_on_gpu';
const kernels = 'heed_kernels_on_gpu';
const names = ['machine', 'binaries', 'wrappers', 'rows', 'kernels', 'memcheck', 'racecheck', 'javascript'];

interface Line {
  readonly step: string;
  readonly status: string;
  readonly note: string;
  readonly gpu: string | null;
  readonly driver: string | null;
  readonly date: string;
  readonly command: string;
  readonly clocks: { readonly sm: string } | null;
  readonly data: { readonly rows?: readonly { readonly name: string; readonly times: object }[] } | null;
}

interface Broken {
  /** Replacements of programs on PATH, of programs that are carried, and of the environment. */
  readonly programs?: Readonly<Record<string, string>>;
  readonly carried?: Readonly<Record<string, string>>;
  readonly environment?: Readonly<Record<string, string>>;
  readonly deadline?: number;
  /** After the manifest was written: what it names is then another file. */
  readonly changed?: string;
}

describeWith(['python3', 'g++'], 'the first minutes on a GPU', function () {
  this.timeout(120_000);
  const at = temporaryDirectory();
  let runs = 0;

  function write(path: string, script: string) {
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
  }

  function python(script: string, args: readonly string[]) {
    const { status, stderr } = spawnSync('python3', ['-B', '-c', script, ...args], {
      cwd: folder,
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
  }

  before(() => {
    const source = join(folder, 'tests', 'pretended_device.cc');
    const flags = ['-std=c++20', '-fPIC', '-shared', `-I${join(packageRoot, 'native')}`];
    const { status, stderr } = spawnSync('g++', [...flags, source, '-o', at('library.so')], {
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
  });

  function rehearse({ programs = {}, carried = {}, environment = {}, deadline = 60, changed }: Broken = {}) {
    const [bin, source, packed, results] = ['bin', 'source', 'packed', 'results'].map((name) => {
      const made = at(`${runs}-${name}`);
      mkdirSync(made);
      return made;
    }) as [string, string, string, string];
    runs++;
    const present = {
      'nvidia-smi': `case "$1" in *name*) echo "Some GPU, 9.0, 580.1, 81559, 345, 2619, 1980, 2619, 700, 30";; *) echo "1980, 2619, 30";; esac`,
      'compute-sanitizer': 'echo "[doctest] test cases:  1 |  1 passed"',
      nvcc: 'exit 3',
      node: 'exit 3',
      ...programs,
    };
    for (const [name, script] of Object.entries(present)) write(join(bin, name), script);
    const programsCarried = { [wrappers]: 'echo wrappers', [kernels]: 'echo kernels', ...carried };
    for (const [name, script] of Object.entries(programsCarried)) write(join(source, name), script);
    cpSync(at('library.so'), join(source, 'libheed_kernels.so'));
    writeFileSync(join(source, 'libheed_emulated_wrappers.so'), 'pretended');
    python(
      'import sys, carried; from pathlib import Path; carried.pack(sys.argv[1], "90", Path(sys.argv[2]))',
      [packed, source],
    );
    if (changed !== undefined) writeFileSync(join(packed, changed), 'something else');
    const { HEED_BACKEND: _, ...given } = process.env;
    const env = { ...given, PATH: `${bin}:${process.env.PATH}`, CUDACXX: '', ...environment };
    const args = ['--folder', packed, '--results', results, '--deadline', `${deadline}`];
    const began = performance.now();
    const ended = spawnSync(join(folder, 'first'), args, { env, encoding: 'utf8' });
    const seconds = (performance.now() - began) / 1000;
    const lines = readFileSync(join(results, 'first.jsonl'), 'utf8').trim().split('\n');
    const steps: Line[] = lines.map((line) => JSON.parse(line));
    assert.deepEqual(
      steps.map(({ step }) => step),
      names,
      ended.stderr,
    );
    return { ...ended, seconds, step: (name: string) => steps.find(({ step }) => step === name) as Line };
  }

  const noNode = { node: 'echo \'{"compiled": false, "reason": "pretended"}\'' };

  it('takes every step, and keeps what each has found', () => {
    const { status, stdout, step } = rehearse({ programs: noNode });
    assert.equal(status, 0, stdout);
    for (const name of names.slice(0, -1)) assert.equal(step(name).status, 'passed', step(name).note);
    assert.equal(step('javascript').status, 'skipped');
    assert.equal(step('binaries').note, 'those that were carried');
    for (const name of names) {
      const { gpu, driver, clocks, date, command } = step(name);
      assert.deepEqual([gpu, driver, clocks?.sm], ['Some GPU', '580.1', '1980']);
      assert.ok(Math.abs(Date.parse(date) - Date.now()) < 600_000, date);
      assert.match(command, /^bench\/gpu\/first --folder/);
    }
    const rows = step('rows').data?.rows ?? [];
    assert.equal(rows.length, 12);
    for (const { name, times } of rows) assert.ok('heed' in times, name);
    assert.equal(rows.filter(({ name }) => name.startsWith('paged ')).length, 3);
    assert.match(stdout, /paged decode B8 .* 1 ms/);
  });

  /** What breaks each step, what its note then says, and which steps that leaves out. */
  const broken: readonly (readonly [step: string, how: Broken, note: RegExp, leftOut?: readonly string[]])[] =
    [
      ['machine', { programs: { 'nvidia-smi': 'exit 9' } }, /names no GPU/, names.slice(1)],
      ['binaries', { changed: wrappers }, /nvcc/, names.slice(2, -1)],
      ['binaries', { carried: { [kernels]: 'exit 1' } }, /nvcc/, names.slice(2, -1)],
      [
        'wrappers',
        { carried: { [wrappers]: 'case "$1" in --count) ;; *) exit 77;; esac' } },
        /ended with 77/,
      ],
      ['rows', { environment: { HEED_PRETEND_REFUSED: '1' } }, /ended with 1/],
      ['kernels', { carried: { [kernels]: 'case "$1" in --count) ;; *) exit 1;; esac' } }, /ended with 1/],
      [
        'memcheck',
        {
          programs: { 'compute-sanitizer': 'case "$1" in *memcheck) exit 9;; esac; echo "test cases: 1 |"' },
        },
        /ended with 9/,
      ],
      [
        'racecheck',
        {
          programs: { 'compute-sanitizer': 'case "$1" in *racecheck) exit 9;; esac; echo "test cases: 1 |"' },
        },
        /ended with 9/,
      ],
      ['memcheck', { programs: { 'compute-sanitizer': 'echo "test cases: 0 |"' } }, /no test case/],
      ['javascript', { programs: { node: 'exit 3' } }, /ended with 3/],
    ];
  for (const [name, how, note, leftOut = []] of broken) {
    it(`notices that ${name} is broken (${note.source}: ${JSON.stringify(how)}), and takes the others`, () => {
      const { status, step } = rehearse({ ...how, programs: { ...noNode, ...how.programs } });
      assert.equal(status, 1);
      assert.equal(step(name).status, 'FAILED', step(name).note);
      assert.match(step(name).note, note);
      for (const other of names.slice(0, names.indexOf(name))) assert.notEqual(step(other).status, 'FAILED');
      for (const other of leftOut) assert.equal(step(other).status, 'skipped', other);
      const later = names.slice(names.indexOf(name) + 1, -1).filter((other) => !leftOut.includes(other));
      if (!/no test case/.test(note.source))
        for (const other of later) assert.equal(step(other).status, 'passed', step(other).note);
    });
  }

  it('stops a step that hangs, and ends in time', () => {
    const hangs = 'case "$1" in --count) ;; *) sleep 100;; esac';
    const { status, step, seconds } = rehearse({
      carried: { [kernels]: hangs },
      programs: noNode,
      deadline: 8,
    });
    assert.equal(status, 1);
    assert.equal(step('wrappers').status, 'passed', step('wrappers').note);
    assert.match(step('kernels').note, /was stopped after/);
    assert.ok(seconds < 30, `${seconds}`);
  });

  it('refuses to pack more than can be carried', () => {
    const source = at('large');
    mkdirSync(source);
    const script = `
import sys, carried
from pathlib import Path
from steps import Failure
source = Path(sys.argv[1])
for name in carried.NAMES:
    with open(source / name, "wb") as file:
        file.truncate(carried.MOST_BYTES // len(carried.NAMES) + 1)
try:
    carried.pack(source / "packed", "90", source)
except Failure as failure:
    assert "Expected at most" in str(failure), failure
    assert not (source / "packed" / carried.MANIFEST).exists()
else:
    raise SystemExit("it was packed")`;
    python(script, [source]);
  });
});
