/** Tests feed-forward networks against their definition: every activation, with and without gates, biases and residuals. */
import assert from 'node:assert/strict';
import { FeedForward, type FeedForwardWeights } from '../../lib/feed-forward/feed-forward.js';
import { activations } from '../../lib/problem/problem.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import type { FloatType } from '../../lib/tensor/types.js';
import { typesOf } from '../support/attention.js';
import { eachBackend } from '../support/backends.js';
import { expectClose, expectSameBits, relativeError, tolerances } from '../support/compare.js';
import { toNumbers } from '../support/numbers.js';
import { poisoned } from '../support/poison.js';
import { Random, tensorOf } from '../support/random.js';
import { throwsHeed } from '../support/rejects.js';
import { activationOracles, feedForwardOracle } from './feed-forward-oracle.js';

function identity(type: FloatType, width: number): Tensor {
  return tensorOf(type, [width, width], (i) => (i % (width + 1) === 0 ? 1 : 0));
}

eachBackend(
  'a feed-forward network',
  (backend) => {
    const random = new Random('feed-forward networks');

    function linear(type: FloatType, out: number, inner: number, hasBias = random.chance(0.5)) {
      return {
        weight: random.tensor(type, [out, inner], 1 / Math.sqrt(inner)),
        ...(hasBias && { bias: random.tensor(random.pick(['float32', 'float16']), [out]) }),
      };
    }

    function weightsOf(type: FloatType, embed: number, hidden: number, out: number): FeedForwardWeights {
      return {
        ...(random.chance(0.6) && { gate: linear(type, hidden, embed) }),
        up: linear(type, hidden, embed),
        down: linear(type, out, hidden),
      };
    }

    for (const type of typesOf(backend)) {
      for (const activation of activations) {
        it(`is what its definition says, ${activation}, ${type}`, async () => {
          for (let repeat = 0; repeat < 12; repeat++) {
            const embed = random.integer(1, 70);
            const hidden = random.pick([8, 16, 33, random.integer(1, 150)]);
            const out = random.pick([embed, random.integer(1, 70)]);
            const weights = weightsOf(type, embed, hidden, out);
            using network = new FeedForward(weights, { activation, backend });
            const outer = random.pick([[], [random.integer(1, 5)], [2, random.integer(1, 40)]]);
            const x = random.tensor(type, [...outer, embed]);
            const residual = random.chance(0.5) ? random.tensor(type, [...outer, out]) : undefined;
            const given = poisoned(type, [...outer, out]);
            const options = { ...(residual && { residual }), out: given.tensor };
            const result = random.chance(0.5)
              ? await network.forward(x, options)
              : network.forwardSync(x, options);
            assert.equal(result, given.tensor);
            given.expectMarginsIntact();
            const expected = feedForwardOracle(
              toNumbers(x),
              weights,
              activation,
              residual && toNumbers(residual),
            );
            const what = `${embed} → ${hidden} → ${out}, gate ${weights.gate !== undefined}`;
            expectClose(result, expected, 2 * tolerances[type], what, Math.sqrt(expected.length));
          }
        });
      }
    }

    it('activates every number as its definition says', () => {
      const width = 24;
      for (const activation of activations) {
        using network = new FeedForward(
          { up: { weight: identity('float32', width) }, down: { weight: identity('float32', width) } },
          { activation, backend },
        );
        const wide = random.tensor('float32', [40, width], random.pick([0.01, 1, 4]));
        const far = tensorOf('float32', [4, width], () => random.uniform(-30, 30));
        for (const x of [wide, far]) {
          const actual = toNumbers(network.forwardSync(x));
          for (const [i, each] of toNumbers(x).entries()) {
            const expected = activationOracles[activation](each);
            // Near 0 the functions themselves are small; far below it they are differences of large numbers.
            const error = Math.abs(actual[i] - expected);
            const bound = 1e-6 * Math.min(Math.abs(each), Math.max(Math.abs(expected), 0.3));
            assert.ok(error <= bound, `${activation}(${each}) is ${actual[i]}, not ${expected}`);
          }
        }
      }
    });

    it('takes the largest numbers, and keeps NaN within its row', () => {
      const width = 19;
      for (const activation of activations) {
        for (const gated of [true, false]) {
          const one = { weight: identity('float32', width) };
          using network = new FeedForward(
            { ...(gated && { gate: one }), up: one, down: one },
            { activation, backend },
          );
          const huge = tensorOf('float32', [1, width], () => random.pick([-3e38, -1e5, -100, 0]));
          for (const each of toNumbers(network.forwardSync(huge))) assert.ok(Math.abs(each) < 1e-30);
          const x = random.tensor('float32', [3, width]);
          x.data[width + 7] = Number.NaN;
          const rows = toNumbers(network.forwardSync(x));
          assert.ok(rows.slice(0, width).every(Number.isFinite));
          assert.ok(rows.slice(width, 2 * width).every(Number.isNaN));
          assert.ok(rows.slice(2 * width).every(Number.isFinite));
        }
      }
    });

    it('gives a row the same bits whatever the other rows are', () => {
      const weightTypes = [undefined, 'int8', 'int4'] as const;
      for (let repeat = 0; repeat < 8; repeat++) {
        const type = random.pick(typesOf(backend));
        const [embed, hidden] = [random.integer(1, 90), random.integer(1, 200)];
        const weights = random.pick(weightTypes);
        using network = new FeedForward(weightsOf(type, embed, hidden, embed), {
          activation: random.pick(activations),
          backend,
          ...(weights && { weights }),
        });
        const rows = random.integer(2, 90);
        const [x, residual] = [0, 1].map(() => random.tensor(type, [rows, embed]));
        const whole = network.forwardSync(x, { residual });
        for (let each = 0; each < 4; each++) {
          const from = random.integer(0, rows - 1);
          const count = random.integer(1, rows - from);
          const part = ({ data }: Tensor) =>
            new Tensor(type, data.slice(from * embed, (from + count) * embed), [count, embed]);
          expectSameBits(network.forwardSync(part(x), { residual: part(residual) }), part(whole));
        }
      }
    });

    it('rounds weights to int8 and int4', () => {
      for (const [weights, bound] of [
        ['int8', 0.04],
        ['int4', 0.25],
      ] as const) {
        for (const activation of activations) {
          const [embed, hidden] = [96, 160];
          const given = weightsOf('float32', embed, hidden, embed);
          using network = new FeedForward(given, { activation, backend, weights });
          assert.equal(network.weights, weights);
          const x = random.tensor('float32', [7, embed]);
          const expected = feedForwardOracle(toNumbers(x), given, activation);
          const error = relativeError(network.forwardSync(x), expected);
          assert.ok(error < bound, `${weights} ${activation} ${error}`);
        }
      }
    });

    it('refuses what does not fit', () => {
      const one = (out: number, inner: number) => ({ weight: Tensor.zeros('float32', [out, inner]) });
      const good = { up: one(8, 4), down: one(4, 8) };
      const make = (weights: unknown, options: unknown = { activation: 'silu' }) =>
        throwsHeed.bind(
          undefined,
          () => new FeedForward(weights as never, { backend, ...(options as object) } as never),
        );
      make(undefined)('HEED_INVALID_ARGUMENT', /weights/);
      make({ up: one(8, 4) })('HEED_INVALID_ARGUMENT', /weights\.down/);
      make({ ...good, gate: one(7, 4) })('HEED_SHAPE_MISMATCH', /weights\.gate\.weight\.dims\[0\]/);
      make({ ...good, gate: one(8, 5) })('HEED_SHAPE_MISMATCH', /weights\.gate\.weight\.dims\[1\]/);
      make({ ...good, down: one(4, 9) })('HEED_SHAPE_MISMATCH', /weights\.down\.weight\.dims\[1\]/);
      make(good, {})('HEED_INVALID_ARGUMENT', /options\.activation/);
      make(good, { activation: 'tanh' })('HEED_INVALID_ARGUMENT', /options\.activation/);
      make(good, { activation: 'relu', weights: 'int7' })('HEED_INVALID_ARGUMENT', /options\.weights/);
      const network = new FeedForward(good, { activation: 'relu', backend });
      const x = Tensor.zeros('float32', [3, 4]);
      const call = (input: unknown, options?: unknown) =>
        throwsHeed.bind(undefined, () => network.forwardSync(input as never, options as never));
      call(Tensor.zeros('float32', [3, 5]))('HEED_SHAPE_MISMATCH', /x\.dims\[1\]/);
      call(Tensor.zeros('float32', []))('HEED_SHAPE_MISMATCH', /x\.dims/);
      call(Tensor.zeros('float16', [3, 4]))('HEED_TYPE_MISMATCH', /x\.type/);
      call(x, { residual: Tensor.zeros('float32', [4]) })('HEED_SHAPE_MISMATCH', /options\.residual/);
      call(x, { out: x })('HEED_OVERLAP', /options\.out/);
      const residual = Tensor.zeros('float32', [3, 4]);
      call(x, { residual, out: residual })('HEED_OVERLAP', /options\.residual/);
      network.dispose();
      assert.ok(network.disposed);
      call(x)('HEED_DISPOSED', /network/);
    });

    it('takes rows of nothing, and none', () => {
      const make = (embed: number, hidden: number, out: number) =>
        new FeedForward(
          {
            gate: { weight: Tensor.zeros('float32', [hidden, embed]) },
            up: { weight: Tensor.zeros('float32', [hidden, embed]) },
            down: { weight: Tensor.zeros('float32', [out, hidden]), bias: Tensor.zeros('float32', [out]) },
          },
          { activation: 'gelu', backend },
        );
      assert.deepEqual(make(4, 6, 0).forwardSync(Tensor.zeros('float32', [3, 4])).dims, [3, 0]);
      assert.deepEqual(make(4, 6, 3).forwardSync(Tensor.zeros('float32', [0, 4])).dims, [0, 3]);
      const residual = random.tensor('float32', [3, 2]);
      for (const network of [make(4, 0, 2), make(0, 5, 2)]) {
        const x = Tensor.zeros('float32', [3, network.embed]);
        assert.deepEqual(toNumbers(network.forwardSync(x, { residual })), toNumbers(residual));
      }
    });
  },
  'cuda',
);
