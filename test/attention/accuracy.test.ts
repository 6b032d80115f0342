/** Tests the errors of results against exact ones, and that fusing does not make them worse. */
import assert from 'node:assert/strict';
import { attentionDetailsSync, Tensor } from '../../lib/index.js';
import type { FloatType } from '../../lib/tensor/types.js';
import { attend, randomInputs, typesOf } from '../support/attention.js';
import { eachBackend, type TestedBackend } from '../support/backends.js';
import { relativeError, tolerances } from '../support/compare.js';
import { attentionOracle } from '../support/oracle.js';
import { Random } from '../support/random.js';
import { unfusedAttention } from '../support/unfused.js';

const shapes = [
  { queries: 40, keys: 300, width: 64 },
  { queries: 100, keys: 100, width: 32 },
  { queries: 3, keys: 1500, width: 16 },
  { queries: 20, keys: 150, width: 200 },
];

interface Errors {
  readonly fused: number;
  readonly unfused: number;
}

/**
 * Uses as many draws as have 60 rows together. With few rows, chance decides how well the relevant ones are
 * rounded: over single draws of three rows, the logarithm of the ratio of errors has a standard deviation of
 * 0.6, so that one draw in some thousands is twice as far off as unfused.
 */
function errorsOf(
  backend: TestedBackend,
  type: FloatType,
  shape: (typeof shapes)[number],
  random: Random,
  queryDeviation: number,
): Errors[] {
  return Array.from({ length: Math.ceil(60 / shape.queries) }, () => {
    const { query: plain, key, value } = randomInputs(random, { ...shape, type, batch: 1, heads: 1 });
    const query = random.tensor(type, plain.dims, queryDeviation);
    const expected = attentionOracle(query, key, value).output;
    return {
      fused: relativeError(attend(backend, { query, key, value }), expected),
      unfused: relativeError(unfusedAttention(type, query, key, value), expected),
    };
  });
}

function expectNoWorse(errors: readonly Errors[]): void {
  const [fused, unfused] = (['fused', 'unfused'] as const).map((way) =>
    Math.hypot(...errors.map((each) => each[way])),
  );
  assert.ok(fused <= 2 * unfused, `error ${fused}, unfused ${unfused}`);
}

eachBackend('accuracy', (backend) => {
  for (const queries of [1, 20]) {
    it(`gives the log-sum-exp of a single key for each of ${queries} queries: its score, however small`, () => {
      const query = new Tensor('float32', new Float32Array(queries).fill(0.125), [1, 1, queries, 1]);
      const key = new Tensor('float32', Float32Array.of(0.25), [1, 1, 1, 1]);
      const { logSumExp } = attentionDetailsSync(query, key, key, {
        scale: 1,
        include: ['logSumExp'],
        backend,
      });
      assert.ok(logSumExp);
      for (const found of logSumExp.data as Float32Array)
        assert.ok(Math.abs(found / (0.125 * 0.25) - 1) < 5e-7, `log-sum-exp ${found}`);
    });
  }

  for (const type of typesOf(backend)) {
    for (const shape of shapes) {
      const title = `${shape.queries} queries, ${shape.keys} keys, width ${shape.width}, ${type}`;

      it(`keeps its promise: ${title}`, () => {
        const errors = errorsOf(backend, type, shape, new Random(title), 1);
        for (const { fused } of errors) assert.ok(fused <= tolerances[type], `error ${fused}`);
        expectNoWorse(errors);
      });

      it(`is no worse than unfused when few keys stand out: ${title}`, () => {
        expectNoWorse(errorsOf(backend, type, shape, new Random(`${title}, peaked`), 4));
      });
    }
  }
});
