/** Copies the sources of the package without build output, so that nothing stale is included. */
import { cpSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './run.mjs';

const about = ['package.json', 'package-lock.json', '.npmrc', 'README.md', 'CHANGELOG.md', 'LICENSE'];
// Everything that is compiled together, although the package contains only part of it.
const built = [
  'lib',
  'test',
  'bench',
  'examples',
  'tsconfig.json',
  'native',
  'CMakeLists.txt',
  'binding.gyp',
  'scripts/compile-typescript.mjs',
];

/** The installed packages of an example are not sources. */
function isPackages(path) {
  return path.endsWith('node_modules');
}

export function freshCheckout(work) {
  const folder = join(work, 'checkout');
  for (const part of [...about, ...built]) {
    cpSync(join(root, part), join(folder, part), { recursive: true, filter: (path) => !isPackages(path) });
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}
