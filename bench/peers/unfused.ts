/** heed's own attention by way of whole matrices of scores: what a fused kernel has to be worth. */
import { buildProblem } from '../../lib/attention-arguments.js';
import { solve } from '../../lib/backends.js';
import { readDenseArguments } from '../../lib/dense-attention.js';
import type { Operands } from '../contests/operands.js';
import type { Contestant } from '../row.js';

export function unfusedAttention(calls: readonly Operands[]): Contestant {
  return {
    run: (turn) => {
      const { query, key, value, options } = calls[turn % calls.length];
      const args = readDenseArguments(query, key, value, { ...options });
      const { problem } = buildProblem(args);
      return solve(args.settings.backend, [{ kind: 'unfused', attention: problem }]);
    },
    result: () => calls[0].options.out.cast('float32').data as Float32Array,
  };
}
