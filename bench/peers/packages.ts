/** Loads the packages that heed is measured against from bench/node_modules; only this file looks there. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { packageRoot } from '../../lib/package-root.js';

const peerRequire = createRequire(join(packageRoot, 'bench', 'package.json'));

/** @template Exports the part that is used: the packages are not installed when this is compiled */
export function loadPeer<Exports>(name: string): Exports {
  return peerRequire(name) as Exports;
}

export function peerVersions(): Record<string, string> {
  const { dependencies } = peerRequire('./package.json') as { dependencies: Record<string, string> };
  return Object.fromEntries(
    Object.keys(dependencies).map((name) => {
      const { version } = peerRequire(join(packageRoot, 'bench/node_modules', name, 'package.json')) as {
        version: string;
      };
      return [name, version];
    }),
  );
}
