/** heed's own attention by way of whole matrices of scores: what a fused kernel has to be worth. */
import { buildProblem } from '../../lib/attention/arguments.js';
import { readDenseArguments } from '../../lib/attention/attention.js';
import { attentionOptionNames } from '../../lib/attention/options.js';
import { solve, type solveSync } from '../../lib/backends/operation.js';
import { readOptions } from '../../lib/checks/options.js';
import { Allocations } from '../../lib/memory/allocations.js';
import type { Operands } from '../contests/operands.js';
import type { Contestant } from '../row.js';

/** @param how asynchronously or not */
export function unfusedAttention(
  calls: readonly Operands[],
  how: typeof solve | typeof solveSync = solve,
): Contestant {
  return {
    run: (turn) => {
      const { query, key, value, options } = calls[turn % calls.length];
      // What the fused attention goes through before it computes, this goes through as well.
      const args = readDenseArguments(query, key, value, readOptions(options, attentionOptionNames));
      const { problem } = buildProblem(args, new Allocations());
      return how(args.settings.backend, [{ kind: 'unfused', attention: problem }]);
    },
    result: () => calls[0].options.out.cast('float32').data as Float32Array,
  };
}
