/** Loads heed's JavaScript again in this process, like test runners and hot reloading. */
import { join, resolve, sep } from 'node:path';
import type * as Heed from '../../lib/index.js';

export type Copy = typeof Heed;

export const root = resolve(__dirname, '../../..');
const entry = join(root, 'dist', 'lib', 'index.js');

const isOurs = (path: string) => path.startsWith(join(root, 'dist', 'lib') + sep);

/** @param withAddon loads the addon again, too */
export function loadAnew(withAddon = false): Copy {
  const before = { ...require.cache };
  for (const path of Object.keys(require.cache)) {
    if (isOurs(path) || (withAddon && path.endsWith('.node'))) delete require.cache[path];
  }
  try {
    return require(entry);
  } finally {
    Object.assign(require.cache, before);
  }
}
