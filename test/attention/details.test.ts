/** Scores, weights and log-sum-exps. */
import assert from 'node:assert/strict';
import { attentionDetails, attentionDetailsSync, attentionSync } from '../../lib/attention/attention.js';
import type { AttentionDetail, AttentionDetailsOptions } from '../../lib/attention/details.js';
import type { FloatType } from '../../lib/tensor/types.js';
import { type Inputs, randomInputs, typesOf } from '../support/attention.js';
import { eachBackend, type TestedBackend } from '../support/backends.js';
import { expectClose, expectSameBits, tolerances } from '../support/compare.js';
import { toNumbers } from '../support/numbers.js';
import { attentionOracle, type OracleOptions } from '../support/oracle.js';
import { Random } from '../support/random.js';

const matrices = ['scores', 'cappedScores', 'biasedScores', 'weights'] as const;
const everything: readonly AttentionDetail[] = ['logSumExp', ...matrices];

/**
 * All details are float32, unless everything is float64; the storage type of the inputs does not matter, as
 * the inputs are exact.
 */
function toleranceOf(type: FloatType): number {
  return type === 'float64' ? tolerances.float64 : tolerances.float32;
}

function checkDetails(backend: TestedBackend, inputs: Inputs, options: OracleOptions = {}): void {
  const { query, key, value } = inputs;
  const type = query.type as FloatType;
  const expected = attentionOracle(query, key, value, options);
  const details = attentionDetailsSync(query, key, value, { ...options, backend, include: everything });
  expectClose(details.output, expected.output, tolerances[type], 'output:');
  for (const name of everything) {
    const tensor = details[name];
    assert.ok(tensor, name);
    assert.equal(tensor.type, type === 'float64' ? 'float64' : 'float32');
    expectClose(tensor, expected[name], toleranceOf(type), `${name}:`);
  }
}

eachBackend('attention details', (backend) => {
  const random = new Random('attention details');
  const inputs = randomInputs(random, { heads: 6, keyHeads: 2, queries: 11, keys: 19, valueWidth: 5 });
  const { query, key, value } = inputs;
  const sync = (options: AttentionDetailsOptions) =>
    attentionDetailsSync(query, key, value, { backend, ...options });

  for (const type of typesOf(backend)) {
    it(`shows everything of ${type}`, () => {
      checkDetails(backend, randomInputs(random, { type, heads: 6, keyHeads: 2 }), {
        causal: true,
        softcap: 3,
        mask: random.mask([9, 13], 0.8),
        alibiSlopes: [1, 0.5, 0.25, 0.125, 0, -0.5],
        sinks: [0, 1, 2, 3, -1, -2],
        kvLengths: [13, 7],
      });
    });
  }

  it('shows plain attention', () => checkDetails(backend, inputs));
  it('shows scores of keys that are not attended', () => checkDetails(backend, inputs, { causal: true }));
  it('shows −∞ past the valid keys', () => checkDetails(backend, inputs, { kvLengths: [4, 0] }));
  it('shows windows', () =>
    checkDetails(backend, inputs, { window: { left: 2, right: 1 }, queryOffset: [2, -5] }));
  it('shows additive masks', () =>
    checkDetails(backend, inputs, { mask: random.tensor('float32', [2, 1, 11, 19]) }));
  it('shows weights that leave room for the sink', () =>
    checkDetails(backend, inputs, { sinks: [1, 2, 3, 4, 5, 6] }));
  it('shows [batch, heads, queries, keys] in layout bshd too', () => {
    checkDetails(backend, randomInputs(random, { layout: 'bshd', heads: 6, keyHeads: 2 }), {
      layout: 'bshd',
      causal: true,
    });
  });

  it('gives what is asked for and nothing else', () => {
    for (const name of everything) {
      assert.deepEqual(Object.keys(sync({ include: [name] })).sort(), ['output', name].sort());
    }
    assert.deepEqual(Object.keys(sync({ include: [] })), ['output']);
    assert.deepEqual(Object.keys(sync({ include: ['weights', 'weights'] })), ['output', 'weights']);
  });

  it('gives the output of attention', () => {
    const options = { backend, causal: true } as const;
    const { output } = sync({ ...options, include: everything });
    expectSameBits(output, attentionSync(query, key, value, options));
  });

  it('makes weights that sum to 1', () => {
    const { weights } = sync({ include: ['weights'] });
    assert.deepEqual(weights?.dims, [2, 6, 11, 19]);
    const numbers = weights ? toNumbers(weights) : [];
    for (let start = 0; start < numbers.length; start += 19) {
      const total = numbers.slice(start, start + 19).reduce((sum, weight) => sum + weight, 0);
      assert.ok(Math.abs(total - 1) < 1e-5);
    }
  });

  for (const [title, rows] of Object.entries({
    'heads and queries': { heads: [4, 0], queries: [10, 2, 3] },
    heads: { heads: [5] },
    queries: { queries: Int32Array.of(0, 7) },
    'no heads': { heads: [] },
    'no queries': { queries: [] },
    'all rows': {},
  })) {
    it(`limits weights and scores to chosen ${title}`, () => {
      const options = { causal: true, mask: random.mask([2, 6, 11, 19], 0.7) };
      const all = sync({ ...options, include: everything });
      const some = sync({ ...options, include: everything, rows });
      const heads = 'heads' in rows ? [...rows.heads] : [0, 1, 2, 3, 4, 5];
      const queries = 'queries' in rows ? [...rows.queries] : Array.from({ length: 11 }, (_, i) => i);
      expectSameBits(some.output, all.output);
      for (const name of matrices) {
        const [tensor, whole] = [some[name], all[name]];
        assert.ok(tensor && whole);
        assert.deepEqual(tensor.dims, [2, heads.length, queries.length, 19]);
        const numbers = toNumbers(whole);
        const expected = [0, 1].flatMap((b) =>
          heads.flatMap((h) =>
            queries.flatMap((i) => {
              const start = ((b * 6 + h) * 11 + i) * 19;
              return numbers.slice(start, start + 19);
            }),
          ),
        );
        assert.deepEqual(toNumbers(tensor), expected);
      }
    });
  }

  it('does the same asynchronously', async () => {
    const options = { backend, causal: true, include: everything } as const;
    const details = await attentionDetails(query, key, value, options);
    const expected = sync(options);
    for (const name of ['output', ...everything] as const) {
      const [actual, wanted] = [details[name], expected[name]];
      assert.ok(actual && wanted);
      expectSameBits(actual, wanted);
    }
  });
});
