/** Announces what will be built, and about how long that takes. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { environment } from '../../environment.js';
import type { Tool, Way } from './tools.js';

interface Sources {
  readonly files: number;
  readonly cudaFiles: number;
  readonly instructionSets: readonly string[];
}

/** As CMakeLists.txt and binding.gyp read them. */
export function sourcesOf(root: string): Sources {
  const listed = JSON.parse(readFileSync(join(root, 'native', 'sources.json'), 'utf8'));
  const { core, cpu, decoder, runtime, addon, withoutCuda, withCuda, solver, cuda, kernels } = listed;
  const all = Object.keys(kernels.instructionSets);
  const instructionSets = process.arch === 'x64' ? all : all.slice(0, 1);
  const common: string[] = [core, cpu, decoder, runtime, addon].flat();
  const files = common.length + instructionSets.length;
  return {
    files: files + withoutCuda.length,
    cudaFiles: files + [withCuda, solver, cuda].flat().length,
    instructionSets,
  };
}

/** The number of files to compile. */
export function unitsToCompile(root: string, cuda: boolean): number {
  const { files, cudaFiles } = sourcesOf(root);
  return cuda ? cudaFiles : files;
}

/**
 * Seconds on one 3 GHz core of 2020: for all files, and for the slowest one. CUDA's are for one compute
 * capability; every further one takes the same time again.
 */
const work = { cpu: { all: 150, longest: 40 }, cuda: { all: 300, longest: 60 } };

function duration({ all, longest }: { all: number; longest: number }): string {
  const seconds = Math.max(longest, all / availableParallelism());
  return seconds < 90 ? 'about a minute' : `about ${Math.round(seconds / 60)} minutes`;
}

function list(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}

const setNames: Readonly<Record<string, string>> = { avx2: 'AVX2', avx512: 'AVX-512' };

export function announceCpu({ tool, compiler }: Way, root: string): string {
  const sets = list(sourcesOf(root).instructionSets.map((set) => setNames[set] ?? set));
  return (
    `building the native backend with ${tool} and ${compiler.path} (${compiler.description}): ` +
    `the CPU's kernels for ${sets}, ${duration(work.cpu)}`
  );
}

/** Reads CMake's output about CUDA while it configures. */
export class CudaAnnouncement {
  #compiler = 'nvcc';

  /** Returns the announcement once it is known. */
  listen(line: string): string | undefined {
    this.#compiler = /^-- Looking for a CUDA compiler - (\/.+)$/.exec(line)?.[1] ?? this.#compiler;
    const [, version, capabilities] = /^-- CUDA ([\d.]+), for compute capabilities (.+)$/.exec(line) ?? [];
    if (version !== undefined) {
      const kinds = capabilities.split(';');
      const time = duration({ all: work.cuda.all * kinds.length, longest: work.cuda.longest * kinds.length });
      return (
        `also building the cuda backend with CUDA ${version} (${this.#compiler}), for compute capabilities ` +
        `${list(kinds)}: ${time} more; HEED_CUDA=OFF skips it`
      );
    }
    const why = /^-- Without the cuda backend: (.+)$/.exec(line)?.[1];
    return why === undefined ? undefined : `skipping the cuda backend: ${why}`;
  }
}

/** The announcement if the cuda backend is excluded before CMake configures. */
export function announceWithoutCuda(tool: Tool): string | undefined {
  if (tool === 'node-gyp') return 'skipping the cuda backend, which needs CMake';
  return environment().cuda === 'OFF' ? 'skipping the cuda backend, because HEED_CUDA is OFF' : undefined;
}
