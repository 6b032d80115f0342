/** Tests norms of rows against their definition, with residuals, in every type. */
import assert from 'node:assert/strict';
import { type NormOptions, norm, normSync } from '../../lib/norm/norm.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import type { FloatType, TensorLike } from '../../lib/tensor/types.js';
import { typesOf } from '../support/attention.js';
import { eachBackend } from '../support/backends.js';
import { expectClose, expectSameBits, tolerances } from '../support/compare.js';
import { toNumbers } from '../support/numbers.js';
import { poisoned } from '../support/poison.js';
import { Random, tensorOf } from '../support/random.js';
import { throwsHeed } from '../support/rejects.js';
import { normOracle } from './norm-oracle.js';

function rowsOf(numbers: readonly number[], width: number): number[][] {
  return Array.from({ length: numbers.length / width }, (_, row) =>
    numbers.slice(row * width, (row + 1) * width),
  );
}

eachBackend('a norm of rows', (backend) => {
  const random = new Random('norms');

  function factors(width: number): TensorLike {
    return random.tensor(random.pick(['float32', 'float16', 'bfloat16']), [width]);
  }

  function options(width: number): NormOptions {
    return {
      backend,
      weight: factors(width),
      ...(random.chance(0.7) && { type: random.pick(['rms', 'layer'] as const) }),
      ...(random.chance(0.5) && { bias: factors(width) }),
      ...(random.chance(0.5) && { epsilon: random.pick([1e-5, 1e-3, 0]) }),
      ...(random.chance(0.5) && { offset: 1 }),
    };
  }

  for (const type of typesOf(backend)) {
    it(`is what its definition says, ${type}`, async () => {
      for (let repeat = 0; repeat < 40; repeat++) {
        const width = random.pick([2, 3, 8, 31, 64, 100, 257, random.integer(2, 600)]);
        const dims = [random.integer(1, 3), random.integer(1, 9), width];
        const given = options(width);
        const x = random.tensor(type, dims, random.pick([1, 0.1, 30]));
        const out = poisoned(type, dims);
        const result = await norm(x, { ...given, out: out.tensor });
        assert.equal(result, out.tensor);
        out.expectMarginsIntact();
        expectClose(result, normOracle(toNumbers(x), width, given), tolerances[type], `width ${width}`, 1);
      }
    });

    it(`adds a residual first, and gives the sum, ${type}`, async () => {
      for (let repeat = 0; repeat < 20; repeat++) {
        const width = random.integer(2, 150);
        const dims = [random.integer(1, 9), width];
        const given = options(width);
        const [x, residual] = [0, 1].map(() => random.tensor(type, dims));
        const outs = { sum: poisoned(type, dims), output: poisoned(type, dims) };
        const { sum, output } = await norm(x, {
          ...given,
          residual,
          out: { sum: outs.sum.tensor, output: outs.output.tensor },
        });
        for (const each of Object.values(outs)) each.expectMarginsIntact();
        const [a, b] = [x, residual].map(toNumbers);
        expectSameBits(
          sum,
          tensorOf(type, dims, (i) => a[i] + b[i]),
        );
        expectSameBits(output, await norm(sum, { ...given }));
      }
    });
  }

  it('takes every number, as float64 sums would', () => {
    for (const type of typesOf(backend)) {
      const largest = { float16: 65504, bfloat16: 3.38e38, float32: 3.4e38, float64: 3.4e38 }[type];
      const smallest = { float16: 2 ** -24, bfloat16: 2 ** -133, float32: 2 ** -149, float64: 2 ** -149 }[
        type
      ];
      for (const normType of ['rms', 'layer'] as const) {
        for (let repeat = 0; repeat < 30; repeat++) {
          const width = random.integer(2, 40);
          const choices = [
            () => random.normal(),
            () => largest * random.uniform(0.5, 1) * random.pick([-1, 1]),
            () => smallest * random.integer(0, 9),
            () => random.pick([0, -0, random.normal(), largest]),
          ];
          const choose = random.pick(choices);
          const x = tensorOf(type, [3, width], choose);
          const given = { type: normType, weight: factors(width), epsilon: random.pick([0, 1e-5]) };
          const expected = normOracle(toNumbers(x), width, given);
          const actual = toNumbers(normSync(x, { ...given, backend }));
          // A row of one number over and over has a variance that is nothing but rounding.
          for (const [row, wanted] of rowsOf(expected, width).entries()) {
            const numbers = rowsOf(toNumbers(x), width)[row];
            const spread = Math.max(...numbers) - Math.min(...numbers);
            if (normType === 'layer' && spread < 1e-3 * Math.max(...numbers.map(Math.abs))) continue;
            const got = new Tensor(Float64Array.from(actual.slice(row * width, (row + 1) * width)), [width]);
            if (wanted.some(Number.isNaN)) continue;
            expectClose(got, wanted, 20 * tolerances[type], `${type} ${normType} of ${numbers}`, 1e-3);
          }
        }
      }
    }
  });

  it('keeps NaN and infinity within their row', () => {
    const width = 19;
    const weight = random.tensor('float32', [width]);
    for (const type of ['rms', 'layer'] as const) {
      for (const special of [Number.NaN, Infinity, -Infinity]) {
        const at = random.integer(0, width - 1);
        const x = random.tensor('float32', [3, width]);
        x.data[width + at] = special;
        const given = { backend, weight, type } as const;
        const rows = rowsOf(toNumbers(normSync(x, given)), width);
        const plain = normSync(new Tensor((x.data as Float32Array).slice(0, width), [1, width]), given);
        assert.deepEqual(rows[0], toNumbers(plain));
        assert.ok(rows[2].every(Number.isFinite));
        const others = rows[1].filter((_, i) => i !== at);
        assert.ok(Number.isNaN(rows[1][at]));
        // Infinity divides all others by infinity, but its distance from their mean is infinite, too.
        if (type === 'rms' && !Number.isNaN(special)) assert.ok(others.every((each) => each === 0));
        else assert.ok(others.every(Number.isNaN));
      }
    }
  });

  it('of a row of zeros is the bias', () => {
    const bias = random.tensor('float32', [20]);
    const x = Tensor.zeros('float32', [2, 20]);
    for (const type of ['rms', 'layer'] as const) {
      const result = normSync(x, {
        backend,
        type,
        weight: random.tensor('float32', [20]),
        bias,
      });
      assert.deepEqual(toNumbers(result), [...toNumbers(bias), ...toNumbers(bias)]);
    }
  });

  it('takes rows without elements, and none', () => {
    for (const dims of [
      [3, 0],
      [0, 5],
      [2 ** 40, 0],
    ]) {
      const weight = Tensor.zeros('float32', [dims[1]]);
      const x = { type: 'float32' as const, dims, data: new Float32Array(0) };
      assert.deepEqual(normSync(x, { backend, weight }).dims, dims);
    }
  });

  it('refuses what does not fit, before any work', () => {
    const x = random.tensor('float32', [3, 8]);
    const weight = random.tensor('float32', [8]);
    const refuse = (given: object, code: Parameters<typeof throwsHeed>[1], message: string) =>
      throwsHeed(() => normSync(x, { backend, weight, ...given } as never), code, message);
    refuse({ weight: random.tensor('float32', [9]) }, 'HEED_SHAPE_MISMATCH', 'x.dims[1] (8), received 9');
    refuse({ bias: random.tensor('float32', [8, 1]) }, 'HEED_SHAPE_MISMATCH', 'options.bias.dims');
    refuse({ epsilon: -1 }, 'HEED_INVALID_ARGUMENT', 'options.epsilon');
    refuse({ offset: Number.NaN }, 'HEED_INVALID_ARGUMENT', 'options.offset');
    refuse({ type: 'group' }, 'HEED_INVALID_ARGUMENT', "'rms' or 'layer'");
    refuse({ residual: random.tensor('float16', [3, 8]) }, 'HEED_TYPE_MISMATCH', 'options.residual.type');
    refuse({ residual: random.tensor('float32', [8, 3]) }, 'HEED_SHAPE_MISMATCH', 'options.residual.dims');
    refuse({ out: x }, 'HEED_OVERLAP', 'options.out not to share memory with x');
    const out = Tensor.zeros('float32', [3, 8]);
    refuse(
      { residual: random.tensor('float32', [3, 8]), out: { sum: out, output: out } },
      'HEED_OVERLAP',
      'options.out.sum not to share memory with the output',
    );
    throwsHeed(() => normSync(x, undefined as never), 'HEED_INVALID_ARGUMENT', 'an object with a weight');
  });
});

describe('the types of norms', () => {
  it('are those of their options', () => {
    const x = Tensor.zeros('float32', [1, 2]);
    const weight = Tensor.zeros('float32', [2]);
    const type: FloatType = normSync(x, { weight, backend: 'reference' }).type as FloatType;
    const { sum } = normSync(x, { weight, residual: x.cast('float32'), backend: 'reference' });
    assert.equal(sum.type, type);
  });
});
