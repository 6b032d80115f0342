/**
 * A record of the built addon: the sources it was built from, and the last successful check on this machine.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { glibcVersion } from '../addon/portrait.js';
import { gypFile, type Tool } from './tools.js';

/** The content of the file next to a built addon. */
export interface Stamp {
  readonly hash: string;
  readonly tool: Tool;
  /** The parts that a whole addon has and this one lacks. */
  readonly leftOut?: readonly string[];
  /** The fingerprint of the addon and the machine at the last successful check. */
  readonly worked?: string;
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

/**
 * Changes whenever an addon that has worked may fail: with the file, Node.js, the C library, the processor.
 */
export function fingerprint(addon: string): string {
  const { size, mtimeMs, ctimeMs } = statSync(addon);
  const machine = [process.version, process.arch, glibcVersion() ?? 'no glibc', cpus()[0]?.model ?? ''];
  return [size, mtimeMs, ctimeMs, ...machine].join(' ');
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
