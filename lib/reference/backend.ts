/** The reference backend: plain TypeScript in float64, right rather than fast. Other backends are measured against it. */
import type { Backend } from '../backend.js';
import { isDetachedArray } from '../checks/data.js';
import { HeedError } from '../errors.js';
import type { Problem } from '../problem.js';
import type { TypedArray } from '../tensor-type.js';
import { isFloatType } from '../tensor-type.js';
import { attend } from './attention.js';
import { merge } from './merge.js';
import { packReference, projectRows } from './projection.js';
import { showRows } from './rows.js';
import { runInSlices } from './time-slices.js';
import { attendUnfused } from './unfused.js';

function work(problem: Problem): Generator<void> {
  switch (problem.kind) {
    case 'attention':
      return attend(problem);
    case 'unfused':
      return attendUnfused(problem.attention);
    case 'rows':
      return showRows(problem);
    case 'projection':
      return projectRows(problem);
    case 'merge':
      return merge(problem);
  }
}

function* workThrough(problems: readonly Problem[]): Generator<void> {
  for (const problem of problems) yield* work(problem);
}

/** All memory of the caller's that a problem reads or writes. */
function arraysOf(problem: Problem): TypedArray[] {
  switch (problem.kind) {
    case 'attention':
      return [
        problem.query,
        problem.key,
        problem.value,
        problem.output,
        ...(problem.mask ? [problem.mask] : []),
      ].map(({ data }) => data);
    case 'unfused':
    case 'rows':
      return arraysOf(problem.attention);
    case 'projection': {
      const weight = 'data' in problem.weight ? [problem.weight.data] : [];
      return [problem.input.data, ...weight, ...problem.targets.map(({ view }) => view.data)];
    }
    case 'merge':
      return problem.parts.flatMap(({ output, logSumExp }) => [output, logSumExp]);
  }
}

/** Numbers read from memory that went away meanwhile are not results. */
function expectAttached(problems: readonly Problem[]): void {
  if (problems.flatMap(arraysOf).some(isDetachedArray)) {
    throw new HeedError(
      'HEED_DETACHED',
      'Expected the memory of tensors to stay while an operation runs, received a detached ArrayBuffer',
    );
  }
}

export const referenceBackend: Backend = {
  name: 'reference',
  supports: isFloatType,
  async solve(problems, signal) {
    await runInSlices(workThrough(problems), signal);
    expectAttached(problems);
  },
  solveSync(problems) {
    const steps = workThrough(problems);
    while (!steps.next().done);
  },
  packWeight: packReference,
};
