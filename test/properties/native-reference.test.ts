/** Tests that the native backend matches the reference for any call, with every instruction set. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { attentionDetailsSync } from '../../lib/attention/attention.js';
import { nativeBackend } from '../../lib/backends/native/native.js';
import type { QuantisedType } from '../../lib/problem/quantised-weight.js';
import { packWeight } from '../../lib/projection/packed-weight.js';
import { project } from '../../lib/projection/project.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import type { FloatType } from '../../lib/tensor/types.js';
import { attend } from '../support/attention.js';
import { eachInstructionSet } from '../support/backends.js';
import { expectSameBits } from '../support/compare.js';
import { toNumbers } from '../support/numbers.js';
import { drawnNoise } from '../support/oracle-draws.js';
import { poisoned } from '../support/poison.js';
import { Random } from '../support/random.js';
import { attentionCases, draw, paddedCases, runs, shifted, undecided } from './attention-case.js';
import { offsetOf } from './case-options.js';
import { elementAccuracy, expectDetailsNear, expectNear } from './near.js';
import { range } from './rearrange.js';

const anyCases = fc.oneof({ weight: 4, arbitrary: attentionCases }, { weight: 1, arbitrary: paddedCases });

eachInstructionSet('native against reference', () => {
  it('attention', () => {
    fc.assert(
      fc.property(anyCases, (any) => {
        const each = undecided(any);
        const { query, key, value, options } = draw(each);
        const inputs = { query, key, value };
        const [native, reference] = [attend('cpu', inputs, options), attend('reference', inputs, options)];
        expectNear(native, reference, elementAccuracy[each.type], 0.1, 'output');
      }),
      runs(250),
    );
  });

  it('log-sum-exps, scores and weights of chosen rows', () => {
    fc.assert(
      fc.property(anyCases, (any) => {
        const each = undecided(any);
        const { query, key, value, options } = draw(each);
        const random = new Random(`rows ${each.seed}`);
        const heads = each.keyHeads * each.group;
        const some = (count: number) =>
          Array.from({ length: Math.min(count, 3) }, () => random.integer(0, count - 1));
        const include = ['logSumExp', 'weights', 'scores', 'cappedScores', 'biasedScores'] as const;
        const rows = { heads: some(heads), queries: some(each.queries) };
        const [native, reference] = (['cpu', 'reference'] as const).map((backend) =>
          attentionDetailsSync(query, key, value, { ...options, include, rows, backend }),
        );
        expectNear(native.output, reference.output, elementAccuracy[each.type], 0.1, 'output');
        expectDetailsNear(native, reference, include, 1e-5);
      }),
      runs(100),
    );
  });

  it('keys that are chosen or drawn, unless rounding decides', () => {
    fc.assert(
      fc.property(anyCases, fc.boolean(), (any, drawn) => {
        const each = { ...any, select: drawn ? ('drawn' as const) : ('hard' as const) };
        const { query, key, value, options } = draw(each);
        const include = ['weights', 'biasedScores'] as const;
        const [native, reference] = (['cpu', 'reference'] as const).map((backend) =>
          attentionDetailsSync(query, key, value, { ...options, include, backend }),
        );
        const { heads, queries } = { heads: each.keyHeads * each.group, queries: each.queries };
        const rows = (tensor: Tensor | undefined) => {
          assert.ok(tensor);
          const numbers = toNumbers(tensor);
          return range(0, each.batch * heads * queries).map((row) =>
            numbers.slice(row * each.keys, (row + 1) * each.keys),
          );
        };
        const [chosen, expected, scores] = [
          rows(native.weights),
          rows(reference.weights),
          rows(reference.biasedScores),
        ];
        for (const [row, weights] of chosen.entries()) {
          const [mine, its] = [weights.indexOf(1), expected[row].indexOf(1)];
          if (mine === its) continue;
          const [entry, head, step] = [
            Math.floor(row / heads / queries),
            Math.floor(row / queries) % heads,
            row % queries,
          ];
          const position = offsetOf(options, entry, queries, each.keys) + step;
          const noise = drawnNoise(options.select ?? 'soft', entry, head, position);
          const sink = options.sinks?.[head] ?? 0;
          const [a, b] = [mine, its].map((j) => (j < 0 ? sink : scores[row][j]) + noise(j));
          assert.ok(Math.abs(a - b) < 1e-4 * Math.max(1, Math.abs(a)), `row ${row}: ${a} instead of ${b}`);
        }
        // Values are copied without arithmetic.
        const own = attentionDetailsSync(query, key, value, {
          ...options,
          include: ['weights'],
          backend: 'cpu',
        });
        expectSameBits(own.output, native.output);
      }),
      runs(100),
    );
  });

  const products = fc.record({
    type: fc.constantFrom<FloatType>('float32', 'float32', 'float16', 'bfloat16'),
    weightType: fc.constantFrom<FloatType>('float32', 'float16', 'bfloat16'),
    batch: fc.integer({ min: 0, max: 3 }),
    steps: fc.oneof(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 70 })),
    inner: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 100, max: 300 })),
    heads: fc.integer({ min: 1, max: 5 }),
    headWidth: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(16, 32, 64, 65)),
    split: fc.boolean(),
    bias: fc.boolean(),
    packed: fc.boolean(),
    rounded: fc.constantFrom<(QuantisedType | undefined)[]>(undefined, undefined, 'int8', 'int4'),
    shift: fc.integer({ min: 0, max: 19 }),
    seed: fc.nat(),
  });

  it('projections', async () => {
    assert.ok(nativeBackend());
    await fc.assert(
      fc.asyncProperty(products, async (each) => {
        const { type, weightType, batch, steps, inner, heads, headWidth, split, shift } = each;
        const random = new Random(`product ${each.seed}`);
        const columns = heads * headWidth;
        const input = shifted(random.tensor(type, [batch, steps, inner]), shift);
        const weight = shifted(random.tensor(weightType, [columns, inner]), shift);
        const bias = each.bias ? random.tensor('float32', [columns]) : undefined;
        const dims = split ? [batch, heads, steps, headWidth] : [batch, steps, columns];
        const results: Tensor[] = [];
        for (const backend of ['cpu', 'reference'] as const) {
          const out = poisoned(type, dims);
          using packed = packWeight(weight, { backend, ...(each.rounded && { type: each.rounded }) });
          const factor = each.packed || each.rounded ? packed : weight;
          await project(input, factor, bias, { backend, out: out.tensor, ...(split && { heads }) });
          out.expectMarginsIntact();
          results.push(out.tensor);
        }
        expectNear(results[0], results[1], elementAccuracy[type], 0.1, 'product');
      }),
      runs(150),
    );
  });
});
