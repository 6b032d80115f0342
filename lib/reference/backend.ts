/** The reference backend: plain TypeScript in float64, right rather than fast. Other backends are measured against it. */
import type { Backend } from '../backend.js';
import { allocate, isDetachedArray } from '../checks/data.js';
import { HeedError } from '../errors.js';
import { type Elements, hostElements } from '../native/device-array.js';
import type { HeadMatrix, Problem, ScoreForm, StoredView } from '../problem.js';
import { isFloatType } from '../tensor-type.js';
import { atOnce } from '../turns.js';
import { append } from './append.js';
import { attend } from './attention.js';
import { merge } from './merge.js';
import { packReference, projectRows } from './projection.js';
import { showRows } from './rows.js';
import { runInSlices } from './time-slices.js';

function work(problem: Problem): Generator<void> {
  switch (problem.kind) {
    case 'attention':
      return attend(problem);
    case 'rows':
      return showRows(problem);
    case 'projection':
      return projectRows(problem);
    case 'merge':
      return merge(problem);
    case 'append':
      return append(problem);
    case 'cast':
      throw new TypeError('Tensors in the memory of the CPU cast themselves');
  }
}

function* workThrough(problems: readonly Problem[]): Generator<void> {
  for (const problem of problems) yield* work(problem);
}

function weightsOf(score: ScoreForm | undefined): HeadMatrix[] {
  if (score?.kind === 'general') return [score.weight];
  return score?.kind === 'additive' ? [score.query, score.key, score.vector] : [];
}

/** The memory of caches cannot go away. */
function inTensors(views: readonly StoredView[]): { data: Elements }[] {
  return views.filter(({ pages }) => pages === undefined).map(({ data }) => ({ data: data as Elements }));
}

/** All memory of the caller's that a problem reads or writes. */
function arraysOf(problem: Problem): Elements[] {
  switch (problem.kind) {
    case 'attention':
      return [
        problem.query,
        ...inTensors([problem.key, problem.value]),
        problem.output,
        ...(problem.mask ? [problem.mask] : []),
        ...weightsOf(problem.score),
        ...(problem.select?.kind === 'local' ? [problem.select.centers] : []),
      ].map(({ data }) => data);
    case 'rows':
      return arraysOf(problem.attention);
    case 'projection': {
      const weight = 'data' in problem.weight ? [problem.weight.data] : [];
      return [problem.input.data, ...weight, ...problem.targets.map(({ view }) => view.data)];
    }
    case 'merge':
      return problem.parts.flatMap(({ output, logSumExp }) => [output, logSumExp]);
    case 'append':
      return [problem.key.data, problem.value.data];
    case 'cast':
      return [];
  }
}

/** Numbers read from memory that went away meanwhile are not results. */
function expectAttached(problems: readonly Problem[]): void {
  if (problems.flatMap(arraysOf).map(hostElements).some(isDetachedArray)) {
    throw new HeedError(
      'HEED_DETACHED',
      'Expected the memory of tensors to stay while an operation runs, received a detached ArrayBuffer',
    );
  }
}

export const referenceBackend: Backend = {
  name: 'reference',
  location: 'cpu',
  supports: isFloatType,
  expectComputable() {
    // All scores and selections.
  },
  table: (numbers) => numbers,
  place: (numbers) => numbers,
  allocate,
  async solve(problems, signal) {
    await runInSlices(workThrough(problems), signal);
    expectAttached(problems);
  },
  solveSync(problems) {
    atOnce(workThrough(problems));
  },
  packWeight: packReference,
};
