/** Which parts of the addon a build has: all, or those that this machine can run and that compile soon. */
import { environment } from '../../environment.js';
import { processorInstructionSets } from '../processor.js';
import { locate } from './programs.js';
import { nameOfSet, sourcesOf } from './sources.js';

/** As `leftOut` names it. */
export const cudaBackend = 'the cuda backend';

export interface Parts {
  /** Or what `forThisMachine` says. */
  readonly whole: boolean;
  readonly instructionSets: readonly string[];
  readonly cuda: 'AUTO' | 'ON' | 'OFF';
  /** Parts that a whole build has and this one has not, as a reader would name them. */
  readonly leftOut: readonly string[];
}

/** What of `parts` an addon lacks that was built without `leftOut`. A partial build never misses the cuda backend. */
export function lackingOf(leftOut: readonly string[], parts: Parts): readonly string[] {
  return leftOut.filter((part) => parts.whole || !(part === cudaBackend || parts.leftOut.includes(part)));
}

function hasNvcc(): boolean {
  return [process.env.CUDACXX ?? '', 'nvcc', '/usr/local/cuda/bin/nvcc'].some(
    (command) => locate(command) !== undefined,
  );
}

/** @param forThisMachine without the cuda backend, which takes several minutes, and without kernels that the processor cannot run */
export function partsOf(root: string, forThisMachine: boolean): Parts {
  const { cuda } = environment();
  const all = sourcesOf(root).instructionSets;
  if (!forThisMachine) return { whole: true, instructionSets: all, cuda, leftOut: [] };
  const runnable = new Set(processorInstructionSets(root) ?? all);
  const lacking = all.filter((set) => !runnable.has(set));
  const withoutCuda = cuda === 'AUTO' && hasNvcc();
  return {
    whole: false,
    instructionSets: all.filter((set) => runnable.has(set)),
    cuda: withoutCuda ? 'OFF' : cuda,
    leftOut: [
      ...lacking.map((set) => `the kernels for ${nameOfSet(set)}`),
      ...(withoutCuda ? [cudaBackend] : []),
    ],
  };
}
