/** The caller's memory that problems write to. */
import type { Problem } from '../../problem/problem.js';

function of(problem: Problem): unknown[] {
  switch (problem.kind) {
    case 'attention':
      return [problem.output.data, problem.logSumExp?.data, problem.choices?.data];
    case 'unfused':
      return of(problem.attention);
    case 'rows':
      return [problem.scores, problem.cappedScores, problem.biasedScores, problem.weights];
    case 'projection':
      return problem.targets.map((target) => target.view.data);
    case 'merge':
      return [problem.output, problem.logSumExp];
    case 'cast':
      return [problem.to.data];
    case 'append':
      // Caches are appended to in place, in heed's own memory: nothing has to be copied back.
      return [];
  }
}

/** Each array once; some are undefined. */
export function writtenBy(problems: readonly Problem[]): Set<unknown> {
  return new Set(problems.flatMap(of));
}
