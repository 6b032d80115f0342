/** Tests rows of sequences against their definition. */
import assert from 'node:assert/strict';
import { pooling, poolingSync } from '../../lib/pooling/pooling.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { typesOf } from '../support/attention.js';
import { eachBackend } from '../support/backends.js';
import { expectClose, expectSameBits, tolerances } from '../support/compare.js';
import { toNumbers } from '../support/numbers.js';
import { poisoned } from '../support/poison.js';
import { Random, tensorOf } from '../support/random.js';
import { throwsHeed } from '../support/rejects.js';
import { poolingOracle } from './pooling-oracle.js';

eachBackend('pooling', (backend) => {
  const random = new Random('pooling');

  for (const type of typesOf(backend)) {
    it(`is what its definition says, ${type}`, async () => {
      for (let repeat = 0; repeat < 40; repeat++) {
        const width = random.integer(1, 130);
        const starts = [0];
        for (let left = random.integer(1, 6); left > 0; left--)
          starts.push(starts[starts.length - 1] + random.integer(0, 20));
        const x = random.tensor(type, [starts[starts.length - 1], width]);
        const pooled = random.pick(['mean', 'first', 'last'] as const);
        const normalize = random.chance(0.5);
        const numbers = toNumbers(x);
        const expected = starts
          .slice(1)
          .flatMap((end, i) => poolingOracle(numbers, width, starts[i], end, pooled, normalize));
        const out = poisoned(type, [starts.length - 1, width]);
        const result = await pooling(x, {
          queryStarts: starts,
          type: pooled,
          normalize,
          backend,
          out: out.tensor,
        });
        assert.equal(result, out.tensor);
        out.expectMarginsIntact();
        expectClose(result, expected, tolerances[type], `${pooled} of ${starts}`);
      }
    });
  }

  it('of a sequence has the same bits among any others', () => {
    const x = random.tensor('float32', [30, 17]);
    const whole = poolingSync(x, { queryStarts: [0, 4, 11, 30], normalize: true, backend });
    const part = new Tensor((x.data as Float32Array).slice(4 * 17, 11 * 17), [7, 17]);
    const alone = poolingSync(part, { normalize: true, backend });
    expectSameBits(alone, new Tensor((whole.data as Float32Array).slice(17, 34), [1, 17]));
  });

  it('takes numbers whose sums and squares are beyond float32, and sequences without rows', () => {
    const x = tensorOf('float32', [2, 3], (i) => [3e38, 1e-40, 1][i % 3]);
    expectClose(poolingSync(x, { backend }), [3e38, 1e-40, 1], 1e-6);
    expectClose(poolingSync(x, { normalize: true, backend }), [1, 0, 0], 1e-6);
    const none = poolingSync(Tensor.zeros('float32', [0, 3]), { normalize: true, backend });
    assert.deepEqual(toNumbers(none), [0, 0, 0]);
    x.data[4] = Number.NaN;
    assert.deepEqual(toNumbers(poolingSync(x, { type: 'last', backend })).map(Number.isNaN), [
      false,
      true,
      false,
    ]);
  });

  it('refuses what does not fit, before any work', () => {
    const x = random.tensor('float32', [4, 3]);
    const refuse = (given: object, code: Parameters<typeof throwsHeed>[1], message: string) =>
      throwsHeed(() => poolingSync(x, { backend, ...given } as never), code, message);
    refuse({ queryStarts: [0, 3] }, 'HEED_SHAPE_MISMATCH', 'options.queryStarts to begin with 0');
    refuse({ queryStarts: [0, 3, 2, 4] }, 'HEED_INVALID_ARGUMENT', 'options.queryStarts[2]');
    refuse({ type: 'max' }, 'HEED_INVALID_ARGUMENT', "'mean', 'first' or 'last'");
    refuse({ normalize: 1 }, 'HEED_INVALID_ARGUMENT', 'options.normalize');
    refuse({ out: x }, 'HEED_SHAPE_MISMATCH', 'options.out.dims');
  });
});
