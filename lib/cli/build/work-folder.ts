/**
 * The folder in which a tool works. Developers build often and want what is compiled to stay, but it may stay only where it is
 * in order: configured to the end, with the same settings, and not broken off.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Gone while a tool works, so that a build that was killed is told from one that has ended. */
const recordName = 'in-order.json';

export interface InOrder {
  /** All that the configuration depends on: with other settings it would be kept, and be wrong. */
  readonly settings: string;
  /** What was said of the cuda backend as it was configured. */
  readonly cuda: string | undefined;
}

function readRecord(folder: string): InOrder | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, recordName), 'utf8'));
  } catch {
    return undefined;
  }
}

/** Sees to it that the folder is there, and that nothing in it leads a build astray. Answers what is known of it. */
export function openFolder(folder: string, settings: string): InOrder | undefined {
  const before = readRecord(folder);
  const inOrder = before?.settings === settings ? before : undefined;
  if (inOrder === undefined) rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  rmSync(join(folder, recordName), { force: true });
  return inOrder;
}

/** @param configured files, one of which is there once configuring has come to its end */
export function closeFolder(folder: string, configured: readonly string[], inOrder: InOrder): void {
  if (configured.some((file) => existsSync(join(folder, file))))
    writeFileSync(join(folder, recordName), JSON.stringify(inOrder));
  else removeFolder(folder);
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}
