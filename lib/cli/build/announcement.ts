/** Announces what will be built, and about how long that takes. */
import { availableParallelism } from 'node:os';
import { environment } from '../../environment.js';
import { cudaBackend, type Parts } from './parts.js';
import { nameOfSet, sourcesOf } from './sources.js';
import type { Tool, Way } from './tools.js';

/** The number of units to compile. CMake compiles the files of a part together, `withoutCuda` with the last part. */
export function unitsToCompile(
  root: string,
  tool: Tool,
  instructionSets: readonly string[],
  cuda: boolean,
): number {
  const { parts, kernels, withCuda, withoutCuda } = sourcesOf(root);
  const files = parts.reduce((sum, count) => sum + count, withoutCuda);
  const others = tool === 'node-gyp' ? files : parts.length + (cuda ? withCuda : 0);
  return instructionSets.reduce((sum, set) => sum + kernels[set], others);
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

export function announceCpu({ tool, compiler, parts }: Way): string {
  return (
    `building the native backend with ${tool} and ${compiler.path} (${compiler.description}): ` +
    `the CPU's kernels for ${list(parts.instructionSets.map(nameOfSet))}, ${duration(work.cpu)}`
  );
}

/** @returns undefined where nothing is left out */
export function announceParts({ leftOut }: Parts): string | undefined {
  if (leftOut.length === 0) return undefined;
  return `skipping ${list(leftOut)}, to be ready sooner; \`npm run build\` builds everything`;
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
export function announceWithoutCuda(tool: Tool, { leftOut }: Parts): string | undefined {
  // announceParts has said it already.
  if (leftOut.includes(cudaBackend)) return '';
  if (tool === 'node-gyp') return 'skipping the cuda backend, which needs CMake';
  return environment().cuda === 'OFF' ? 'skipping the cuda backend, because HEED_CUDA is OFF' : undefined;
}
