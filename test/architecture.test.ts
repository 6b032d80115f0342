/** Checks the order of the files of lib/ and the paths that docs/architecture.md names. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import ts from 'typescript';
import { packageRoot } from '../lib/package-root.js';

interface Imports {
  /** Every imported file, including those imported only for a type. */
  readonly all: readonly string[];
  /** The files that are loaded at run time. */
  readonly loaded: readonly string[];
}

function isForTypes(statement: ts.ImportDeclaration | ts.ExportDeclaration): boolean {
  if (ts.isExportDeclaration(statement)) {
    const { exportClause, isTypeOnly } = statement;
    const names = exportClause && ts.isNamedExports(exportClause) ? exportClause.elements : undefined;
    return isTypeOnly || (names?.every((name) => name.isTypeOnly) ?? false);
  }
  const clause = statement.importClause;
  if (clause === undefined) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const names = clause.namedBindings;
  if (clause.name || !names || !ts.isNamedImports(names)) return false;
  return names.elements.every((name) => name.isTypeOnly);
}

function importsOf(file: string): Imports {
  const source = readFileSync(join(packageRoot, file), 'utf8');
  const all: string[] = [];
  const loaded: string[] = [];
  for (const statement of ts.createSourceFile(file, source, ts.ScriptTarget.Latest).statements) {
    if (!ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement)) continue;
    const specifier = statement.moduleSpecifier;
    if (specifier === undefined || !ts.isStringLiteral(specifier) || !specifier.text.startsWith('.'))
      continue;
    const target = normalize(join(dirname(file), specifier.text.replace(/js$/, 'ts')));
    all.push(target);
    if (!isForTypes(statement)) loaded.push(target);
  }
  return { all, loaded };
}

/** All of lib/. A .mts file re-exports the .ts file of the same name. */
const files = readdirSync(join(packageRoot, 'lib'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => `lib/${file}`);
const graph = new Map(files.map((file) => [file, importsOf(file)]));

/** The chain of imports that leads from a file back to itself. */
function circleFrom(file: string, above: readonly string[], done: Set<string>): string[] | undefined {
  if (above.includes(file)) return [...above.slice(above.indexOf(file)), file];
  if (done.has(file)) return undefined;
  for (const below of graph.get(file)?.all ?? []) {
    const circle = circleFrom(below, [...above, file], done);
    if (circle) return circle;
  }
  done.add(file);
  return undefined;
}

/** The longest chain of run-time imports from a file down, among the given files. */
function tower(file: string, within: readonly string[], known = new Map<string, string[]>()): string[] {
  const chain = known.get(file);
  if (chain) return chain;
  const below = (graph.get(file)?.loaded ?? [])
    .filter((imported) => within.includes(imported))
    .map((imported) => tower(imported, within, known));
  const longest = below.reduce((most, other) => (other.length > most.length ? other : most), []);
  const whole = [file, ...longest];
  known.set(file, whole);
  return whole;
}

describe('the files of lib/', () => {
  it('import each other in no circle, not even for types', () => {
    const done = new Set<string>();
    for (const file of files) assert.equal(circleFrom(file, [], done), undefined);
  });

  it('have problems at their ground: nothing below knows a backend', () => {
    const ground = /^lib\/(problem\/|tensor\/(types|elements)\.ts|memory\/device\.ts|errors\.ts)/;
    for (const file of files.filter((each) => each.startsWith('lib/problem/'))) {
      for (const below of tower(file, files)) assert.match(below, ground, file);
      for (const imported of graph.get(file)?.all ?? []) assert.match(imported, ground, file);
    }
  });

  const isProgram = (file: string) => /^lib\/(cli|demo)\//.test(file);
  const isModel = (file: string) => /^lib\/models(\/|\.ts$)/.test(file);
  const isLibrary = (file: string) => !isProgram(file) && !isModel(file);
  for (const [name, part] of [
    ['the library', files.filter(isLibrary)],
    ['models, which stand on it', files.filter(isModel)],
    ['the command and the demonstration, which stand on it', files.filter(isProgram)],
  ] as const) {
    it(`have at most 12 floors: ${name}`, () => {
      for (const file of part) {
        const chain = tower(file, part);
        assert.ok(chain.length <= 12, chain.join('\n'));
      }
    });
  }

  it('leave models, the command and the demonstration out of the library, and the latter two out of models', () => {
    for (const file of files.filter(isLibrary)) {
      assert.ok(!graph.get(file)?.all.some((imported) => !isLibrary(imported)), file);
    }
    for (const file of files.filter(isModel)) assert.ok(!graph.get(file)?.all.some(isProgram), file);
  });
});

describe('docs/architecture.md', () => {
  const page = readFileSync(join(packageRoot, 'docs/architecture.md'), 'utf8');

  it('names only paths that exist', () => {
    const paths = [...page.matchAll(/`((?:lib|native|test|bench|scripts|docs|examples)\/[^`\s]*)`/g)];
    assert.ok(paths.length > 60, 'where have the paths gone?');
    const missing = paths.map(([, path]) => path).filter((path) => !existsSync(join(packageRoot, path)));
    assert.deepEqual(missing, []);
  });

  it('answers at least 20 questions of where something is', () => {
    const [, table] = page.split('## Where is …?');
    const rows = table.split('\n## ')[0].match(/^\| (?!---|where)/gm) ?? [];
    assert.ok(rows.length >= 20, `${rows.length} questions`);
  });
});
