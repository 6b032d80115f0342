/** Whether there is an addon that serves as it is. */
import { existsSync, lstatSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { prebuiltAddons } from '../../backends/native/load.js';
import { environment } from '../../environment.js';
import { portrait } from '../addon/portrait.js';
import { whyNotReady } from '../addon/readiness.js';
import { fingerprint, hashOfSources, readStamp, type Stamp, writeStamp } from './stamp.js';
import { addonPath, type Tool } from './tools.js';

/** A file, and what is wrong with it, to be read after its path. */
export interface Unusable {
  readonly path: string;
  readonly why: string;
}

export interface Usable {
  /** The addon that serves as it is, if there is one. */
  readonly path?: string;
  /** What was found before it, and will not do. */
  readonly passedOver: readonly Unusable[];
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** That an addon works is seen once: it takes half a second, and every `npm start` asks. */
function remember(root: string, stamp: Stamp, worked: string): void {
  try {
    writeStamp(root, { ...stamp, worked });
  } catch {
    // Where nothing can be written it is seen anew each time.
  }
}

/** Why the addon that is in its place does not serve. */
async function whyNotInPlace(
  path: string,
  root: string,
  tool: Tool | undefined,
): Promise<string | undefined> {
  const stamp = readStamp(root);
  if (!stamp) return 'is of unknown origin';
  if (stamp.hash !== hashOfSources(root)) return 'was built from other sources';
  if (tool !== undefined && stamp.tool !== tool) return `was built with ${stamp.tool}`;
  if (environment().cuda === 'ON' && portrait(path)?.cuda === false)
    return 'was built without CUDA, and HEED_CUDA is ON';
  const now = fingerprint(path);
  if (stamp.worked === now) return undefined;
  const why = await whyNotReady(path);
  if (why === undefined) remember(root, stamp, now);
  return why;
}

async function findPrebuilt(root: string, passedOver: Unusable[]): Promise<string | undefined> {
  for (const path of prebuiltAddons(root)) {
    const why = await whyNotReady(path);
    if (why === undefined) return path;
    passedOver.push({ path, why });
  }
  return undefined;
}

/** @throws Stopped */
export async function findUsable(root: string, tool?: Tool): Promise<Usable> {
  const path = addonPath(root);
  const passedOver: Unusable[] = [];
  const inPlace = isThere(path);
  if (inPlace) {
    const why = await whyNotInPlace(path, root, tool);
    if (why === undefined) return { path, passedOver };
    passedOver.push({ path, why });
  }
  // Whoever changes sources wants them built, and whoever names a tool wants that one.
  if (tool !== undefined || (inPlace && isCheckout(root))) return { passedOver };
  const prebuilt = await findPrebuilt(root, passedOver);
  if (prebuilt === undefined) return { passedOver };
  // heed would load what is in its place first.
  if (inPlace) rmSync(path, { recursive: true });
  return { path: prebuilt, passedOver };
}

/** The package has what is compiled from this file, and not the file. */
export function isCheckout(root: string): boolean {
  return existsSync(join(root, 'lib', 'index.ts'));
}
