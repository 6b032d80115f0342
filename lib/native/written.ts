/** What of the caller's memory problems write to. */
import type { Problem } from '../problem.js';

function of(problem: Problem): unknown[] {
  switch (problem.kind) {
    case 'attention':
      return [problem.output.data, problem.logSumExp?.data, problem.choices?.data];
    case 'rows':
      return [problem.scores, problem.cappedScores, problem.biasedScores, problem.weights];
    case 'projection':
      return problem.targets.map((target) => target.view.data);
    case 'merge':
      return [problem.output, problem.logSumExp];
    case 'cast':
      return [problem.to.data];
    case 'append':
      // Caches are appended to where they are, in memory that is heed's own: nothing has to come back, or to be copied back.
      return [];
  }
}

/** Each array once; some are undefined. */
export function writtenBy(problems: readonly Problem[]): Set<unknown> {
  return new Set(problems.flatMap(of));
}
