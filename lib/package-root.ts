/** The folder of heed's package.json. In a bundle it is not where this code is, or does not exist. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';

/** This module is compiled to dist/lib. A bundle that is an ES module has no __dirname. */
export const packageRoot = resolve(typeof __dirname === 'string' ? __dirname : '', '../..');

/** The content of the package.json in a folder. Throws if there is none. */
function manifestIn(folder: string): { readonly name?: string; readonly version?: string } {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}

/** Whether a bundler has copied this module into another file, whose neighbours are not heed's files. */
export function isBundled(): boolean {
  if (typeof __dirname !== 'string') return true;
  try {
    const isHeed = manifestIn(packageRoot).name === 'heed';
    return !isHeed || !existsSync(join(packageRoot, 'dist/lib/package-root.js'));
  } catch {
    return true;
  }
}

/** The installed heed that a bundle finds in node_modules, or why it cannot be used. */
export type Installed = { readonly root: string } | { readonly complaint: string };

/**
 * Searches from the bundle and from the program that has loaded it; never from the working directory, which
 * anyone may control.
 */
export function installedForBundle(): Installed {
  const bundle = typeof __filename === 'string' ? __filename : undefined;
  let complaint = 'heed in node_modules: not installed where the bundle runs';
  for (const file of [bundle, process.argv[1]]) {
    if (file === undefined) continue;
    try {
      const root = dirname(createRequire(file).resolve('heed/package.json'));
      const other = manifestIn(root).version;
      if (other === version) return { root };
      complaint = `${root}: its version is ${other}, that of heed in the bundle is ${version}`;
    } catch {
      // Nothing is installed there, or it is not the path of a file.
    }
  }
  return { complaint };
}

/** Which heed this is: what package.json says, which a bundle does not have. */
export const version = '0.1.0';
