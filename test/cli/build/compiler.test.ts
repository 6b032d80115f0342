import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { seekCompiler } from '../../../lib/cli/build/compiler.js';
import { temporaryDirectory } from '../../support/temporary-directory.js';
import { keepVariables } from '../../support/variables.js';
import { script } from './fixture.js';

/** A compiler that defines these macros, and accepts or rejects every source. */
function compiler(macros: Readonly<Record<string, number>>, compiles = true): string {
  const lines = Object.entries(macros).map(([name, value]) => `echo "#define ${name} ${value}"`);
  const refuse = 'echo "<stdin>:5:10: fatal error: bit: No such file or directory" >&2; exit 1';
  return `case "$*" in *-dM*) ${lines.join(';')};; *) ${compiles ? 'true' : refuse};; esac`;
}

const gcc = (version: number, compiles = true) =>
  compiler({ __GNUC__: version, __GNUC_MINOR__: 3, __GNUC_PATCHLEVEL__: 1 }, compiles);
const clang = (version: number, more = {}) =>
  compiler({
    __GNUC__: 4,
    __clang__: 1,
    __clang_major__: version,
    __clang_minor__: 0,
    __clang_patchlevel__: 6,
    ...more,
  });

describe('the compiler that a build takes', () => {
  const at = temporaryDirectory();
  const restore = keepVariables();

  function among(programs: Readonly<Record<string, string>>, CXX?: string): ReturnType<typeof seekCompiler> {
    const bin = at('bin');
    rmSync(bin, { recursive: true, force: true });
    for (const [name, body] of Object.entries(programs)) script(bin, name, body);
    process.env.PATH = bin;
    delete process.env.CXX;
    if (CXX !== undefined) process.env.CXX = CXX;
    return seekCompiler();
  }

  afterEach(() => {
    restore();
  });

  it('is the default where that will do', () => {
    const { program, problems } = among({ 'c++': gcc(12), 'g++': gcc(14), 'g++-15': gcc(15) });
    assert.equal(program?.command, 'c++');
    assert.equal(program?.description, 'GCC 12.3.1');
    assert.deepEqual(problems, []);
  });

  for (const [name, programs, command, description] of [
    [
      'GCC is too old',
      { 'c++': gcc(11), 'g++': gcc(11), 'g++-12': gcc(12), 'g++-9': gcc(9) },
      'g++-12',
      'GCC 12.3.1',
    ],
    ['there are several', { 'c++': gcc(10), 'g++-12': gcc(12), 'g++-14': gcc(14) }, 'g++-14', 'GCC 14.3.1'],
    ['there is only Clang', { 'c++': clang(14), 'clang++-16': clang(16) }, 'clang++-16', 'Clang 16.0.6'],
    ['Clang is old', { 'clang++': clang(14), 'g++': gcc(13) }, 'g++', 'GCC 13.3.1'],
    ['headers are missing', { 'c++': gcc(13, false), 'clang++': clang(15) }, 'clang++', 'Clang 15.0.6'],
    ['the default does not run', { 'c++': 'exit 127', 'g++': gcc(12) }, 'g++', 'GCC 12.3.1'],
  ] as const) {
    it(`is another where ${name}`, () => {
      const { program, problems } = among(programs);
      assert.equal(program?.command, command);
      assert.equal(program?.description, description);
      assert.ok(problems.length > 0 || !('c++' in programs));
    });
  }

  it('may be one that heed is not tested with, and is told to be', () => {
    const apple = clang(15, { __apple_build_version__: 15000309 });
    assert.equal(
      among({ 'c++': apple }).program?.description,
      'Apple clang 15.0.6 (heed is not tested with it)',
    );
    assert.equal(
      among({ 'c++': compiler({ __EDG__: 1 }) }).program?.description,
      'a compiler of another kind (heed is not tested with it)',
    );
  });

  it('is none where none will do, and every reason is told', () => {
    const { program, problems } = among({ 'c++': gcc(11), 'clang++': clang(14), 'g++-13': gcc(13, false) });
    assert.equal(program, undefined);
    assert.equal(problems.length, 3);
    assert.match(problems[0], /\/c\+\+ is GCC 11\.3\.1, and heed needs GCC 12 or Clang 15, or later$/);
    assert.match(
      problems[1],
      /\/g\+\+-13 is GCC 13\.3\.1, and does not compile C\+\+20: .*fatal error: bit: No such file/,
    );
    assert.match(problems[2], /\/clang\+\+ is Clang 14\.0\.6, and heed needs/);
  });

  it('is the one that CXX names, or none', () => {
    const programs = { 'c++': gcc(11), mine: gcc(12), ccache: 'shift; exec mine "$@"' };
    assert.equal(among(programs, 'mine').program?.command, 'mine');
    assert.equal(among(programs, `${at('bin')}/mine`).program?.path, `${at('bin')}/mine`);
    assert.equal(among(programs, 'mine -m64').program?.command, 'mine -m64');
    const old = among({ ...programs, 'g++': gcc(13) }, 'c++');
    assert.equal(old.program, undefined);
    assert.match(old.problems[0], /\/c\+\+, which CXX names, is GCC 11/);
    assert.match(among(programs, 'nope').problems[0], /CXX is 'nope', which was not found/);
  });
});
