/** What is known of an addon's file without loading it: its content, and whether it fits this machine. */
import { readFileSync, statSync } from 'node:fs';
import { instructionSets } from '../../instruction-sets.js';
import { type Elf, isElf, MalformedElf, readElf } from './elf.js';

export interface Portrait {
  /** As `process.arch` has it. */
  readonly machine: string;
  readonly libc: 'glibc' | 'musl' | undefined;
  /** The oldest glibc that it loads with. */
  readonly glibc?: string;
  /** Unknown where the names of its functions were stripped. */
  readonly instructionSets?: readonly string[];
  /** Whether it has kernels for GPUs. */
  readonly cuda: boolean;
}

/** Negative where a is the older version. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number));
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function libcOf({ needed }: Elf): Portrait['libc'] {
  // musl's own name is libc.so; Alpine's builds name the machine, too.
  if (needed.some((library) => /^libc\.(musl-.*|so)$|^ld-musl/.test(library))) return 'musl';
  return needed.includes('libc.so.6') ? 'glibc' : undefined;
}

function portraitOf(elf: Elf): Portrait {
  const { machine, versions, names } = elf;
  const glibcs = versions.flatMap((version) => /^GLIBC_([\d.]+)$/.exec(version)?.[1] ?? []);
  const glibc = glibcs.sort(compareVersions).at(-1);
  // The tables of kernels, of which each of these units defines one or both.
  const sets = instructionSets.filter((set) =>
    ['5tableE', '13integer_tableE'].some((table) => names.includes(`${set.length}${set}${table}`)),
  );
  return {
    machine,
    libc: libcOf(elf),
    ...(glibc !== undefined && { glibc }),
    ...(sets.length > 0 && { instructionSets: sets }),
    cuda: names.includes('\0.nv_fatbin\0'),
  };
}

/** Undefined if it is not a complete ELF file, as on systems other than Linux. */
export function portrait(path: string): Portrait | undefined {
  try {
    const bytes = readFileSync(path);
    return isElf(bytes) ? portraitOf(readElf(bytes)) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Why a file cannot be an addon for this machine, as the rest of a sentence that begins with its name;
 * undefined if it can.
 */
export function misfit(path: string): string | undefined {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return 'is a broken symbolic link';
  if (stats.isDirectory()) return 'is a directory';
  if (stats.size === 0) return 'is empty';
  if (process.platform !== 'linux') return undefined;
  const bytes = readFileSync(path);
  if (!isElf(bytes)) return 'is not an addon for Linux (not an ELF file)';
  try {
    return misfitOf(portraitOf(readElf(bytes)));
  } catch (error) {
    if (error instanceof MalformedElf) return `is truncated or corrupt: ${error.message}`;
    throw error;
  }
}

function misfitOf({ machine, libc, glibc }: Portrait): string | undefined {
  if (machine !== process.arch) return `is for ${machine}, but this is ${process.arch}`;
  const here = glibcVersion();
  if (libc === 'musl' && here !== undefined) return `is for musl, but this system has glibc ${here}`;
  if (libc === 'glibc' && here === undefined) return 'is for glibc, but this system has another C library';
  if (glibc !== undefined && here !== undefined && compareVersions(glibc, here) > 0)
    return `needs glibc ${glibc}, but this system has ${here}`;
  return undefined;
}

/** Such as '2.36'; undefined where it is not glibc. */
export function glibcVersion(): string | undefined {
  if (process.platform !== 'linux') return undefined;
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime;
}
