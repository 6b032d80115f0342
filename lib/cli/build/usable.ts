/** Whether there is a usable addon. */
import { existsSync, lstatSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { prebuiltAddons } from '../../backends/native/load.js';
import { portrait } from '../addon/portrait.js';
import { whyNotReady } from '../addon/readiness.js';
import { lackingOf, type Parts } from './parts.js';
import { fingerprint, hashOfSources, readStamp, type Stamp, writeStamp } from './stamp.js';
import { addonPath, type Tool } from './tools.js';

/** A file, and why it cannot be used, as the rest of a sentence that begins with its path. */
export interface Unusable {
  readonly path: string;
  readonly why: string;
}

/** What is asked of an addon. */
export interface Wanted {
  readonly tool: Tool | undefined;
  readonly parts: Parts;
}

export interface Usable {
  /** The usable addon, if there is one. */
  readonly path?: string;
  /** The files that were found before it and cannot be used. */
  readonly passedOver: readonly Unusable[];
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/**
 * Checks an addon once and records the result, because a check takes half a second and every `npm start`
 * needs it.
 */
function remember(root: string, stamp: Stamp, worked: string): void {
  try {
    writeStamp(root, { ...stamp, worked });
  } catch {
    // If nothing can be written, it is checked each time.
  }
}

/** Why the existing addon cannot be used. */
async function whyNotInPlace(
  path: string,
  root: string,
  { tool, parts }: Wanted,
): Promise<string | undefined> {
  const stamp = readStamp(root);
  if (!stamp) return 'is of unknown origin';
  if (stamp.hash !== hashOfSources(root)) return 'was built from other sources';
  if (tool !== undefined && stamp.tool !== tool) return `was built with ${stamp.tool}`;
  const lacking = lackingOf(stamp.leftOut ?? [], parts);
  if (lacking.length > 0) return `was built without ${lacking.join(' and ')}`;
  if (parts.cuda === 'ON' && portrait(path)?.cuda === false)
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
export async function findUsable(root: string, wanted: Wanted): Promise<Usable> {
  const path = addonPath(root);
  const passedOver: Unusable[] = [];
  const inPlace = isThere(path);
  if (inPlace) {
    const why = await whyNotInPlace(path, root, wanted);
    if (why === undefined) return { path, passedOver };
    passedOver.push({ path, why });
  }
  // Changed sources must be built, and a named tool must be used.
  if (wanted.tool !== undefined || (inPlace && isCheckout(root))) return { passedOver };
  const prebuilt = await findPrebuilt(root, passedOver);
  if (prebuilt === undefined) return { passedOver };
  // heed would load the existing addon first.
  if (inPlace) rmSync(path, { recursive: true });
  return { path: prebuilt, passedOver };
}

/** The package has what is compiled from this file, and not the file. */
export function isCheckout(root: string): boolean {
  return existsSync(join(root, 'lib', 'index.ts'));
}
