/**
 * The working folder of a tool. Developers build often and want to keep compiled files, but they are kept
 * only if the folder is valid: completely configured, with the same settings, and not interrupted.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Removed while a tool works, so that a killed build differs from a finished one. */
const recordName = 'in-order.json';

export interface InOrder {
  /** Everything that the configuration depends on: one with other settings must not be reused. */
  readonly settings: string;
  /** What was announced about the cuda backend when it was configured. */
  readonly cuda: string | undefined;
}

function readRecord(folder: string): InOrder | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, recordName), 'utf8'));
  } catch {
    return undefined;
  }
}

/** Creates the folder, and removes invalid content. Returns what is known of it. */
export function openFolder(folder: string, settings: string): InOrder | undefined {
  const before = readRecord(folder);
  const inOrder = before?.settings === settings ? before : undefined;
  if (inOrder === undefined) rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  rmSync(join(folder, recordName), { force: true });
  return inOrder;
}

/** @param configured files, one of which exists once configuring is complete */
export function closeFolder(folder: string, configured: readonly string[], inOrder: InOrder): void {
  if (configured.some((file) => existsSync(join(folder, file))))
    writeFileSync(join(folder, recordName), JSON.stringify(inOrder));
  else removeFolder(folder);
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}
