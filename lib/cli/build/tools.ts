/** The two ways to build the addon. Neither downloads anything: the headers of Node-API are an npm package. */
import { copyFileSync, existsSync, readFileSync, symlinkSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { compareVersions } from '../addon/portrait.js';
import type { Parts } from './parts.js';
import { type Program, type Sought, seek, versionIn } from './programs.js';

export type Tool = 'cmake-js' | 'node-gyp';

export const allTools: readonly Tool[] = ['cmake-js', 'node-gyp'];

/** The requirements of a tool on this machine. */
export interface Survey {
  readonly tool: Tool;
  readonly needs: readonly Sought[];
}

/** How to run a tool once its requirements are met. */
export interface Way {
  readonly tool: Tool;
  readonly compiler: Program;
  readonly parts: Parts;
  /** Its working folder, whose content can be made again. */
  readonly folder: string;
  readonly command: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Where it leaves the addon. */
  readonly made: string;
  /** Files in its folder, one of which exists once configuring is complete. */
  readonly configured: readonly string[];
  /** Puts files into the folder that the tool needs there. */
  readonly furnish?: () => void;
}

/** The oldest Python that the node-gyp among heed's dependencies runs on. */
const oldestPython = '3.9';

export function addonPath(root: string): string {
  return join(root, 'build', 'Release', 'heed.node');
}

function binOf(tool: Tool): string | undefined {
  try {
    const manifest = require.resolve(`${tool}/package.json`);
    const { bin } = JSON.parse(readFileSync(manifest, 'utf8'));
    return join(dirname(manifest), typeof bin === 'string' ? bin : bin[tool]);
  } catch {
    return undefined;
  }
}

/** Any version, if the file that names it is missing: the error follows when it is needed. */
function oldestCMake(root: string): string {
  const file = join(root, 'CMakeLists.txt');
  if (!existsSync(file)) return '0';
  return /cmake_minimum_required\(VERSION ([\d.]+)/.exec(readFileSync(file, 'utf8'))?.[1] ?? '0';
}

/** An objection to every version before this one. */
function before(oldest: string, what: string): (description: string) => string | undefined {
  return (description) => {
    const version = versionIn(description);
    if (version === undefined) return `does not say its version (“${description}”)`;
    return compareVersions(version, oldest) < 0
      ? `is ${what} ${version}, and ${oldest} or later is needed`
      : undefined;
  };
}

/** The characters in a path that make, or its shell, would interpret. */
const notForMake = /[\s'`$&;()|<>#,\\]/;

function seekTool(tool: Tool, root: string): Sought {
  const path = binOf(tool);
  const [character] = notForMake.exec(root) ?? [];
  if (tool === 'node-gyp' && character !== undefined) {
    const problem = `node-gyp cannot build in ${root}: its make does not take a path with “${character}”; CMake does`;
    return { name: tool, problems: [problem] };
  }
  if (path === undefined)
    return { name: `npm package ${tool}`, problems: [`${tool}, which heed depends on, is not installed`] };
  return { name: tool, program: { command: tool, path, description: 'an npm package' }, problems: [] };
}

function seekCMake(root: string): Sought {
  return seek('CMake', ['cmake', 'cmake3'], before(oldestCMake(root), 'CMake'));
}

function seekGenerator(): Sought {
  return seek('ninja or make', ['ninja', 'make']);
}

function seekPython(): Sought {
  // The order of node-gyp.
  const { NODE_GYP_FORCE_PYTHON, npm_config_python, PYTHON } = process.env;
  const named = NODE_GYP_FORCE_PYTHON || npm_config_python || PYTHON;
  return seek('Python', [...(named ? [named] : []), 'python3', 'python'], before(oldestPython, 'Python'));
}

function seekMake(): Sought {
  return seek('make', [process.env.MAKE || 'make'], (description) =>
    description.includes('GNU') ? undefined : 'is not GNU make, which node-gyp needs',
  );
}

/**
 * Searches for everything that a tool needs, in this order: itself, its programs, the compiler.
 *
 * @param compiler the result of `seekCompiler`, which takes a second and is the same for every tool
 */
export function survey(tool: Tool, root: string, compiler: Sought): Survey {
  const programs = tool === 'cmake-js' ? [seekCMake(root), seekGenerator()] : [seekPython(), seekMake()];
  return { tool, needs: [seekTool(tool, root), ...programs, compiler] };
}

export function isReady({ needs }: Survey): boolean {
  return needs.every(({ program }) => program !== undefined);
}

/** @param folder the home folder for a user without one, where the tools look for settings */
function environmentFor(compiler: Program, folder: string): NodeJS.ProcessEnv {
  const env = { ...process.env, CXX: compiler.command, HOME: process.env.HOME || folder };
  // nvcc would use the machine's default compiler, which may have been rejected.
  if (!process.env.CXX && compiler.command !== 'c++' && compiler.description.startsWith('GCC'))
    return { CUDAHOSTCXX: compiler.path, ...env };
  return env;
}

/**
 * In the repository, or where `npm pack` has put it: the root of an installed package has no `binding.gyp`,
 * because package managers build every package that has one there.
 */
export function gypFile(root: string): string {
  const own = join(root, 'binding.gyp');
  return existsSync(own) ? own : join(root, 'dist', 'binding.gyp');
}

/**
 * node-gyp works in the folder of its file; next to the existing addon it would overwrite that with a partial
 * one.
 */
function furnishForGyp(root: string, folder: string): void {
  copyFileSync(gypFile(root), join(folder, 'binding.gyp'));
  // Its paths are relative to the root of the package.
  const sources = join(folder, 'native');
  if (!existsSync(sources)) symlinkSync(join('..', '..', 'native'), sources, 'dir');
}

/** Undefined while something is missing. */
export function wayOf({ tool, needs }: Survey, root: string, parts: Parts): Way | undefined {
  const [own, first, , compiler] = needs.map(({ program }) => program);
  const builder = needs[2].program;
  if (!own || !first || !builder || !compiler) return undefined;
  // Each keeps what it has compiled, however often the two follow each other.
  const name = tool === 'cmake-js' ? 'cmake' : 'node-gyp';
  const folder = join(root, 'build', parts.leftOut.length === 0 ? name : `${name}-for-this-machine`);
  const common = { tool, compiler, parts, folder, env: environmentFor(compiler, folder) };
  const jobs = availableParallelism();
  if (tool === 'node-gyp') {
    const defines = [process.env.GYP_DEFINES, `instruction_sets=${parts.instructionSets.join(',')}`];
    return {
      ...common,
      env: { ...common.env, GYP_DEFINES: defines.filter(Boolean).join(' ') },
      command: [
        process.execPath,
        own.path,
        'configure',
        'build',
        `--directory=${folder}`,
        `--nodedir=${join(root, 'native', 'node-gyp')}`,
        '--force-process-config',
        `--python=${first.path}`,
        `--jobs=${jobs}`,
      ],
      made: join(folder, 'build', 'Release', 'heed.node'),
      configured: [join('build', 'Makefile')],
      furnish: () => furnishForGyp(root, folder),
    };
  }
  return {
    ...common,
    // After an error in the sources, `compile` would build everything a second time.
    command: [
      process.execPath,
      own.path,
      'build',
      `--directory=${root}`,
      `--out=${folder}`,
      '--config=Release',
      `--cmake-path=${first.path}`,
      `--generator=${builder.command === 'ninja' ? 'Ninja' : 'Unix Makefiles'}`,
      `--parallel=${jobs}`,
      `--CDHEED_CUDA=${parts.cuda}`,
      `--CDHEED_INSTRUCTION_SETS=${parts.instructionSets.join(';')}`,
    ],
    made: join(folder, 'Release', 'heed.node'),
    configured: ['build.ninja', 'Makefile'],
  };
}

/** Variables that influence compilers and tools. */
const telling =
  /^(CC|CXX|CUDACXX|CUDAHOSTCXX|AR|LD|LINK|HEED_CUDA)$|FLAGS$|^(CMAKE|CUDA|NVCC)_|^CUDAToolkit_|^GYP_/;

/** Everything that a configuration depends on: one with other settings must not be reused. */
export function settingsOf(way: Way): string {
  const { command, compiler, env } = way;
  const variables = Object.entries(env).filter(([name]) => telling.test(name));
  return JSON.stringify([command, compiler, variables.sort(([a], [b]) => (a < b ? -1 : 1))]);
}
