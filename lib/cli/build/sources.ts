/** What there is to compile, as CMakeLists.txt and binding.gyp read it from native/sources.json. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Sources {
  /** The parts that are compiled whatever is left out, and how many files each has. */
  readonly parts: readonly number[];
  /** How many more are for each instruction set. */
  readonly kernels: Readonly<Record<string, number>>;
  readonly withoutCuda: number;
  readonly withCuda: number;
  /** For the architecture of this process. */
  readonly instructionSets: readonly string[];
  /** What the compiler is given for each. */
  readonly flags: Readonly<Record<string, readonly string[]>>;
}

const listOf = (root: string) => join(root, 'native', 'sources.json');

/** Not so where somebody has kept of the package only what runs. */
export function hasSources(root: string): boolean {
  return existsSync(listOf(root));
}

export function sourcesOf(root: string): Sources {
  const listed = JSON.parse(readFileSync(listOf(root), 'utf8'));
  const { core, cpu, wire, runtime, addon, withoutCuda, withCuda, solver, cuda, kernels } = listed;
  const all = Object.keys(kernels.instructionSets);
  return {
    parts: [core, cpu, wire, runtime, addon].map((files) => files.length),
    kernels: Object.fromEntries(
      all.map((set) => [set, (kernels.ownSources?.[set] ?? kernels.sources).length]),
    ),
    withoutCuda: withoutCuda.length,
    withCuda: [withCuda, solver, cuda].flat().length,
    instructionSets: kernels.architectures[process.arch] ?? ['baseline'],
    flags: kernels.instructionSets,
  };
}

const setNames: Readonly<Record<string, string>> = {
  avx2: 'AVX2',
  avxvnni: 'AVX-VNNI',
  avx512: 'AVX-512',
  avx512vnni: 'AVX512-VNNI',
  avx512bf16: 'AVX512-BF16',
  dotprod: 'DotProd',
};

export function nameOfSet(set: string): string {
  return setNames[set] ?? set;
}
