import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { instructionSets } from '../../../lib/instruction-sets.js';
import { packageRoot } from '../../../lib/package-root.js';
import { describeWith } from '../../support/programs.js';

/** The object files of cmake-js and node-gyp. */
function objectsOf(instructionSet: string): string[] {
  const cmake = ['CMakeFiles', `heed_kernels_${instructionSet}.dir`];
  const gyp = ['build', 'Release', 'obj.target', `heed_kernels_${instructionSet}`];
  const folders = ['', '-for-this-machine'].flatMap((kind) => [
    join(packageRoot, 'build', `cmake${kind}`, ...cmake),
    join(packageRoot, 'build', `node-gyp${kind}`, ...gyp),
  ]);
  return folders
    .filter((folder) => existsSync(folder))
    .flatMap((folder) =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.o'))
        .map((file) => join(folder, file)),
    );
}

interface Symbol {
  readonly kind: string;
  readonly name: string;
}

function definedSymbols(object: string): Symbol[] {
  const { status, stdout, stderr } = spawnSync('nm', ['--defined-only', '--demangle', object], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  return stdout
    .trim()
    .split('\n')
    .map((line) => /^[0-9a-f]+ (\S) (.*)$/.exec(line))
    .map((match) => ({ kind: match?.[1] ?? '?', name: match?.[2] ?? '?' }));
}

/** The linker keeps one of these for the whole addon, from any unit. */
function isShared({ kind }: Symbol): boolean {
  return 'wWvVu'.includes(kind);
}

/** Upper case: visible to other units. */
function isVisible({ kind }: Symbol): boolean {
  return kind === kind.toUpperCase();
}

// If every unit has a copy of a function, the linker might keep the one from the unit of the newest
// instruction set, which would end the process on an older processor, in code unrelated to kernels.
describeWith(['nm'], 'units compiled for one instruction set', () => {
  const units = instructionSets.flatMap((set) => objectsOf(set).map((object) => ({ set, object })));

  it('are there to look at', () => {
    assert.ok(
      units.some(({ set }) => set === 'baseline'),
      'heed has not been built here',
    );
  });

  for (const { set, object } of units) {
    it(`share no definition with other units, and show them nothing but their kernels: ${set}`, () => {
      const symbols = definedSymbols(object);
      const own = `heed::cpu::${set}::`;
      assert.ok(symbols.some(({ name }) => name.startsWith(own)));
      const foreign = symbols.filter((symbol) => isShared(symbol) || isVisible(symbol));
      assert.deepEqual(
        foreign.filter(({ name }) => !name.includes(own)),
        [],
      );
    });
  }
});
