/**
 * Rehearses bench/gpu/first and bench/gpu/run on a pretended GPU, and breaks each of their steps in turn. The
 * kernels' library is bench/gpu/tests/pretended_device.cc, all other programs are shell scripts, and all runs
 * share one archive: HEED_PRETEND_NAME is what the carried script of this name does instead.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../lib/package-root.js';
import { describeWith } from '../support/programs.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const folder = join(packageRoot, 'bench', 'gpu');
const firstSteps = 'machine binaries wrappers rows counters kernels javascript memcheck racecheck'.split(' ');
const runSteps = [
  ...'machine binaries wrappers rows kernels counters javascript-calls javascript-tests'.split(' '),
  ...'memcheck racecheck synccheck initcheck'.split(' '),
];

/** What a run keeps of a step. */
interface Line {
  readonly step: string;
  readonly status: string;
  readonly note: string;
  readonly gpu: string | null;
  readonly driver: string | null;
  readonly date: string;
  readonly command: string;
  readonly clocks: { readonly sm: string } | null;
  readonly data: unknown;
}

interface Measured {
  readonly ceilings: readonly { readonly name: string }[];
  readonly rows: readonly { readonly name: string; readonly times: object }[];
}

interface Counted {
  readonly kernel: string;
  readonly perMatrix: number;
  readonly copiesPerMatrix: number;
  readonly occupancy: number;
  readonly predicted: { readonly label?: string };
}

interface How {
  /** Replacements of programs on PATH; null: there is none. */
  readonly programs?: Readonly<Record<string, string | null>>;
  /** What carried programs do instead. */
  readonly carried?: Readonly<Record<string, string>>;
  readonly archive?: string;
  readonly deadline?: number;
  readonly args?: readonly string[];
}

const gpu = `case "$1" in *name*) echo "Some GPU, 9.0, 580.1, 81559, 345, 2619, 1980, 2619, 700, 30";; *) echo "1980, 2619, 30";; esac`;
const passes = 'echo "[doctest] test cases:  1 |  1 passed"';

/** As ncu prints it, of a kernel of 64 matrix instructions and 16 copies in 1664 instructions. */
const counters = `
[ "$1" = --help ] && { echo "  --print-metric-instances arg (=none)  One of none, values, details"; exit; }
for each; do [ "$before" = --log-file ] && log=$each; before=$each; done
while [ "$1" != details ]; do shift; done; shift; "$@" || exit
cat > "$log" <<'END'
==PROF== Connected to process 1
"ID","Kernel Name","Block Size","Grid Size","launch__registers_per_thread","sm__warps_active.avg.pct_of_peak_sustained_active","smsp__inst_executed.sum","sass__inst_executed_per_opcode"
"","","","","register/thread","%","inst","inst"
"0","_ZN4heed4cuda1kE","(128, 1, 1)","(64, 1, 1)","255","12.5","1,664","1,664 (HMMA.16816.F32: 64; LDGSTS.E.BYPASS.128: 16; IMAD: 1,584)"
END`;

/** Compilers for building on the spot: they link what was made before, or a script. */
const compiler = (library: string) => String.raw`
case "$*" in *--version*) echo "release 13.0, V13.0.88"; exit;; *"-M -include"*) echo "null.o: /usr/include/doctest/doctest.h"; exit;; esac
for each; do [ "$before" = -o ] && out=$each; [ "$before" = -MF ] && echo "all: /dev/null" > "$each"; before=$each; done
case "$out" in */libheed_kernels.so) cp '${library}' "$out";; *_on_gpu) printf '#!/bin/sh\necho built here\n' > "$out"; chmod +x "$out";; *) : > "$out";; esac`;

