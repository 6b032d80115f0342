/**
 * Tests each score function against its formula, with weights per head or shared, and with every other
 * option.
 */
import assert from 'node:assert/strict';
import { attentionDetailsSync } from '../../lib/attention/attention.js';
import type { AttentionOptions, LocationScore, Score } from '../../lib/attention/options.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { attend, checkAttention, randomInputs, typesOf } from '../support/attention.js';
import { eachBackend } from '../support/backends.js';
import { expectClose, expectSameBits, tolerances } from '../support/compare.js';
import { toNumbers } from '../support/numbers.js';
import { attentionOracle } from '../support/oracle.js';
import { Random } from '../support/random.js';
import { randomScore, scoreNamesOn } from '../support/random-score.js';

function f32(dims: readonly number[], ...numbers: number[]): Tensor {
  return new Tensor(Float32Array.from(numbers), dims);
}

eachBackend('score functions', (backend) => {
  const random = new Random('score functions');
  const shape = { batch: 2, heads: 6, keyHeads: 2, queries: 21, keys: 37, width: 24, valueWidth: 20 };
  const own = { ...shape, keyWidth: 24, perHead: false, type: 'float32' as const };

  for (const name of scoreNamesOn(backend)) {
    for (const perHead of [false, true]) {
      it(`${name}${perHead ? ', weights for each head' : ''}`, () => {
        const score = randomScore(random, name, { ...own, perHead });
        checkAttention(backend, randomInputs(random, shape), { score, scale: 1 });
        // As many rows as in a model that writes one word after the other.
        checkAttention(backend, randomInputs(random, { ...shape, queries: 2 }), { score, scale: 1 });
      });
    }

    for (const type of typesOf(backend)) {
      it(`${name} of ${type}, weights of float32`, () => {
        const inputs = randomInputs(random, { ...shape, type });
        const score = randomScore(random, name, own);
        if (name !== 'location') return checkAttention(backend, inputs, { score });
        // Rounded to the type of the queries, as documented.
        const { weight } = score as LocationScore & { weight: Tensor };
        const { output } = attentionOracle(inputs.query, inputs.key, inputs.value, {
          score: { type: 'location', weight: weight.cast(type) },
        });
        expectClose(attend(backend, inputs, { score }), output, tolerances[type], '', 0.2);
      });
    }

    it(`${name} with everything else`, () => {
      const inputs = randomInputs(random, { ...shape, layout: 'bshd' });
      checkAttention(backend, inputs, {
        layout: 'bshd',
        score: randomScore(random, name, { ...own, perHead: true }),
        scale: 0.7,
        softcap: 2,
        causal: true,
        window: { left: 9 },
        queryOffset: [11, 15],
        kvLengths: [37, 30],
        mask: random.tensor('float32', [2, 1, 21, 37]),
        alibiSlopes: [0.1, 0.2, 0.3, 0, 0.1, 0.2],
        sinks: [0, 1, -1, 2, 0, 0],
      });
    });

    it(`${name}: scores, weights and log-sum-exps of chosen rows`, () => {
      const { query, key, value } = randomInputs(random, { ...shape, batch: 1 });
      const score = randomScore(random, name, { ...own, perHead: true });
      const options = { score, softcap: 3, causal: true };
      const include = ['weights', 'scores', 'cappedScores', 'biasedScores'] as const;
      const rows = { heads: [4, 1], queries: [20, 0, 7] };
      const details = attentionDetailsSync(query, key, value, { ...options, include, rows, backend });
      const expected = attentionOracle(query, key, value, options);
      for (const matrix of include) {
        const chosen = rows.heads.flatMap((head) =>
          rows.queries.flatMap((i) => {
            const start = (head * shape.queries + i) * shape.keys;
            return expected[matrix].slice(start, start + shape.keys);
          }),
        );
        const tensor = details[matrix];
        assert.ok(tensor);
        expectClose(tensor, chosen, 3e-6, matrix, 1);
      }
    });
  }

  it('lets queries and keys of a general score have different widths', () => {
    const inputs = {
      ...randomInputs(random, { ...shape, width: 10 }),
      key: random.tensor('float32', [2, 2, 37, 17]),
    };
    const widths = { ...own, width: 10, keyWidth: 17 };
    checkAttention(backend, inputs, { score: randomScore(random, 'general', widths) });
    checkAttention(backend, inputs, {
      score: randomScore(random, 'general', { ...widths, perHead: true }),
    });
  });

  if (backend !== 'cuda') {
    it('does not look at the keys of a location score', () => {
      const inputs = randomInputs(random, shape);
      const score = randomScore(random, 'location', own);
      const key = random.tensor('float32', [2, 2, 37, 5]);
      for (let i = 0; i < key.size; i++) key.data[i] = Number.NaN;
      expectSameBits(attend(backend, { ...inputs, key }, { score }), attend(backend, inputs, { score }));
    });

    it('adds where exponentials would overflow, and where hidden units are saturated', () => {
      // One key for each row: the log-sum-exp is the score.
      const rows = 64;
      const query = f32([1, 1, rows, 1], ...Array.from({ length: rows }, (_, i) => 3 * (i - 32)));
      for (const [offset, seen] of [0, 5, -60, 60, 95].map((at) => [at, at])) {
        const key = f32([1, 1, 1, 1], offset);
        const one = f32([1, 1], 1);
        const score = { type: 'additive', query: one, key: one, vector: f32([1], 2) } as const;
        const { logSumExp } = attentionDetailsSync(query, key, key, {
          score,
          include: ['logSumExp'],
          backend,
        });
        assert.ok(logSumExp);
        const expected = Array.from({ length: rows }, (_, i) => 2 * Math.tanh(3 * (i - 32) + seen));
        for (const [i, x] of toNumbers(logSumExp).entries()) {
          assert.ok(Math.abs(x - expected[i]) < 2e-6, `tanh(${3 * (i - 32) + seen}): ${x / 2}`);
        }
      }
    });

    it('takes tanh of a sum to 5e-7', () => {
      const rows = 4096;
      const random = new Random('tanh');
      const query = f32([1, 1, rows, 1], ...Array.from({ length: rows }, () => 2 * random.normal()));
      for (const at of [0, 0.7, -1.3]) {
        const key = f32([1, 1, 1, 1], at);
        const one = f32([1, 1], 1);
        const score = { type: 'additive', query: one, key: one, vector: f32([1], 1) } as const;
        const include = ['logSumExp', 'scores'] as const;
        const { logSumExp, scores } = attentionDetailsSync(query, key, key, { score, include, backend });
        assert.ok(logSumExp && scores);
        for (const [i, x] of toNumbers(query).entries()) {
          const truth = Math.tanh(x + Math.fround(at));
          // The error of rounding the score to float32 and taking its logarithm.
          assert.ok(Math.abs((scores.data[i] as number) - truth) < 5e-7);
          assert.ok(Math.abs((logSumExp.data[i] as number) - truth) < 7e-7, `${x}`);
        }
      }
    });

    it('takes more positions than there are keys', () => {
      const score = randomScore(random, 'location', { ...own, keys: 50 });
      checkAttention(backend, randomInputs(random, shape), { score, kvLengths: [37, 3] });
    });
  }

  it('scales dot by 1 and scaled-dot by 1/√width', () => {
    const inputs = randomInputs(random, shape);
    const by = (options: AttentionOptions) => attend(backend, inputs, options);
    expectSameBits(by({ score: 'dot' }), by({ scale: 1 }));
    expectSameBits(by({ score: 'scaled-dot' }), by({}));
    expectSameBits(by({ score: 'dot', scale: 0.3 }), by({ scale: 0.3 }));
  });

  describe('the cosine', () => {
    const scoresOf = (query: Tensor, key: Tensor) => {
      const options = { score: 'cosine' as const, include: ['scores', 'logSumExp'] as const, backend };
      const { scores, logSumExp } = attentionDetailsSync(query, key, key, options);
      assert.ok(scores && logSumExp);
      return { scores: toNumbers(scores), logSumExp: toNumbers(logSumExp) };
    };

    it('depends on the direction alone', () => {
      const query = f32([1, 1, 1, 2], 3, 4);
      const { scores } = scoresOf(query, f32([1, 1, 4, 2], 6, 8, -1.5, -2, 4, -3, 0.03, 0.04));
      expectClose(f32([4], ...scores), [1, -1, 0, 1], 1e-6);
    });

    it('is 0 for a vector of zeros, and for no other that is short or long', () => {
      const key = f32([1, 1, 4, 2], 0, 0, 3e-25, 4e-25, 3e25, 4e25, 1e-38, 0);
      const { scores } = scoresOf(f32([1, 1, 1, 2], 3e-22, 4e-22), key);
      expectClose(f32([4], ...scores), [0, 1, 1, 0.6], 1e-6);
      assert.deepEqual(scoresOf(f32([1, 1, 1, 2], 0, 0), key).scores, [0, 0, 0, 0]);
    });

    it('is as right where many queries share a tile as where few do', () => {
      const key = f32([1, 1, 1, 2], 3e25, 4e25);
      const queries = 70;
      const query = f32(
        [1, 1, queries, 2],
        ...Array.from({ length: 2 * queries }, (_, i) => (i % 2 ? 4 : 3)),
      );
      expectClose(
        f32([queries], ...scoresOf(query, key).logSumExp),
        Array.from({ length: queries }, () => 1),
        1e-6,
      );
    });

    it('is NaN where NaN or ∞ takes part', () => {
      const key = f32([1, 1, 3, 2], Number.NaN, 1, Infinity, 1, 1, 1);
      const { scores } = scoresOf(f32([1, 1, 1, 2], 1, 1), key);
      assert.ok(Number.isNaN(scores[0]) && Number.isNaN(scores[1]));
      expectClose(f32([1], scores[2]), [1], 1e-6);
    });
  });

  it('is the same attention for general with the unit matrix as for dot', () => {
    const inputs = randomInputs(random, { ...shape, width: 16 });
    const unit = f32([16, 16], ...Array.from({ length: 256 }, (_, i) => (i % 17 === 0 ? 1 : 0)));
    const score: Score = { type: 'general', weight: unit };
    expectClose(
      attend(backend, inputs, { score }),
      toNumbers(attend(backend, inputs, { score: 'dot' })),
      3e-6,
    );
  });
});
