/** Tests that whole matrices give the same bits as computing row by row, because the sums are the same. */
import { referenceBackend } from '../../../lib/backends/reference/backend.js';
import { solveUnfused } from '../../../lib/backends/unfused.js';
import type { AttentionProblem, View } from '../../../lib/problem/problem.js';
import type { Tensor } from '../../../lib/tensor/tensor.js';
import { randomInputs } from '../../support/attention.js';
import { expectSameBits } from '../../support/compare.js';
import { poisoned } from '../../support/poison.js';
import { Random } from '../../support/random.js';

function viewOf(tensor: Tensor): View {
  const [, heads, steps, width] = tensor.dims;
  return {
    data: tensor.data,
    type: tensor.type,
    batchStride: heads * steps * width,
    headStride: steps * width,
    stepStride: width,
  };
}

describe('reference unfused attention', () => {
  it('is attention', () => {
    const { query, key, value } = randomInputs(new Random('unfused'), { keyHeads: 2, valueWidth: 5 });
    const solved = [false, true].map((unfused) => {
      const { tensor: output } = poisoned('float32', [2, 4, 9, 5]);
      const { tensor: logSumExp } = poisoned('float32', [2, 4, 9, 1]);
      const attention: AttentionProblem = {
        kind: 'attention',
        queryHeads: 4,
        keyHeads: 2,
        width: 16,
        valueWidth: 5,
        query: viewOf(query),
        key: viewOf(key),
        value: viewOf(value),
        output: viewOf(output),
        logSumExp: viewOf(logSumExp),
        sequences: [13, 0].map((keySteps) => ({
          queryStart: 0,
          querySteps: 9,
          keyStart: 0,
          keySteps,
          queryOffset: keySteps - 9,
        })),
        scoring: {
          score: { kind: 'product' },
          scale: 0.25,
          softcap: 5,
          window: { left: 6, right: 0 },
          sinks: Float64Array.of(0, 1, 2, 3),
          alibiDistance: 'signed',
          select: { kind: 'soft' },
        },
      };
      if (unfused) solveUnfused(referenceBackend, attention);
      else referenceBackend.solveSync([attention]);
      return { output, logSumExp };
    });
    expectSameBits(solved[1].output, solved[0].output);
    expectSameBits(solved[1].logSumExp, solved[0].logSumExp);
  });
});
