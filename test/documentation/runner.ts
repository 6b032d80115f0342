/**
 * A folder in which `heed` is installed, as for the reader of a document, and functions that run code there.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import ts from 'typescript';

export const root = join(__dirname, '..', '..', '..');

export interface Printed {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: number | null;
}

export class Workshop {
  readonly folder = mkdtempSync(join(tmpdir(), 'heed-documentation-'));

  constructor() {
    const modules = join(this.folder, 'node_modules');
    const command = join(modules, '.bin', 'heed');
    mkdirSync(join(modules, '@types'), { recursive: true });
    mkdirSync(join(modules, '.bin'));
    symlinkSync(root, join(modules, 'heed'));
    symlinkSync(join(root, 'node_modules', '@types', 'node'), join(modules, '@types', 'node'));
    symlinkSync(join(root, 'node_modules', 'undici-types'), join(modules, 'undici-types'));
    writeFileSync(join(this.folder, 'package.json'), '{ "private": true }\n');
    writeFileSync(command, `#!/bin/sh\nexec node ${join(root, 'dist', 'lib', 'cli', 'main.js')} "$@"\n`);
    chmodSync(command, 0o755);
  }

  write(name: string, code: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, code);
    return path;
  }

  run(command: string, args: readonly string[], cwd = this.folder): Printed {
    const bin = join(this.folder, 'node_modules', '.bin');
    const { stdout, stderr, status } = spawnSync(command, args, {
      cwd,
      encoding: 'utf8',
      env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}`, HEED_TEST_REPORT: undefined },
      timeout: 120_000,
    });
    return { stdout, stderr, status };
  }

  dispose(): void {
    rmSync(this.folder, { recursive: true });
  }
}

/** Compiles a TypeScript module next to itself and returns the compiler's errors. */
export function compile(path: string): string[] {
  const program = ts.createProgram([path], {
    strict: true,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    types: ['node'],
    skipLibCheck: true,
  });
  const { diagnostics } = program.emit();
  return [...ts.getPreEmitDiagnostics(program), ...diagnostics].map((diagnostic) =>
    ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n'),
  );
}
