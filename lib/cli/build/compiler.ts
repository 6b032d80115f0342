/** The C++ compiler to build with: the first that is recent enough. */
import { readdirSync } from 'node:fs';
import { ask, locate, type Program, type Sought, searchPath } from './programs.js';

const name = 'C++ compiler (GCC or Clang)';

/** The first versions that compile heed. */
const oldest = { GCC: 12, Clang: 15 } as const;
const wanted = `heed needs GCC ${oldest.GCC} or Clang ${oldest.Clang}, or later`;

/**
 * Tests what a compiler may lack in any version: C++20, vector extensions, and the headers of a standard
 * library.
 */
const sample = `
#if __cplusplus < 202002L
#error "this is no C++20"
#endif
#include <bit>
#include <concepts>
#include <new>
typedef float Vec __attribute__((vector_size(16)));
template <std::integral T> T twice(T x) { return 2 * x; }
Vec reverse(Vec v) { return __builtin_shufflevector(v, v, 3, 2, 1, 0); }
int bits(unsigned x) { return twice(std::popcount(x)); }
`;

/** A command with what is always passed to it, as in CXX="ccache g++". */
interface Command {
  readonly path: string;
  readonly args: readonly string[];
}

function commandOf(text: string): Command | undefined {
  const whole = locate(text);
  if (whole !== undefined) return { path: whole, args: [] };
  const [first, ...args] = text.trim().split(/\s+/);
  const path = locate(first);
  return path === undefined ? undefined : { path, args };
}

interface Kind {
  readonly family: 'GCC' | 'Clang' | 'Apple clang' | 'a compiler of another kind';
  readonly version: string;
}

/** Recognised by the macros that it defines, because the output of --version is for people. */
function kindOf({ path, args }: Command): Kind | string {
  const { succeeded, output, why } = ask(path, [...args, '-dM', '-E', '-x', 'c++', '-']);
  if (!succeeded) return `does not run: ${why}`;
  const numbers = (prefix: string, ...parts: string[]) =>
    parts
      .map((part) => new RegExp(`^#define ${prefix}${part}__ (\\d+)$`, 'm').exec(output)?.[1] ?? '0')
      .join('.');
  if (/^#define __apple_build_version__ /m.test(output))
    return { family: 'Apple clang', version: numbers('__clang_', 'major', 'minor', 'patchlevel') };
  if (/^#define __clang__ /m.test(output))
    return { family: 'Clang', version: numbers('__clang_', 'major', 'minor', 'patchlevel') };
  if (/^#define __GNUC__ /m.test(output))
    return { family: 'GCC', version: numbers('__GNUC', '', '_MINOR', '_PATCHLEVEL') };
  return { family: 'a compiler of another kind', version: '' };
}

function describe({ family, version }: Kind): string {
  const text = version === '' ? family : `${family} ${version}`;
  return family === 'GCC' || family === 'Clang' ? text : `${text} (heed is not tested with it)`;
}

/**
 * The compiler behind a command, or why it cannot be used, as the rest of a sentence that begins with its
 * path.
 */
function examine(command: Command): { description: string } | { wrong: string } {
  const kind = kindOf(command);
  if (typeof kind === 'string') return { wrong: kind };
  const { family, version } = kind;
  if ((family === 'GCC' || family === 'Clang') && Number.parseInt(version, 10) < oldest[family])
    return { wrong: `is ${family} ${version}, and ${wanted}` };
  const { succeeded, why } = ask(
    command.path,
    [...command.args, '-std=c++20', '-fsyntax-only', '-x', 'c++', '-'],
    sample,
  );
  if (!succeeded) return { wrong: `is ${describe(kind)}, and does not compile C++20: ${why}` };
  return { description: describe(kind) };
}

/** Compilers with a version in their name, as distributions have them beside an older default; the latest first. */
function versioned(family: string): string[] {
  const pattern = new RegExp(`^${family.replaceAll('+', '\\+')}-(\\d+)$`);
  const found = new Map<string, number>();
  for (const folder of searchPath()) {
    let entries: string[];
    try {
      entries = readdirSync(folder);
    } catch {
      continue;
    }
    for (const entry of entries) {
      const version = pattern.exec(entry)?.[1];
      if (version !== undefined) found.set(entry, Number(version));
    }
  }
  return [...found].sort(([, a], [, b]) => b - a).map(([entry]) => entry);
}

function candidates(): string[] {
  return ['c++', 'g++', ...versioned('g++'), 'clang++', ...versioned('clang++')];
}

function named(text: string): Sought {
  const command = commandOf(text);
  if (command === undefined)
    return {
      name,
      problems: [`the environment variable CXX is '${text}', which was not found`],
    };
  const found = examine(command);
  if ('wrong' in found) return { name, problems: [`${command.path}, which CXX names, ${found.wrong}`] };
  return {
    name,
    program: { command: text, path: command.path, description: found.description },
    problems: [],
  };
}

/** The compiler that CXX names, and no other; without CXX the first on PATH that compiles heed. */
export function seekCompiler(): Sought {
  const asked = process.env.CXX;
  if (asked) return named(asked);
  const problems: string[] = [];
  const seen = new Set<string>();
  for (const command of candidates()) {
    const path = locate(command);
    if (path === undefined || seen.has(path)) continue;
    seen.add(path);
    const found = examine({ path, args: [] });
    if (!('wrong' in found)) {
      const program: Program = { command, path, description: found.description };
      return { name, program, problems };
    }
    problems.push(`${path} ${found.wrong}`);
  }
  return { name, problems };
}
