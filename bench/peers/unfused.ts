/** heed's own attention by way of whole matrices of scores: what a fused kernel has to be worth. */
import { Allocations } from '../../lib/allocations.js';
import { buildProblem } from '../../lib/attention-arguments.js';
import { attentionOptionNames } from '../../lib/attention-options.js';
import { readOptions } from '../../lib/checks/options.js';
import { readDenseArguments } from '../../lib/dense-attention.js';
import { solveUnfused } from '../../lib/unfused.js';
import type { Operands } from '../contests/operands.js';
import type { Contestant } from '../row.js';

export function unfusedAttention(calls: readonly Operands[]): Contestant {
  return {
    run: (turn) => {
      const { query, key, value, options } = calls[turn % calls.length];
      // What the fused attention goes through before it computes, this goes through as well.
      const args = readDenseArguments(query, key, value, readOptions(options, attentionOptionNames));
      const { problem } = buildProblem(args, new Allocations());
      solveUnfused(args.settings.backend, problem);
    },
    result: () => calls[0].options.out.cast('float32').data as Float32Array,
  };
}
