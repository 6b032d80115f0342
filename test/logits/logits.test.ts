/** Tests logits of last rows against their definition. */
import assert from 'node:assert/strict';
import { logits, logitsSync } from '../../lib/logits/logits.js';
import { packWeight } from '../../lib/projection/packed-weight.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { typesOf } from '../support/attention.js';
import { eachBackend } from '../support/backends.js';
import { expectClose, expectSameBits, relativeError } from '../support/compare.js';
import { linearOracle } from '../support/linear.js';
import { toNumbers } from '../support/numbers.js';
import { poisoned } from '../support/poison.js';
import { Random } from '../support/random.js';
import { throwsHeed } from '../support/rejects.js';

eachBackend(
  'logits',
  (backend) => {
    const random = new Random('logits');

    for (const type of typesOf(backend)) {
      it(`are products of last rows, ${type}`, async () => {
        for (let repeat = 0; repeat < 30; repeat++) {
          const [width, vocabulary] = [random.integer(1, 60), random.integer(1, 300)];
          const counts = Array.from({ length: random.integer(1, 7) }, () => random.integer(1, 6));
          const queryStarts = [0];
          for (const count of counts) queryStarts.push((queryStarts.at(-1) ?? 0) + count);
          const tokens = queryStarts.at(-1) ?? 0;
          const x = random.tensor(type, [tokens, width]);
          const weight = random.tensor(
            random.pick(typesOf(backend)),
            [vocabulary, width],
            1 / Math.sqrt(width),
          );
          const table = random.chance(0.5) ? weight : packWeight(weight, { backend });
          const isPacked = table !== weight;
          const bias = random.chance(0.5) ? random.tensor('float32', [vocabulary]) : undefined;
          const softcap = random.chance(0.5) ? random.uniform(0.5, 5) : 0;
          const last = random.chance(0.7);
          const rows = last ? counts.map((_, i) => queryStarts[i + 1] - 1) : x.dims[0];
          const all = linearOracle(toNumbers(x), { weight, ...(bias && { bias }) }, tokens).map((each) =>
            softcap ? softcap * Math.tanh(each / softcap) : each,
          );
          const expected =
            typeof rows === 'number'
              ? all
              : rows.flatMap((row) => all.slice(row * vocabulary, (row + 1) * vocabulary));
          const outType = type === 'float64' ? 'float64' : 'float32';
          const out = poisoned(outType, [expected.length / vocabulary, vocabulary]);
          const given = {
            ...(!isPacked && { backend }),
            ...(last && { queryStarts }),
            ...(bias && { bias }),
            softcap,
            out: out.tensor,
          };
          const result = random.chance(0.5) ? await logits(x, table, given) : logitsSync(x, table, given);
          assert.equal(result, out.tensor);
          out.expectMarginsIntact();
          expectClose(result, expected, type === 'float64' ? 1e-6 : 6e-6, `${vocabulary} of ${width}`, 1);
          const single = logitsSync(x, table, { ...given, out: undefined as never });
          expectSameBits(result, single);
        }
      });
    }

    it('come from rounded tables', () => {
      for (const [type, bound] of [
        ['int8', 0.03],
        ['int4', 0.2],
      ] as const) {
        const table = random.tensor('float32', [500, 128]);
        using packed = packWeight(table, { type, backend });
        const x = random.tensor('float32', [6, 128]);
        const expected = linearOracle(toNumbers(x), { weight: table }, 6).slice(5 * 500);
        const error = relativeError(logitsSync(x, packed, { queryStarts: [0, 6] }), expected);
        assert.ok(error > 0 && error < bound, `${type} ${error}`);
      }
    });

    it('refuse what does not fit', () => {
      const x = Tensor.zeros('float32', [3, 4]);
      const table = Tensor.zeros('float32', [9, 4]);
      const refusals: [unknown, unknown, object, string, RegExp][] = [
        [Tensor.zeros('float32', [4]), table, {}, 'HEED_SHAPE_MISMATCH', /x\.dims/],
        [x, Tensor.zeros('float32', [9, 5]), {}, 'HEED_SHAPE_MISMATCH', /x\.dims\[1\]/],
        [x, Tensor.zeros('int32', [9, 4]), {}, 'HEED_UNSUPPORTED_TYPE', /table\.type/],
        [x, table, { queryStarts: [0, 2] }, 'HEED_SHAPE_MISMATCH', /queryStarts/],
        [x, table, { queryStarts: [0, 0, 3] }, 'HEED_INVALID_ARGUMENT', /sequence 0/],
        [x, table, { softcap: -1 }, 'HEED_INVALID_ARGUMENT', /softcap/],
        [x, table, { bias: Tensor.zeros('float32', [8]) }, 'HEED_SHAPE_MISMATCH', /bias/],
        [x, table, { out: Tensor.zeros('float16', [3, 9]) }, 'HEED_TYPE_MISMATCH', /out/],
      ];
      for (const [given, weight, options, code, message] of refusals) {
        throwsHeed(
          () => logitsSync(given as never, weight as never, { backend, ...options }),
          code as never,
          message,
        );
      }
      assert.deepEqual(logitsSync(Tensor.zeros('float32', [0, 4]), table, { backend }).dims, [0, 9]);
    });
  },
  'cuda',
);
