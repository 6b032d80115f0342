/** Operations that are ready to run: all arguments are read and checked, and the memory of the result is there. */
import type { Backend } from './backend.js';
import { solve, solveSync } from './backends.js';
import type { Problem } from './problem.js';

/** Problems, and what holds their solution once they are solved. */
export interface Operation<Result> {
  readonly backend: Backend;
  readonly problems: readonly Problem[];
  readonly result: Result;
  readonly signal: AbortSignal | undefined;
  /** Called at the end, once, whether or not the problems are solved: they are nobody's any more. */
  readonly finish?: (solved: boolean) => void;
}

export async function run<Result>(operation: Operation<Result>): Promise<Result> {
  const { backend, problems, result, signal, finish } = operation;
  let solved = false;
  try {
    await solve(backend, problems, signal);
    solved = true;
  } finally {
    finish?.(solved);
  }
  return result;
}

export function runSync<Result>(operation: Operation<Result>): Result {
  const { backend, problems, result, signal, finish } = operation;
  let solved = false;
  try {
    solveSync(backend, problems, signal);
    solved = true;
  } finally {
    finish?.(solved);
  }
  return result;
}
