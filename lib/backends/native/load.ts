/** Finding the addon and loading it. */
import { existsSync } from 'node:fs';

import nodeModule = require('node:module');
import path = require('node:path');

import bindings from 'bindings';
import { environment } from '../../environment.js';
import { installedForBundle, isBundled, packageRoot, version } from '../../package-root.js';
import type { Addon } from './addon.js';

// nft and ncc copy what `createRequire`, called by this name, and __dirname lead to; they follow no other way of writing it.
const { createRequire } = nodeModule;

/** What `heed build` makes. */
const builtPlace = ['build', 'Release', 'heed.node'] as const;

/** What test builds make beside it: an addon whose GPUs are emulated. */
const emulatedPlace = ['build', 'emulated', 'heed.node'] as const;

export interface Loaded {
  readonly addon?: Addon;
  readonly path?: string;
  /** Every place that was looked at, and what was wrong with it. */
  readonly tried: readonly string[];
  /** Why nothing was loaded. */
  readonly why?: string;
}

/** The first line, "undefined symbol: …", rather than the list of what required what, which follows it. */
function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0];
}

/** A package with an addon in it. */
interface AddonPackage {
  readonly manifest: () => { readonly version?: string };
  readonly load: () => Partial<Addon>;
}

/** By name: heed's optional dependencies. The one with kernels for GPUs comes first. */
function packagesSeenFrom(root: string): Record<string, AddonPackage> {
  const fromHeed = createRequire(path.join(root, 'package.json'));
  return {
    'heed-linux-x64-cuda': {
      manifest: () => fromHeed('heed-linux-x64-cuda/package.json'),
      load: () => fromHeed('heed-linux-x64-cuda/heed.node'),
    },
    'heed-linux-x64': {
      manifest: () => fromHeed('heed-linux-x64/package.json'),
      load: () => fromHeed('heed-linux-x64/heed.node'),
    },
  };
}

/** Those for machines of this kind. */
export const addonPackages: readonly string[] = Object.keys(packagesSeenFrom(packageRoot)).filter((name) =>
  `${name}-`.startsWith(`heed-${process.platform}-${process.arch}-`),
);

/** The folder of a package as `root` would find it. Throws why it is of no use. */
function folderOfPackage(name: string, root: string): string {
  let folder: string;
  let other: string | undefined;
  try {
    folder = path.dirname(createRequire(path.join(root, 'package.json')).resolve(`${name}/package.json`));
    other = packagesSeenFrom(root)[name].manifest().version;
  } catch {
    throw new Error('not installed');
  }
  // The two talk to each other in a way of their own, which every version may change.
  if (version !== other) throw new Error(`its version is ${other}, that of heed is ${version}`);
  return folder;
}

/** Addons for machines of this kind that were built elsewhere and are installed. */
export function prebuiltAddons(root = packageRoot): string[] {
  return addonPackages.flatMap((name) => {
    try {
      return [path.join(folderOfPackage(name, root), 'heed.node')];
    } catch {
      return [];
    }
  });
}

/** What build tools have made in a folder. */
function loadBuilt(folder: string, place: readonly string[]): Partial<Addon> {
  return bindings({ bindings: 'heed', module_root: folder, try: [['module_root', ...place]] });
}

/** Whatever the file is called, and where there is no way to `require` what a bundler has not seen. */
function open(file: string): Partial<Addon> {
  const module: { exports: Partial<Addon> } = { exports: {} };
  process.dlopen(module, file);
  return module.exports;
}

/** The two talk to each other in a way of their own, which every version may change. */
function expectOwn(addon: Partial<Addon>): Addon {
  if (addon.version === undefined) throw new Error('it is the addon of something else');
  if (addon.version !== version)
    throw new Error(`its version is ${addon.version}, that of heed is ${version}`);
  return addon as Addon;
}

/** One place after the other, until an addon loads. */
class Search {
  readonly tried: string[] = [];
  #why: string;

  constructor(why: string) {
    this.#why = why;
  }

  /** That nothing is there says nothing of why an addon does not load. */
  note(attempt: string): void {
    this.tried.push(attempt);
  }

  attempt(file: string, load: () => Partial<Addon>): Loaded | undefined {
    if (!existsSync(file)) {
      this.note(`${file}: not there`);
      return undefined;
    }
    try {
      return { addon: expectOwn(load()), path: file, tried: this.tried };
    } catch (error) {
      this.#why = reasonOf(error);
      this.note(`${file}: ${this.#why}`);
      return undefined;
    }
  }

  attemptPackage(name: string, root: string): Loaded | undefined {
    try {
      const file = path.join(folderOfPackage(name, root), 'heed.node');
      return this.attempt(file, packagesSeenFrom(root)[name].load);
    } catch (error) {
      this.note(`${name}: ${reasonOf(error)}`);
      return undefined;
    }
  }

  inVain(): Loaded {
    return { tried: this.tried, why: this.#why };
  }
}

/** The file that HEED_ADDON names: no other will do. */
function loadNamed(file: string): Loaded {
  const search = new Search(`${file}, which HEED_ADDON names, is not there`);
  return search.attempt(file, () => open(file)) ?? search.inVain();
}

/** Where a bundler has copied the addon to: one that follows this expression writes a path of its own in its place. */
function copiedAddon(): string | undefined {
  let file: string;
  try {
    file = path.join(__dirname, '../../../../build/Release/heed.node');
  } catch {
    // An ES module has no __dirname, and here nobody has put anything in its place.
    return undefined;
  }
  const folder = typeof __dirname === 'string' ? path.resolve(__dirname, '../../../..') : '';
  return file === path.join(folder, ...builtPlace) ? undefined : file;
}

/** A bundle has heed's code without heed's files. They may have been copied along with it, or be installed where it runs. */
function loadForBundle(): Loaded {
  const search = new Search('heed was bundled, and its addon was left behind');
  const copy = copiedAddon();
  const loaded = copy && search.attempt(copy, () => open(copy));
  if (loaded) return loaded;
  const installed = installedForBundle();
  if ('complaint' in installed) {
    search.note(installed.complaint);
    return search.inVain();
  }
  return searchFrom(installed.root, open);
}

/**
 * Loads what HEED_ADDON names. Else looks for what was built here, which somebody has asked for, and then for what was
 * built elsewhere.
 */
export function loadAddon(root?: string): Loaded {
  const { addon } = environment();
  if (addon !== undefined) return loadNamed(addon);
  if (root === undefined && isBundled()) return loadForBundle();
  const folder = root ?? packageRoot;
  return searchFrom(folder, () => loadBuilt(folder, builtPlace));
}

function searchFrom(root: string, load: (file: string) => Partial<Addon>): Loaded {
  const search = new Search('it is not built');
  const file = path.join(root, ...builtPlace);
  const built = search.attempt(file, () => load(file));
  if (built !== undefined) return built;
  for (const name of addonPackages) {
    const found = search.attemptPackage(name, root);
    if (found !== undefined) return found;
  }
  return search.inVain();
}

/** The addon of test builds: no other will do. */
export function loadEmulatedAddon(root = packageRoot): Loaded {
  const search = new Search('it is not built');
  const load = () => loadBuilt(root, emulatedPlace);
  return search.attempt(path.join(root, ...emulatedPlace), load) ?? search.inVain();
}
