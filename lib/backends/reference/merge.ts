/**
 * Joining attention over disjoint sets of keys. Each part's output is a blend whose weights sum to
 * 1 among its own keys; exp(logSumExp) is what they summed to before that. So the joint blend
 * weighs each part by its exp(logSumExp), divided by the sum of those: a softmax over parts, in which
 * a sink may take part too.
 */
import type { MergeProblem } from '../../problem/problem.js';
import { hostElements, readElements, writeElements } from '../../tensor/elements.js';
import { blend } from './attention.js';
import { softmax } from './softmax.js';

export function* merge(problem: MergeProblem): Generator<void> {
  const { width, type, parts, sinks, rowsPerHead } = problem;
  const outputs = new Float64Array(parts.length * width);
  for (let row = 0; row < problem.rows; row++) {
    const logs = Float64Array.from(parts, (part) => Number(hostElements(part.logSumExp)[row]));
    // A part without keys for this row gives nothing, whatever its output holds.
    const present = Uint8Array.from(logs, (log) => (log === Number.NEGATIVE_INFINITY ? 0 : 1));
    for (const [i, part] of parts.entries())
      readElements(type, hostElements(part.output), row * width, width, outputs, i * width);
    const sink = sinks?.[Math.floor(row / rowsPerHead) % sinks.length];
    hostElements(problem.logSumExp)[row] = softmax(logs, present, sink);
    const joint = blend(logs, present, { rows: parts.length, width, numbers: outputs });
    writeElements(type, hostElements(problem.output), row * width, width, joint);
    yield;
  }
}
