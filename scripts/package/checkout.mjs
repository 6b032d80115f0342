/** The sources of the package without anything built from them, so that nothing stale can get in. */
import { cpSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './run.mjs';

const about = ['package.json', 'README.md', 'CHANGELOG.md', 'LICENSE'];
const built = ['lib', 'examples', 'tsconfig.json', 'native', 'CMakeLists.txt', 'binding.gyp'];

export function freshCheckout(work) {
  const folder = join(work, 'checkout');
  for (const part of [...about, ...built]) {
    cpSync(join(root, part), join(folder, part), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}
