/** Replacements for compilers and build tools: each records that it was run, and fails. */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const compilers = [
  'cc',
  'c++',
  'gcc',
  'g++',
  'clang',
  'clang++',
  'cmake',
  'ninja',
  'make',
  'node-gyp',
  'python',
  'python3',
];

/** Writes them to `folder`; `shell` is for managers whose script shell can be configured. */
export function decoys(folder) {
  mkdirSync(folder, { recursive: true });
  const notes = join(folder, 'notes.txt');
  for (const name of [...compilers, 'script-shell']) {
    const file = join(folder, name);
    writeFileSync(file, `#!/bin/sh\necho "${name} $*" >> '${notes}'\nexit 1\n`);
    chmodSync(file, 0o755);
  }
  const sprung = () => (existsSync(notes) ? readFileSync(notes, 'utf8') : '');
  return { folder, shell: join(folder, 'script-shell'), sprung };
}