describeWith(['python3', 'g++'], 'bench/gpu on a pretended GPU', function () {
  this.timeout(120_000);
  const at = temporaryDirectory();
  let runs = 0;

  function write(path: string, script: string) {
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
  }

  function python(script: string, args: readonly string[]) {
    const { status, stdout, stderr } = spawnSync('python3', ['-B', '-c', script, ...args], {
      cwd: folder,
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
    return stdout;
  }

  function pretended(name: string, otherwise: string) {
    const variable = `HEED_PRETEND_${name.toUpperCase()}`;
    return `[ "$1" = --count ] || if [ -n "$${variable}" ]; then eval "$${variable}"; else ${otherwise}; fi`;
  }

  before(() => {
    const made = at('made');
    mkdirSync(made);
    const source = join(folder, 'tests', 'pretended_device.cc');
    const library = join(made, 'libheed_kernels.so');
    const flags = ['-std=c++20', '-fPIC', '-shared', `-I${join(packageRoot, 'native')}`];
    const { status, stderr } = spawnSync('g++', [...flags, source, '-o', library], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    write(join(made, 'heed_wrappers_on_gpu'), pretended('wrappers', passes));
    write(join(made, 'heed_kernels_on_gpu'), pretended('kernels', passes));
    writeFileSync(join(made, 'libheed_emulated_wrappers.so'), 'pretended');
    const calls = '[{"name": "decode B1 32/8 D128 1k bfloat16", "perCall": 0.001004, "calls": 3}]';
    const asked = `case "$*" in *cudaStatus*) echo '{"compiled": true, "devices": [1]}';; *calls.mjs*) echo '${calls}';; esac`;
    write(join(made, 'node'), pretended('node', asked));
    writeFileSync(join(made, 'index.js'), '');
    const counts = { _ZN4heed4cuda1kE: { label: 'a kernel', perMatrix: 25.5, copiesPerMatrix: 0.25 } };
    writeFileSync(join(made, 'counts.json'), JSON.stringify(counts));
    const script = `
import sys, carried
from pathlib import Path
made = Path(sys.argv[1])
others = {"counts.json": "counts.json", "javascript/node": "node", "javascript/dist/lib/index.js": "index.js"}
others = {name: made / path for name, path in others.items()}
carried.pack(sys.argv[2], "90", made, others)
carried.pack(sys.argv[3], "80", made, others)
carried.sources = lambda: "others"
carried.pack(sys.argv[4], "90", made, others)`;
    python(script, [made, at('archive'), at('other-architecture'), at('other-sources')]);
    const whole = readFileSync(at('archive'));
    writeFileSync(at('cut'), whole.subarray(0, whole.length >> 1));
    const changed = Buffer.from(whole);
    changed[changed.length >> 1] ^= 255;
    writeFileSync(at('changed'), changed);
  });

  function rehearse(program: 'first' | 'run', how: How = {}) {
    const { programs = {}, carried = {}, archive = at('archive'), deadline = 60, args = [] } = how;
    const [bin, results, objects] = ['bin', 'results', 'build'].map((name) => at(`${runs}-${name}`)) as [
      string,
      string,
      string,
    ];
    runs++;
    mkdirSync(bin);
    const present = {
      'nvidia-smi': gpu,
      'compute-sanitizer': passes,
      ncu: counters,
      nvcc: 'exit 3',
      ...programs,
    };
    for (const [name, script] of Object.entries(present)) if (script !== null) write(join(bin, name), script);
    const { HEED_BACKEND: _, CUDACXX: __, ...given } = process.env;
    const env: NodeJS.ProcessEnv = { ...given, PATH: `${bin}:${process.env.PATH}` };
    for (const [name, script] of Object.entries(carried)) env[`HEED_PRETEND_${name.toUpperCase()}`] = script;
    const places = [
      '--archive',
      archive,
      '--results',
      results,
      '--build',
      objects,
      '--deadline',
      `${deadline}`,
    ];
    const began = performance.now();
    const ended = spawnSync(join(folder, program), [...places, ...args], { env, encoding: 'utf8' });
    const seconds = (performance.now() - began) / 1000;
    const lines = existsSync(join(results, `${program}.jsonl`))
      ? readFileSync(join(results, `${program}.jsonl`), 'utf8')
          .trim()
          .split('\n')
      : [];
    const steps: Line[] = lines.map((line) => JSON.parse(line));
    const step = (name: string) => {
      const found = steps.find((each) => each.step === name);
      assert.ok(found, `${name}: ${ended.stdout}${ended.stderr}`);
      return found;
    };
    const names = steps.map(({ step }) => step);
    return { ...ended, seconds, results, names, step };
  }

  it('takes every step of the first minutes, and keeps what each has found', () => {
    const { status, stdout, names, step } = rehearse('first');
    assert.equal(status, 0, stdout);
    assert.deepEqual(names, firstSteps);
    for (const name of names) {
      const { gpu, driver, clocks, date, command, status, note } = step(name);
      assert.equal(status, 'passed', `${name}: ${note}`);
      assert.deepEqual([gpu, driver, clocks?.sm], ['Some GPU', '580.1', '1980']);
      assert.ok(Math.abs(Date.parse(date) - Date.now()) < 600_000, date);
      assert.match(command, /^bench\/gpu\/first --archive/);
    }
    assert.equal(step('binaries').note, 'those that were carried');
    const { rows, ceilings } = step('rows').data as Measured;
    assert.equal(rows.length, 12);
    for (const { name, times } of rows) assert.ok('heed' in times, name);
    assert.equal(rows.filter(({ name }) => name.startsWith('paged ')).length, 3);
    const loops = ['matrix loop bfloat16', 'matrix loop float16', 'copy'];
    assert.deepEqual(
      ceilings.map(({ name }) => name),
      loops,
    );
    assert.match(stdout, /paged decode B8 .* 1 ms/);
    // 132 multiprocessors of 16 warps, 10,000 times 2 · 64 · 32 · 16 operations, in a millisecond.
    assert.match(stdout, /matrix loop bfloat16: 1384 TFLOP\/s/);
    const [counted] = step('counters').data as Counted[];
    assert.deepEqual([counted.perMatrix, counted.copiesPerMatrix, counted.occupancy], [26, 0.25, 12.5]);
    assert.equal(counted.predicted.label, 'a kernel');
    assert.match(step('counters').note, /a kernel: 26\.00 instructions .* \(predicted 25\.50\)/);
    assert.match(stdout, /from JavaScript, decode B1 .* 4\.0 µs over the kernel/);
  });

  it('takes every step of a longer lease, and keeps all of them in one file in the end', () => {
    const { status, stdout, names, step, results } = rehearse('run');
    assert.equal(status, 0, stdout);
    assert.deepEqual(names, runSteps);
    for (const name of names) assert.equal(step(name).status, 'passed', step(name).note);
    assert.ok((step('rows').data as Measured).rows.length > 50);
    assert.match(step('initcheck').note, /nothing found in 5 test cases/);
    const [file] = readdirSync(results).filter((name) => name.endsWith('-gpu.json'));
    const kept = JSON.parse(readFileSync(join(results, file), 'utf8'));
    assert.equal(kept.kind, 'gpu');
    assert.equal(kept.machine.name, 'Some GPU');
    assert.deepEqual(
      kept.steps.map(({ step }: Line) => step),
      runSteps,
    );
    assert.equal(kept.benchmark.rows.length, (step('rows').data as Measured).rows.length);
    assert.equal(kept.javascript[0].met, true);
    assert.ok(kept.commands.some((command: string) => command.includes('--tool=synccheck')));
  });

  const sanitizerFails = (tool: string) => `case "$1" in *${tool}) exit 9;; esac; ${passes}`;

  /** What is broken, what the notes of the steps then say, and which steps that leaves out. */
  const broken: readonly {
    readonly how: How;
    readonly notes: Readonly<Record<string, RegExp>>;
    readonly leftOut?: readonly string[];
  }[] = [
    {
      how: {
        carried: { wrappers: 'exit 77', node: 'exit 3' },
        programs: { ncu: 'echo broken; exit 4', 'compute-sanitizer': sanitizerFails('memcheck') },
      },
      notes: {
        wrappers: /ended with 77/,
        counters: /ended with 4.*\nbroken/,
        javascript: /ended with 3/,
        memcheck: /ended with 9/,
      },
    },
    {
      how: {
        carried: { refused: '1', kernels: 'exit 1' },
        programs: { ncu: 'exit 0', 'compute-sanitizer': sanitizerFails('racecheck') },
      },
      notes: {
        rows: /ended with 1/,
        counters: /counted no kernel/,
        kernels: /ended with 1/,
        racecheck: /ended with 9/,
      },
    },
    {
      how: { programs: { 'compute-sanitizer': 'echo "test cases: 0 |"' } },
      notes: { memcheck: /no test case/, racecheck: /no test case/ },
    },
    {
      how: { programs: { 'nvidia-smi': 'exit 9' } },
      notes: { machine: /names no GPU/ },
      leftOut: firstSteps.slice(1),
    },
    {
      how: { archive: 'nowhere' },
      notes: { binaries: /nothing usable was carried: .*\n.*Expected .*nvcc --version to name a release/ },
      leftOut: firstSteps.filter((name) => !/machine|binaries/.test(name)),
    },
  ];
  for (const { how, notes, leftOut = [] } of broken) {
    it(`notices what is broken (${Object.keys(notes).join(', ')}), and takes the other steps`, () => {
      const { status, step, names } = rehearse('first', {
        ...how,
        programs: { node: 'exit 1', ...how.programs },
      });
      assert.equal(status, 1);
      for (const name of names) {
        const { status, note } = step(name);
        const expected = name in notes ? 'FAILED' : leftOut.includes(name) ? 'skipped' : 'passed';
        // Without the archive, Node is that on PATH.
        if (how.archive === undefined || name !== 'javascript')
          assert.equal(status, expected, `${name}: ${note}`);
        if (name in notes) assert.match(note, notes[name]);
      }
    });
  }

  it('goes on without ncu and compute-sanitizer, and where counters are not permitted', () => {
    const refusal = '==ERROR== ERR_NVGPUCTRPERM - The user does not have permission';
    const without = rehearse('first', { programs: { ncu: null, 'compute-sanitizer': null } });
    assert.equal(without.status, 0, without.stdout);
    for (const name of ['counters', 'memcheck', 'racecheck']) {
      assert.equal(without.step(name).status, 'skipped');
      assert.match(without.step(name).note, /not installed/);
    }
    const forbidden = rehearse('first', { programs: { ncu: `echo "${refusal}"; exit 1` } });
    assert.equal(forbidden.status, 0, forbidden.stdout);
    assert.equal(forbidden.step('counters').status, 'skipped');
    assert.match(forbidden.step('counters').note, /not permitted/);
  });

  it('builds on the spot where what was carried is of other sources, and uses nothing of it', () => {
    const build = compiler(join(at('made'), 'libheed_kernels.so'));
    const node = `echo '{"compiled": false, "reason": "the Node of this machine"}'`;
    const { status, step, stdout } = rehearse('first', {
      archive: at('other-sources'),
      programs: { nvcc: build, 'g++': build, node },
    });
    assert.equal(status, 0, stdout);
    assert.match(step('binaries').note, /built here: it was built from other sources/);
    assert.match(stdout, /\nbuilt here\n/);
    assert.equal((step('rows').data as Measured).rows.length, 12);
    assert.match(step('counters').note, /not predicted/);
    assert.match(step('javascript').note, /the Node of this machine/);
  });

  it('uses nothing that is damaged, or was made for others', () => {
    const script = `
import sys, tempfile, carried
from steps import Steps
steps = Steps(60, sys.argv[1], lambda _: None)
for archive in sys.argv[2:]:
    with tempfile.TemporaryDirectory() as folder:
        print(carried.unpack(archive, folder, "90", steps))`;
    const archives = ['archive', 'cut', 'changed', 'other-architecture', 'other-sources'].map(at);
    const found = python(script, [at('unpack-logs'), ...archives])
      .trim()
      .split('\n');
    const expected = [/^None$/, /nothing usable/, /nothing usable/, /built for sm_80/, /other sources/];
    assert.equal(found.length, expected.length);
    for (const [i, line] of found.entries()) assert.match(line, expected[i]);
  });

  it('measures without doctest, and says that there is none', () => {
    const build = compiler(join(at('made'), 'libheed_kernels.so'));
    const without = `case "$*" in *"-M -include"*) exit 1;; esac\n${build}`;
    const programs = { nvcc: build, 'g++': without };
    const { status, step } = rehearse('first', { archive: 'nowhere', programs });
    assert.equal(status, 1);
    assert.equal(step('binaries').status, 'passed');
    assert.match(step('binaries').note, /the tests need doctest/);
    for (const name of ['wrappers', 'kernels', 'memcheck'])
      assert.match(step(name).note, /could not be built/);
    for (const name of ['rows', 'counters']) assert.equal(step(name).status, 'passed', step(name).note);
  });

  it('stops a step that hangs, and ends in time', () => {
    const { status, step, seconds } = rehearse('first', { carried: { kernels: 'sleep 100' }, deadline: 12 });
    assert.equal(status, 1);
    assert.equal(step('kernels').status, 'FAILED');
    // On a machine that is slow enough, the time is over before.
    assert.match(step('kernels').note, /was stopped after|no time left/);
    assert.ok(seconds < 30, `${seconds}`);
  });

  it('takes only the steps that are asked for, and what they need', () => {
    const { names, status } = rehearse('run', { args: ['--steps', 'wrappers'] });
    assert.equal(status, 0);
    assert.deepEqual(names, ['machine', 'binaries', 'wrappers']);
    const misspelt = rehearse('run', { args: ['--steps', 'wrapers'] });
    assert.equal(misspelt.status, 2);
    assert.match(misspelt.stderr, /Expected --steps to be of machine, .*, received wrapers/);
  });

  it('refuses a GPU that the kernels are not for', () => {
    const { status, step } = rehearse('run', { programs: { 'nvidia-smi': gpu.replace('9.0', '7.5') } });
    assert.equal(status, 1);
    assert.match(step('binaries').note, /compute capability 7\.5; heed's kernels need 8\.0/);
  });

  it('keeps what it has found elsewhere, where it may not write', () => {
    const file = at('no-folder');
    writeFileSync(file, '');
    const env = { ...process.env, TMPDIR: at('elsewhere') };
    mkdirSync(env.TMPDIR);
    const args = ['--results', join(file, 'results'), '--steps', 'machine'];
    const { stdout } = spawnSync(join(folder, 'run'), args, { env, encoding: 'utf8' });
    assert.match(stdout, /no-folder\/results cannot be written to/);
    const [, path] = /everything is in (.+)/.exec(stdout) ?? [];
    assert.ok(path?.startsWith(env.TMPDIR), stdout);
    assert.equal(JSON.parse(readFileSync(path, 'utf8')).kind, 'gpu');
  });

  it('refuses to pack more than can be carried', () => {
    const script = `
import sys, carried
from pathlib import Path
from steps import Failure
carried.MOST_BYTES = 1000
try:
    carried.pack(sys.argv[2], "90", Path(sys.argv[1]), {})
except Failure as failure:
    assert "Expected at most" in str(failure), failure
else:
    raise SystemExit("it was packed")`;
    python(script, [at('made'), at('too-large')]);
    assert.ok(!existsSync(at('too-large')));
  });

  it('has limits that come to the time of a whole run', () => {
    const script = `
import importlib.machinery, importlib.util, types, sys
for name, seconds in (("first", 300), ("run", 480)):
    loader = importlib.machinery.SourceFileLoader("program_" + name, name)
    module = types.ModuleType(loader.name)
    module.__file__ = sys.argv[1] + "/" + name
    loader.exec_module(module)
    nothing = type("Nothing", (), {"__getattr__": lambda *_: None})()
    total = sum(most for _, _, most, _ in module.plan(nothing))
    assert total <= seconds == module.SECONDS, (name, total)`;
    python(script, [folder]);
  });
});
