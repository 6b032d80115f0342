/** How much work a problem is: whether it is worth a thread. */
import type { AttentionProblem, Problem } from '../problem.js';
import { isPacked } from './packed-panels.js';

/**
 * Multiplications up to which one thread computes, the calling one, and a promise is kept before it is returned: it
 * takes a few microseconds, less than another thread would take to begin. See `bench/NOTES.md`.
 */
const mostForOneThread = 2 ** 18;

/** How long it takes to read an element from memory, in multiplications. */
const reading = 4;

/** How long tanh takes, in multiplications. */
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

/** How long it takes to copy a byte into memory that is new, in multiplications of all threads. See `bench/NOTES.md`. */
const copying = 24;

/** Whether to copy these bytes holds up the event loop for longer than to solve the problems there and then. */
export function isSolvedSooner(problems: readonly Problem[], bytes: number): boolean {
  return workOf(problems) <= bytes * copying;
}
