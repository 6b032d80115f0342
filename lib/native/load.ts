/** Finding the addon and loading it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import bindings from 'bindings';
import { packageRoot } from '../package-root.js';
import type { Addon } from './addon.js';

/** Where the addon may lie in the package, in the order in which it is looked for. */
export const addonPlaces: readonly (readonly string[])[] = [
  ['prebuilds', `${process.platform}-${process.arch}`, 'heed.node'],
  ['build', 'Release', 'heed.node'],
];

export interface Loaded {
  readonly addon?: Addon;
  readonly path?: string;
  /** Every place that was looked at, and what was wrong with it. */
  readonly tried: readonly string[];
  /** Why nothing was loaded. */
  readonly why?: string;
}

/** The last line that says something: "undefined symbol: …" rather than the list of what required what. */
function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0];
}

export function loadAddon(root = packageRoot): Loaded {
  const tried: string[] = [];
  let why = 'it is not built';
  for (const place of addonPlaces) {
    const path = join(root, ...place);
    if (!existsSync(path)) {
      tried.push(`${path}: not there`);
      continue;
    }
    try {
      const addon: Addon = bindings({
        bindings: 'heed',
        module_root: root,
        try: [['module_root', ...place]],
      });
      return { addon, path, tried };
    } catch (error) {
      why = reasonOf(error);
      tried.push(`${path}: ${why}`);
    }
  }
  return { tried, why };
}
