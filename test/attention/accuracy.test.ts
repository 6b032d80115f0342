/** How far results may be from exact ones, and that fusing does not make them worse. */
import assert from 'node:assert/strict';
import { attentionDetailsSync, Tensor } from '../../lib/index.js';
import { attend, randomInputs, typesOf } from '../support/attention.js';
import { eachBackend } from '../support/backends.js';
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
        const inputs = randomInputs(new Random(title), { ...shape, type, batch: 1, heads: 1 });
        const { query, key, value } = inputs;
        const expected = attentionOracle(query, key, value).output;
        const error = relativeError(attend(backend, inputs), expected);
        assert.ok(error <= tolerances[type], `error ${error}`);
        const unfused = relativeError(unfusedAttention(type, query, key, value), expected);
        assert.ok(error <= 2 * unfused, `error ${error}, unfused ${unfused}`);
      });

      it(`is no worse than unfused when few keys stand out: ${title}`, () => {
        const random = new Random(`${title}, peaked`);
        const { query, key, value } = randomInputs(random, { ...shape, type, batch: 1, heads: 1 });
        const inputs = { query: random.tensor(type, query.dims, 4), key, value };
        const expected = attentionOracle(inputs.query, key, value).output;
        const error = relativeError(attend(backend, inputs), expected);
        const unfused = relativeError(unfusedAttention(type, inputs.query, key, value), expected);
        assert.ok(error <= 2 * unfused, `error ${error}, unfused ${unfused}`);
      });
    }
  }
});
