/** Finding the addon and loading it. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import bindings from 'bindings';
import { packageRoot } from '../package-root.js';
import type { Addon } from './addon.js';

/** What `heed build` makes. */
const builtPlace = ['build', 'Release', 'heed.node'] as const;

/** What test builds make beside it: an addon whose GPUs are emulated. */
const emulatedPlace = ['build', 'emulated', 'heed.node'] as const;

/** Packages with an addon for machines of this kind, heed's optional dependencies: the one with kernels for GPUs comes first. */
export const addonPackages: readonly string[] = ['-cuda', ''].map(
  (suffix) => `heed-${process.platform}-${process.arch}${suffix}`,
);

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

function versionIn(folder: string): string {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version;
}

/** The folder of a package as `root` would find it. Throws why it is of no use. */
function folderOfPackage(name: string, root: string): string {
  let folder: string;
  try {
    folder = dirname(createRequire(join(root, 'package.json')).resolve(`${name}/package.json`));
  } catch {
    throw new Error('not installed');
  }
  // The two talk to each other in a way of their own, which every version may change.
  const [own, other] = [versionIn(packageRoot), versionIn(folder)];
  if (own !== other) throw new Error(`its version is ${other}, that of heed is ${own}`);
  return folder;
}

/** Addons for machines of this kind that were built elsewhere and are installed. */
export function prebuiltAddons(root = packageRoot): string[] {
  return addonPackages.flatMap((name) => {
    try {
      return [join(folderOfPackage(name, root), 'heed.node')];
    } catch {
      return [];
    }
  });
}

function loadFrom(folder: string, place: readonly string[]): Addon {
  return bindings({ bindings: 'heed', module_root: folder, try: [['module_root', ...place]] });
}

/** One place after the other, until an addon loads. */
class Search {
  readonly tried: string[] = [];
  #why = 'it is not built';

  /** That nothing is there says nothing of why an addon does not load. */
  note(attempt: string): void {
    this.tried.push(attempt);
  }

  attempt(folder: string, place: readonly string[]): Loaded | undefined {
    const path = join(folder, ...place);
    if (!existsSync(path)) {
      this.note(`${path}: not there`);
      return undefined;
    }
    try {
      return { addon: loadFrom(folder, place), path, tried: this.tried };
    } catch (error) {
      this.#why = reasonOf(error);
      this.note(`${path}: ${this.#why}`);
      return undefined;
    }
  }

  inVain(): Loaded {
    return { tried: this.tried, why: this.#why };
  }
}

/** Looks for what was built here, which somebody has asked for, and then for what was built elsewhere. */
export function loadAddon(root = packageRoot): Loaded {
  const search = new Search();
  const built = search.attempt(root, builtPlace);
  if (built !== undefined) return built;
  for (const name of addonPackages) {
    let folder: string;
    try {
      folder = folderOfPackage(name, root);
    } catch (error) {
      search.note(`${name}: ${reasonOf(error)}`);
      continue;
    }
    const found = search.attempt(folder, ['heed.node']);
    if (found !== undefined) return found;
  }
  return search.inVain();
}

/** The addon of test builds: no other will do. */
export function loadEmulatedAddon(root = packageRoot): Loaded {
  const search = new Search();
  return search.attempt(root, emulatedPlace) ?? search.inVain();
}
