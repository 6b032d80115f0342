/** heed's attention with whole score matrices, the baseline for fused kernels. */

import { buildProblem } from '../../lib/attention/arguments.js';
import { readDenseArguments } from '../../lib/attention/attention.js';
import { attentionOptionNames } from '../../lib/attention/options.js';
import { solveUnfused } from '../../lib/backends/unfused.js';
import { readOptions } from '../../lib/checks/options.js';
import { Allocations } from '../../lib/memory/allocations.js';
import type { Operands } from '../contests/operands.js';
import type { Contestant } from '../row.js';

export function unfusedAttention(calls: readonly Operands[]): Contestant {
  return {
    run: (turn) => {
      const { query, key, value, options } = calls[turn % calls.length];
      // Arguments are read and checked as for fused attention.
      const args = readDenseArguments(query, key, value, readOptions(options, attentionOptionNames));
      const { problem } = buildProblem(args, new Allocations());
      solveUnfused(args.settings.backend, problem);
    },
    result: () => calls[0].options.out.cast('float32').data as Float32Array,
  };
}
