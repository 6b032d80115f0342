/**
 * Operations that are ready to run: all arguments are read and checked, and the memory of the result is
 * allocated.
 */
import { Allocations } from '../memory/allocations.js';
import type { Problem } from '../problem/problem.js';
import type { Backend } from './backend.js';
import { solve, solveSync } from './choose.js';

/** Problems, and what holds their solution once they are solved. */
export interface Operation<Result> {
  readonly backend: Backend;
  readonly problems: readonly Problem[];
  readonly result: Result;
  readonly signal: AbortSignal | undefined;
  /** Called once at the end, whether or not the problems were solved: nothing uses them any more. */
  readonly finish?: (solved: boolean) => void;
}

/** Reads the arguments of an operation, and allocates all memory that it needs in these allocations. */
export type Prepare<Result> = (allocations: Allocations) => Operation<Result>;

export async function run<Result>(prepare: Prepare<Result>): Promise<Result> {
  const allocations = new Allocations();
  let operation: Operation<Result> | undefined;
  let solved = false;
  try {
    operation = prepare(allocations);
    await solve(operation.backend, operation.problems, operation.signal);
    solved = true;
    return operation.result;
  } finally {
    operation?.finish?.(solved);
    allocations.end(solved);
  }
}

export function runSync<Result>(prepare: Prepare<Result>): Result {
  const allocations = new Allocations();
  let operation: Operation<Result> | undefined;
  let solved = false;
  try {
    operation = prepare(allocations);
    solveSync(operation.backend, operation.problems, operation.signal);
    solved = true;
    return operation.result;
  } finally {
    operation?.finish?.(solved);
    allocations.end(solved);
  }
}
