/**
 * The reference backend: plain TypeScript in float64, correct rather than fast. Other backends are tested
 * against it.
 */

import { allocate, isDetachedArray } from '../../checks/data.js';
import { HeedError } from '../../errors.js';
import { type Elements, hostElements } from '../../memory/device-array.js';
import type { HeadMatrix, Problem, ScoreForm, StoredView } from '../../problem/problem.js';
import { isFloatType } from '../../tensor/types.js';
import { atOnce } from '../../turns.js';
import type { Backend } from '../backend.js';
import { append } from './append.js';
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

/** The memory of caches cannot be detached. */
function inTensors(views: readonly StoredView[]): { data: Elements }[] {
  return views.filter(({ pages }) => pages === undefined).map(({ data }) => ({ data: data as Elements }));
}

/** All of the caller's memory that a problem reads or writes. */
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
    case 'unfused':
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

/** Numbers read from memory that was detached meanwhile are not results. */
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
