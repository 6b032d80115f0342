/** The two ways to build the addon. Neither downloads anything: the headers of Node-API are an npm package. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';

export type Tool = 'cmake-js' | 'node-gyp';

export interface ToolDescription {
  /** Programs that have to be there, any one of each list, and what to call them. */
  readonly needs: readonly { readonly commands: readonly string[]; readonly name: string }[];
  /** Arguments for node. */
  command(root: string): string[];
  /** Makes way for what is about to be built. */
  prepare(root: string): void;
  /** The addon, where the tool leaves it. */
  built(root: string): string;
}

const compiler = {
  commands: [process.env.CXX ?? 'c++', 'g++', 'clang++'],
  name: 'C++ compiler (GCC or Clang)',
};

export function addonPath(root: string): string {
  return join(root, 'build', 'Release', 'heed.node');
}

function binOf(tool: Tool): string {
  const manifest = require.resolve(`${tool}/package.json`);
  const { bin } = JSON.parse(readFileSync(manifest, 'utf8'));
  return join(dirname(manifest), typeof bin === 'string' ? bin : bin[tool]);
}

function cmakeFolder(root: string): string {
  return join(root, 'build', 'cmake');
}

/**
 * What node-gyp takes for the root of the package. The package's own root has no `binding.gyp` where heed is installed: package
 * managers would build whatever has one there as they install it.
 */
function gypFolder(root: string): string {
  return join(root, 'build', 'node-gyp');
}

/** In the repository, or where `npm pack` has put it. */
export function gypFile(root: string): string {
  const own = join(root, 'binding.gyp');
  return existsSync(own) ? own : join(root, 'dist', 'binding.gyp');
}

/** Where the folder has moved since it was configured, CMake refuses to go on. */
function configuredElsewhere(root: string): boolean {
  try {
    const cache = readFileSync(join(cmakeFolder(root), 'CMakeCache.txt'), 'utf8');
    return !cache.includes(`CMAKE_HOME_DIRECTORY:INTERNAL=${root}\n`);
  } catch {
    return false;
  }
}

export const tools: Readonly<Record<Tool, ToolDescription>> = {
  'cmake-js': {
    needs: [{ commands: ['cmake'], name: 'CMake' }, compiler],
    // `compile` would answer an error in the sources by building everything once more.
    command: (root) => [
      binOf('cmake-js'),
      'build',
      `--directory=${root}`,
      `--out=${cmakeFolder(root)}`,
      '--config=Release',
      `--parallel=${availableParallelism()}`,
    ],
    prepare(root) {
      if (configuredElsewhere(root)) rmSync(cmakeFolder(root), { recursive: true });
    },
    built: (root) => join(cmakeFolder(root), 'Release', 'heed.node'),
  },
  'node-gyp': {
    needs: [
      { commands: [process.env.PYTHON ?? 'python3', 'python'], name: 'Python' },
      { commands: [process.env.MAKE ?? 'make'], name: 'make' },
      compiler,
    ],
    command: (root) => [
      binOf('node-gyp'),
      'configure',
      'build',
      `--directory=${gypFolder(root)}`,
      `--nodedir=${join(root, 'native', 'node-gyp')}`,
      '--force-process-config',
      `--jobs=${availableParallelism()}`,
    ],
    prepare(root) {
      const folder = gypFolder(root);
      mkdirSync(folder, { recursive: true });
      copyFileSync(gypFile(root), join(folder, 'binding.gyp'));
      // Its paths begin at the root of the package.
      rmSync(join(folder, 'native'), { force: true });
      symlinkSync(join('..', '..', 'native'), join(folder, 'native'), 'dir');
    },
    built: (root) => join(gypFolder(root), 'build', 'Release', 'heed.node'),
  },
};

/** Puts what the tool has built in its place. */
export function place(tool: Tool, root: string): void {
  const target = addonPath(root);
  mkdirSync(dirname(target), { recursive: true });
  // Renamed into place: a process that has the old one loaded keeps it.
  copyFileSync(tools[tool].built(root), `${target}.new`);
  renameSync(`${target}.new`, target);
}

function runs(command: string): boolean {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
}

/** What the tool needs and this machine lacks. */
export function missingFor(tool: Tool): string[] {
  if (process.platform === 'win32') return ['compiler on Windows that heed could be built with'];
  return tools[tool].needs.filter(({ commands }) => !commands.some(runs)).map(({ name }) => name);
}
