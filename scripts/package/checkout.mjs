/** The sources of the package without anything built from them, so that nothing stale can get in. */
import { cpSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './run.mjs';

const about = ['package.json', 'package-lock.json', '.npmrc', 'README.md', 'CHANGELOG.md', 'LICENSE'];
// All that is compiled together, though the package has but a part of it.
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

/** What an example is made with is none of its sources. */
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
