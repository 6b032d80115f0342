/**
 * Tests keys drawn from the weights: their frequencies match the weights, and draws are independent and equal
 * on every backend.
 */
import assert from 'node:assert/strict';
import type { AttentionOptions } from '../../lib/attention/options.js';
import { eachBackend, eachInstructionSet, many } from '../support/backends.js';
import { Random, tensorOf } from '../support/random.js';
import { choicesOf, decidedInputs } from '../support/selections.js';

eachBackend('drawn keys', (backend) => {
  const rows = many(20000);

  /** The rows are equal: every draw is from the same weights. */
  function draws(rows: number, seed: number, more: AttentionOptions = {}): number[] {
    const heads = 4;
    const query = tensorOf('float32', [1, heads, rows / heads, 1], () => 1);
    const key = tensorOf('float32', [1, heads, 6, 1], (i) => Math.log(1 + (i % 6)));
    return choicesOf(
      backend,
      { query, key, value: key },
      { select: { type: 'hard', seed }, scale: 1, ...more },
    );
  }

  /** Σ (counted − expected)² / expected, which is χ²-distributed. */
  function chiSquare(counts: readonly number[], shares: readonly number[]): number {
    const total = counts.reduce((sum, count) => sum + count, 0);
    return counts.reduce((sum, count, i) => sum + (count - total * shares[i]) ** 2 / (total * shares[i]), 0);
  }

  // Key j has weight (j + 1) / 21; a sink of ln 7 adds a seventh possibility.
  const shares = [1, 2, 3, 4, 5, 6].map((weight) => weight / 21);
  const countOf = (values: readonly number[], kinds: number, first = 0) =>
    Array.from({ length: kinds }, (_, kind) => values.filter((value) => value === kind + first).length);

  it('are as frequent as their weights say', function () {
    this.timeout(120_000);
    // 99.9 % of χ² with 5 degrees of freedom are below 20.5.
    for (const seed of [0, 1, 2 ** 32, 2 ** 53 - 1]) {
      const statistic = chiSquare(countOf(draws(rows, seed), 6), shares);
      assert.ok(statistic < 20.5, `χ² = ${statistic}`);
    }
  });

  it('are as frequent when few rows are drawn at a time', () => {
    const drawn = Array.from({ length: many(1500) }, (_, seed) => draws(4, seed)).flat();
    const statistic = chiSquare(countOf(drawn, 6), shares);
    assert.ok(statistic < 20.5, `χ² = ${statistic}`);
  });

  it('leave a sink its share', () => {
    const drawn = draws(rows, 5, { sinks: [7, 7, 7, 7].map(Math.log) });
    const statistic = chiSquare(
      countOf(drawn, 7, -1),
      [7, 1, 2, 3, 4, 5, 6].map((weight) => weight / 28),
    );
    // 99.9 % of χ² with 6 degrees of freedom are below 22.5.
    assert.ok(statistic < 22.5, `χ² = ${statistic}`);
  });

  it('of one row tell nothing about the next row, the next head or another seed', () => {
    const drawn = draws(rows, 11);
    const other = draws(rows, 12);
    const pairs = {
      row: drawn.slice(1).map((choice, i) => 6 * drawn[i] + choice),
      head: drawn.slice(rows / 4).map((choice, i) => 6 * drawn[i] + choice),
      seed: drawn.map((choice, i) => 6 * choice + other[i]),
    };
    for (const [name, values] of Object.entries(pairs)) {
      const joint = shares.flatMap((a) => shares.map((b) => a * b));
      const statistic = chiSquare(countOf(values, 36), joint);
      // 99.9 % of χ² with 35 degrees of freedom are below 66.6.
      assert.ok(statistic < 66.6, `${name}: χ² = ${statistic}`);
    }
  });

  it('of a position are the same, whether all rows are asked for or the newest alone', () => {
    const random = new Random('newest');
    const options = { select: { type: 'hard', seed: 3 }, causal: true } as const;
    const shape = { batch: 1, heads: 2, queries: 40, keys: 40 };
    const { query, key, value } = decidedInputs(random, shape, options);
    const all = choicesOf(backend, { query, key, value }, options);
    const newest = tensorOf(
      'float32',
      [1, 2, 1, 16],
      (i) => query.data[(Math.floor(i / 16) * 40 + 39) * 16 + (i % 16)] as number,
    );
    assert.deepEqual(choicesOf(backend, { query: newest, key, value }, options), [all[39], all[79]]);
  });
});

eachInstructionSet('keys drawn on the cpu', () => {
  it('are those that the reference draws', () => {
    const random = new Random('drawn on the cpu');
    for (const queries of [1, 3, 200]) {
      const select = { type: 'hard', seed: 77 } as const;
      const each = { batch: 2, heads: 4, keyHeads: 2, queries, keys: 1100, width: 8, valueWidth: 1 };
      const inputs = decidedInputs(random, queries > 3 ? { ...each, keys: 90 } : each, { select });
      assert.deepEqual(choicesOf('cpu', inputs, { select }), choicesOf('reference', inputs, { select }));
    }
  });
});
