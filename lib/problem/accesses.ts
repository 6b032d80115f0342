/** The cost of a problem, which decides whether it is worth a thread. */

import { isPacked } from '../backends/native/packed-panels.js';
import type { AttentionProblem, Problem } from './problem.js';

/**
 * The most multiplications that the calling thread computes itself, before it returns a promise: that
 * takes a few microseconds, less than waking another thread. See `bench/NOTES.md`.
 */
const mostForOneThread = 2 ** 18;

/** The cost of reading an element from memory, in multiplications. */
const reading = 4;

/** The cost of tanh, in multiplications. */
const tanh = 8;

function ofAttention(problem: AttentionProblem): number {
  const { sequences, queryHeads, keyHeads, width, valueWidth, score } = problem;
  const hidden = score?.kind === 'additive' ? score.hidden : 0;
  let scores = 0;
  let keys = 0;
  for (const { querySteps, keySteps } of sequences) {
    scores += querySteps * keySteps;
    keys += keySteps;
  }
  const products = (scores * queryHeads + keys * keyHeads * reading) * (width + valueWidth);
  return products + (scores * queryHeads * tanh + keys * keyHeads * width) * hidden;
}

function of(problem: Problem): number {
  switch (problem.kind) {
    case 'attention':
      return ofAttention(problem);
    case 'unfused':
      return ofAttention(problem.attention);
    case 'rows': {
      const { attention, heads, queries, keys } = problem;
      return attention.sequences.length * heads.length * queries.length * keys * attention.width;
    }
    case 'projection':
      // A weight that is not packed is read, written to its panels, and read there.
      return problem.columns * problem.inner * (problem.rows + reading * (isPacked(problem.weight) ? 1 : 3));
    case 'merge':
      return problem.rows * problem.width * problem.parts.length * reading;
    case 'cast':
      return problem.count * reading;
    case 'append': {
      const steps = problem.parts.reduce((sum, part) => sum + part.steps, 0);
      return steps * problem.heads * (problem.width + problem.valueWidth) * reading;
    }
  }
}

function workOf(problems: readonly Problem[]): number {
  let work = 0;
  for (const problem of problems) work += of(problem);
  return work;
}

export function isSmall(problems: readonly Problem[]): boolean {
  return workOf(problems) <= mostForOneThread;
}

/** The cost of copying a byte into new memory, in multiplications of all threads. See `bench/NOTES.md`. */
const copying = 24;

/** Whether copying these bytes would block the event loop for longer than solving the problems at once. */
export function isSolvedSooner(problems: readonly Problem[], bytes: number): boolean {
  return workOf(problems) <= bytes * copying;
}
