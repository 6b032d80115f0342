/** Operations that are ready to run: all arguments are read and checked, and the memory of the result is there. */
import { throwIfAborted } from '../abort.js';
import { debug } from '../environment.js';
import { Allocations } from '../memory/allocations.js';
import type { Problem } from '../problem/problem.js';
import type { Backend } from './backend.js';

/** Problems, and what holds their solution once they are solved. */
export interface Operation<Result> {
  readonly backend: Backend;
  readonly problems: readonly Problem[];
  readonly result: Result;
  readonly signal: AbortSignal | undefined;
  /** Called once at the end, whether or not the problems were solved: nothing uses them any more. */
  readonly finish?: (solved: boolean) => void;
}

/** Says what was done, and how long it took. */
function logRun(backend: Backend, problems: readonly Problem[], start: number): void {
  debug(() => {
    const kinds = problems.map((problem) => problem.kind).join(' + ');
    return `${kinds} on ${backend.name} in ${(performance.now() - start).toFixed(3)} ms`;
  });
}

/** Solves problems as one operation, off the event loop. The backend looks at the signal from here on, not before. */
export async function solve(
  backend: Backend,
  problems: readonly Problem[],
  signal?: AbortSignal,
): Promise<void> {
  throwIfAborted(signal);
  const start = performance.now();
  await backend.solve(problems, signal);
  logRun(backend, problems, start);
}

/** The same, before it returns. A signal counts only if it is aborted already. */
export function solveSync(backend: Backend, problems: readonly Problem[], signal?: AbortSignal): void {
  throwIfAborted(signal);
  const start = performance.now();
  backend.solveSync(problems);
  logRun(backend, problems, start);
}

/** Reads the arguments of an operation, and makes all memory that it needs in these allocations. */
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
