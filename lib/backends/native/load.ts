/** Finding the addon and loading it. */
import { existsSync } from 'node:fs';

import nodeModule = require('node:module');
import path = require('node:path');

import bindings from 'bindings';
import { environment } from '../../environment.js';
import { installedForBundle, isBundled, packageRoot, version } from '../../package-root.js';
import type { Addon } from './addon.js';

// nft and ncc trace files through `createRequire`, called by this name, and __dirname, and in no other form.
const { createRequire } = nodeModule;

/** What `heed build` makes. */
const builtPlace = ['build', 'Release', 'heed.node'] as const;

/** The addon of test builds, whose GPUs are emulated. */
const emulatedPlace = ['build', 'emulated', 'heed.node'] as const;

export interface Loaded {
  readonly addon?: Addon;
  readonly path?: string;
  /** Every place that was tried, and why it failed. */
  readonly tried: readonly string[];
  /** Why nothing was loaded. */
  readonly why?: string;
}

/** The first line, "undefined symbol: …", without the list of requiring modules that follows it. */
function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0];
}

/** A package that contains an addon. */
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

/** The folder of a package, resolved from `root`. Throws if it cannot be used, with the reason. */
function folderOfPackage(name: string, root: string): string {
  let folder: string;
  let other: string | undefined;
  try {
    folder = path.dirname(createRequire(path.join(root, 'package.json')).resolve(`${name}/package.json`));
    other = packagesSeenFrom(root)[name].manifest().version;
  } catch {
    throw new Error('not installed');
  }
  // Every version may change the interface between heed and its addon.
  if (version !== other) throw new Error(`its version is ${other}, that of heed is ${version}`);
  return folder;
}

/** Installed prebuilt addons for machines of this kind. */
export function prebuiltAddons(root = packageRoot): string[] {
  return addonPackages.flatMap((name) => {
    try {
      return [path.join(folderOfPackage(name, root), 'heed.node')];
    } catch {
      return [];
    }
  });
}

/** The addon that build tools have made in a folder. */
function loadBuilt(folder: string, place: readonly string[]): Partial<Addon> {
  return bindings({ bindings: 'heed', module_root: folder, try: [['module_root', ...place]] });
}

/** Loads a file of any name, even where `require` only finds what a bundler has seen. */
function open(file: string): Partial<Addon> {
  const module: { exports: Partial<Addon> } = { exports: {} };
  process.dlopen(module, file);
  return module.exports;
}

/** Every version may change the interface between heed and its addon. */
function expectOwn(addon: Partial<Addon>): Addon {
  if (addon.version === undefined) throw new Error('it is the addon of another package');
  if (addon.version !== version)
    throw new Error(`its version is ${addon.version}, that of heed is ${version}`);
  return addon as Addon;
}

/** Tries one place after the other, until an addon loads. */
class Search {
  readonly tried: string[] = [];
  #why: string;

  constructor(why: string) {
    this.#why = why;
  }

  /** A missing file does not explain why an addon cannot be loaded. */
  note(attempt: string): void {
    this.tried.push(attempt);
  }

  attempt(file: string, load: () => Partial<Addon>): Loaded | undefined {
    if (!existsSync(file)) {
      this.note(`${file}: not found`);
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

/** Only the file that HEED_ADDON names. */
function loadNamed(file: string): Loaded {
  const search = new Search(`${file}, which HEED_ADDON names, does not exist`);
  return search.attempt(file, () => open(file)) ?? search.inVain();
}

/**
 * The copy of the addon that a bundler has made: a bundler that traces this expression replaces it by its own
 * path.
 */
function copiedAddon(): string | undefined {
  let file: string;
  try {
    file = path.join(__dirname, '../../../../build/Release/heed.node');
  } catch {
    // An ES module has no __dirname, and no bundler has replaced it.
    return undefined;
  }
  const folder = typeof __dirname === 'string' ? path.resolve(__dirname, '../../../..') : '';
  return file === path.join(folder, ...builtPlace) ? undefined : file;
}

/**
 * A bundle contains heed's code without heed's files. They may have been copied with it, or be installed
 * where it runs.
 */
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
 * Loads the addon that HEED_ADDON names. Otherwise prefers one that was built here, on request, to one that
 * was built elsewhere.
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

/** Only the addon of test builds. */
export function loadEmulatedAddon(root = packageRoot): Loaded {
  const search = new Search('it is not built');
  const load = () => loadBuilt(root, emulatedPlace);
  return search.attempt(path.join(root, ...emulatedPlace), load) ?? search.inVain();
}
