/**
 * Tests local selection around predicted centers against its formula, with every other option, and its
 * weights.
 */
import assert from 'node:assert/strict';
import { attend, checkAttention, randomInputs, typesOf } from '../support/attention.js';
import { eachBackend } from '../support/backends.js';
import { expectClose, expectSameBits } from '../support/compare.js';
import { toNumbers } from '../support/numbers.js';
import { attentionOracle } from '../support/oracle.js';
import { Random, tensorOf } from '../support/random.js';
import { everything, few, shape, weightsOf } from '../support/selections.js';

/** One random center for each query, most of them within the keys. */
const centersFor = (random: Random, { batch, heads, queries, keys }: typeof shape) =>
  tensorOf('float32', [batch, heads, queries], () => random.uniform(-3, keys + 3));

eachBackend(
  'local selection',
  (backend) => {
    const random = new Random('local selection');

    for (const type of typesOf(backend)) {
      it(`weighs by distance from predicted centers, of ${type}`, () => {
        for (const each of [shape, few]) {
          const select = { type: 'local', centers: centersFor(random, each), halfWidth: 6 } as const;
          checkAttention(backend, randomInputs(random, { ...each, type }), { select });
        }
      });
    }

    it('weighs with everything else', () => {
      for (const each of [shape, few]) {
        const select = { type: 'local', centers: centersFor(random, each), halfWidth: 7.25 } as const;
        const mask = random.mask([2, 6, each.queries, 37], 0.7);
        const options = { ...everything, select, mask };
        const inputs = randomInputs(random, { ...each, layout: 'bshd' });
        checkAttention(backend, inputs, options);
        const { weights } = attentionOracle(inputs.query, inputs.key, inputs.value, options);
        expectClose(weightsOf(backend, inputs, options), weights, 3e-6, 'weights', 1);
      }
    });

    it('takes the softmax over the window, and does not normalise again', () => {
      const inputs = randomInputs(random, { batch: 1, heads: 1, queries: 1, keys: 9, width: 4 });
      const centers = tensorOf('float32', [], () => 3.5);
      const weights = weightsOf(backend, inputs, {
        scale: 0,
        select: { type: 'local', centers, halfWidth: 2 },
      });
      const bell = (distance: number) => Math.exp(-(distance ** 2) / 2) / 4;
      expectClose(weights, [0, 0, bell(1.5), bell(0.5), bell(0.5), bell(1.5), 0, 0, 0], 1e-6);
    });

    it('reaches keys at just the half width, and none beyond', () => {
      const inputs = randomInputs(random, { batch: 1, heads: 1, queries: 1, keys: 9, width: 4 });
      const centers = tensorOf('float32', [1], () => 4);
      const reached = (halfWidth: number) =>
        toNumbers(weightsOf(backend, inputs, { scale: 0, select: { type: 'local', centers, halfWidth } }))
          .map((weight, key) => (weight > 0 ? key : -1))
          .filter((key) => key >= 0);
      assert.deepEqual(reached(2), [2, 3, 4, 5, 6]);
      assert.deepEqual(reached(1.99), [3, 4, 5]);
      assert.deepEqual(reached(1e-30), [4]);
      assert.deepEqual(reached(1e30), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    });

    it('gives zeros for a center that reaches no key', () => {
      for (const queries of [1, 30]) {
        const inputs = randomInputs(random, { ...shape, queries });
        for (const center of [Number.NaN, Infinity, -Infinity, -7, 44, 3e38]) {
          const centers = tensorOf('float32', [1, 1, 1], () => center);
          const select = { type: 'local', centers, halfWidth: 6 } as const;
          for (const tensor of [
            attend(backend, inputs, { select }),
            weightsOf(backend, inputs, { select }),
          ]) {
            assert.ok(
              toNumbers(tensor).every((element) => element === 0),
              `${center}`,
            );
          }
        }
      }
    });

    it('lets rows without a center be, beside others', () => {
      for (const each of [shape, few]) {
        const { batch, heads, queries } = each;
        const centers = tensorOf('float32', [batch, heads, queries], (i) =>
          i % 3 === 1 ? Number.NaN : random.uniform(0, 36),
        );
        const options = { select: { type: 'local', centers, halfWidth: 6 } } as const;
        const inputs = randomInputs(random, each);
        checkAttention(backend, inputs, options);
        const { weights } = attentionOracle(inputs.query, inputs.key, inputs.value, options);
        expectClose(weightsOf(backend, inputs, options), weights, 3e-6, 'weights', 1);
      }
    });

    it('takes centers of any type that broadcast', () => {
      const inputs = randomInputs(random, shape);
      for (const type of ['float64', 'float16', 'bfloat16'] as const) {
        for (const dims of [[21], [6, 1], [2, 1, 21], []]) {
          const centers = random.tensor(type, dims, 8);
          checkAttention(
            backend,
            inputs,
            { select: { type: 'local', centers, halfWidth: 9 } },
            `${type} [${dims}]`,
          );
        }
      }
    });

    it('does not see NaN outside of the window', () => {
      const inputs = randomInputs(random, shape);
      const centers = tensorOf('float32', [1], () => 10);
      const select = { type: 'local', centers, halfWidth: 4 } as const;
      const expected = attend(backend, inputs, { select });
      for (const tensor of [inputs.key, inputs.value]) {
        const width = tensor.dims[3];
        for (let i = 0; i < tensor.size; i++) {
          const key = Math.floor(i / width) % 37;
          if (key < 6 || key > 14) tensor.data[i] = Number.NaN;
        }
      }
      expectSameBits(attend(backend, inputs, { select }), expected);
    });
  },
  'cuda',
);
