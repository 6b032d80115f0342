/** Whether the addon that was built is the one that the sources would give. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gypFile, type Tool } from './tools.js';

/** What stands beside a built addon. */
export interface Stamp {
  readonly hash: string;
  readonly tool: Tool;
}

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** Changes with every native source, with the flags (which are among them), and with the platform. */
export function hashOfSources(root: string): string {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}`);
  const files = [join(root, 'CMakeLists.txt'), gypFile(root), ...filesUnder(join(root, 'native'))];
  for (const file of files) hash.update(`\0${file.slice(root.length)}\0`).update(readFileSync(file));
  return hash.digest('hex');
}

function stampFile(root: string): string {
  return join(root, 'build', 'Release', 'heed.json');
}

export function readStamp(root: string): Stamp | undefined {
  try {
    return JSON.parse(readFileSync(stampFile(root), 'utf8'));
  } catch {
    return undefined;
  }
}

export function writeStamp(root: string, stamp: Stamp): void {
  writeFileSync(stampFile(root), JSON.stringify(stamp));
}
