/**
 * The reference backend: plain TypeScript in float64, correct rather than fast. Other backends are tested
 * against it.
 */

import { allocate, isDetachedArray } from '../../checks/data.js';
import { HeedError } from '../../errors.js';
import type { Elements } from '../../memory/device.js';
import { accessesOf } from '../../problem/accesses.js';
import type { Problem } from '../../problem/problem.js';
import { hostElements } from '../../tensor/elements.js';
import { isFloatType } from '../../tensor/types.js';
import { atOnce, runInSlices } from '../../time-slices.js';
import type { Backend } from '../backend.js';
import { append } from './append.js';
import { attend } from './attention.js';
import { embed } from './embedding.js';
import { merge } from './merge.js';
import { normaliseRows } from './norm.js';
import { pool } from './pooling.js';
import { packReference, projectRows } from './projection.js';
import { showRows } from './rows.js';
import { sample } from './sample.js';

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
    case 'heads':
      throw new TypeError('Operators of ONNX copy heads in the memory of the CPU themselves');
    case 'norm':
      return normaliseRows(problem);
    case 'sample':
      return sample(problem);
    case 'embedding':
      return embed(problem);
    case 'pooling':
      return pool(problem);
  }
}

function* workThrough(problems: readonly Problem[]): Generator<void> {
  for (const problem of problems) yield* work(problem);
}

/** All memory of its caller that a problem reads or writes. */
function arraysOf(problem: Problem): Elements[] {
  const accesses = accessesOf(problem);
  const written = accesses.writes().filter((data) => data !== undefined);
  return [...accesses.reads().map(({ data }) => data), ...written];
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
  expectEpilogues() {
    // All of them.
  },
  expectQuantised() {
    // All types.
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
