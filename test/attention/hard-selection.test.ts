/**
 * Tests hard selection, of the best key or a drawn one, against its formula, with every other option, and its
 * weights.
 */
import assert from 'node:assert/strict';
import { attentionDetailsSync } from '../../lib/attention/attention.js';
import { packedAttention } from '../../lib/attention/packed.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { attend, checkAttention, randomInputs, typesOf } from '../support/attention.js';
import { eachBackend } from '../support/backends.js';
import { expectClose, expectSameBits } from '../support/compare.js';
import { toNumbers } from '../support/numbers.js';
import { attentionOracle } from '../support/oracle.js';
import { Random } from '../support/random.js';
import { randomScore, scoreNamesOn } from '../support/random-score.js';
import {
  choicesOf,
  decidedInputs,
  enough,
  everything,
  few,
  shape,
  weightsOf,
} from '../support/selections.js';

eachBackend('hard selection', (backend) => {
  const random = new Random('hard selection');

  for (const [name, select] of [
    ['of the best key', 'hard'],
    ['of a drawn key', { type: 'hard', seed: 2 ** 40 + 7 }],
  ] as const) {
    for (const type of typesOf(backend)) {
      it(`${name} gives its value, of ${type}, bit by bit`, () => {
        for (const each of [shape, few]) {
          const inputs = decidedInputs(random, { ...each, type }, { select });
          const output = attend(backend, inputs, { select });
          const expected = attentionOracle(inputs.query, inputs.key, inputs.value, { select }).output;
          assert.deepEqual(toNumbers(output), expected);
        }
      });
    }

    it(`${name}, with everything else`, () => {
      for (const each of [shape, few]) {
        const options = {
          ...everything,
          select,
          mask: random.tensor('float32', [2, 1, each.queries, 37]),
        };
        const inputs = decidedInputs(random, { ...each, layout: 'bshd' }, options);
        checkAttention(backend, inputs, options);
        const { weights } = attentionOracle(inputs.query, inputs.key, inputs.value, options);
        assert.deepEqual(toNumbers(weightsOf(backend, inputs, options)), weights);
      }
    });

    it(`${name} of each sequence, end to end`, async () => {
      const starts = { queryStarts: [0, 5, 5, 16], keyStarts: [0, 13, 20, 29] };
      for (;;) {
        const [query, key, value] = [
          random.tensor('float32', [16, 4, 8]),
          random.tensor('float32', [29, 2, 8]),
          random.tensor('float32', [29, 2, 6]),
        ];
        const part = (tensor: Tensor, from: number, to: number) =>
          new Tensor(
            tensor.data.slice(
              from * tensor.dims[1] * tensor.dims[2],
              to * tensor.dims[1] * tensor.dims[2],
            ) as Float32Array,
            [1, to - from, tensor.dims[1], tensor.dims[2]],
          );
        const packed = await packedAttention(query, key, value, { ...starts, select, backend });
        const entries = [0, 2].map((entry) => {
          const [q, k] = [starts.queryStarts, starts.keyStarts].map((list) => list.slice(entry, entry + 2));
          const [own, its] = [
            part(query, q[0], q[1]),
            [key, value].map((tensor) => part(tensor, k[0], k[1])),
          ];
          // Draws depend on the batch entry, so empty entries precede the second one.
          const before = Array.from({ length: entry + 1 }, () => own);
          const join = (tensors: Tensor[]) =>
            new Tensor(Float32Array.from(tensors.flatMap(toNumbers)), [
              tensors.length,
              ...tensors[0].dims.slice(1),
            ]);
          const oracle = attentionOracle(
            join(before),
            join(before.map(() => its[0])),
            join(before.map(() => its[1])),
            {
              layout: 'bshd',
              select,
            },
          );
          return { output: oracle.output.slice(entry * (q[1] - q[0]) * 4 * 6), lead: oracle.lead };
        });
        if (entries.some(({ lead }) => lead < enough)) continue;
        assert.deepEqual(
          toNumbers(packed),
          entries.flatMap(({ output }) => output),
        );
        return;
      }
    });

    it(`${name}: nothing, where there is no key to attend`, () => {
      const inputs = randomInputs(random, shape);
      const options = { select, kvLengths: [0, 3] };
      const output = toNumbers(attend(backend, inputs, options));
      assert.ok(output.slice(0, output.length / 2).every((element) => element === 0));
      assert.ok(
        choicesOf(backend, inputs, options)
          .slice(0, 6 * 21)
          .every((choice) => choice === -1),
      );
    });

    it(`${name}: nothing, where a sink is far above all scores`, () => {
      const options = { select, sinks: [0, 1e4, 0, 0, 0, 0] };
      const choices = choicesOf(backend, randomInputs(random, { ...shape, batch: 1 }), options);
      assert.ok(choices.slice(21, 42).every((choice) => choice === -1));
    });

    it(`${name}: no effect of NaN that is not attended or not chosen`, () => {
      const inputs = decidedInputs(random, shape, { select, window: { left: 3 } });
      const expected = attend(backend, inputs, { select, window: { left: 3 } });
      const chosen = new Set(choicesOf(backend, inputs, { select, window: { left: 3 } }));
      const unused = Array.from({ length: 37 }, (_, key) => key).filter((key) => !chosen.has(key));
      assert.ok(unused.length > 0);
      for (let i = 0; i < inputs.value.size; i++) {
        if (unused.includes(Math.floor(i / 20) % 37)) inputs.value.data[i] = Number.NaN;
      }
      expectSameBits(attend(backend, inputs, { select, window: { left: 3 } }), expected);
    });
  }

  it('takes the first of several best keys, which have the same score to the bit', function () {
    this.timeout(120_000);
    for (const width of [3, 33, 34, 47, 127]) {
      for (const queries of [1, 3, 5, backend === 'cuda' ? 20 : 70]) {
        const inputs = randomInputs(random, { batch: 1, heads: 6, queries, keys: 301, width });
        // Every key is one of three; the later ones are copies.
        const copied = 3 * width;
        for (let i = copied; i < inputs.key.size; i++) inputs.key.data[i] = inputs.key.data[i % copied];
        const choices = choicesOf(backend, inputs, { select: 'hard' });
        assert.ok(
          choices.every((choice) => choice < 3),
          `width ${width}, ${queries} queries`,
        );
      }
    }
  });

  for (const name of scoreNamesOn(backend).filter((each) => each !== 'location')) {
    it(`takes the first of several best keys by the score ${name}, capped or not, of every type`, function () {
      this.timeout(120_000);
      for (const type of typesOf(backend)) {
        for (const queries of [1, 5, backend === 'cuda' ? 20 : 70]) {
          const width = random.integer(1, 70);
          const heads = { heads: 6, keyHeads: 3 };
          const inputs = randomInputs(random, { batch: 1, ...heads, queries, keys: 211, width, type });
          const copied = 3 * width;
          for (let i = copied; i < inputs.key.size; i++) {
            const head = i - (i % (211 * width));
            inputs.key.data[i] = inputs.key.data[head + ((i - head) % copied)];
          }
          const widths = { width, keyWidth: width };
          const score = randomScore(random, name, { ...heads, ...widths, keys: 211, type, perHead: true });
          for (const softcap of [0, 2]) {
            const choices = choicesOf(backend, inputs, { select: 'hard', score, softcap });
            assert.ok(
              choices.every((choice) => choice < 3),
              `${type}, width ${width}, ${queries} queries, softcap ${softcap}`,
            );
          }
        }
      }
    });
  }

  if (backend !== 'cuda') {
    it('takes the first of several best keys by an additive score beside one that is out of all proportion', () => {
      const { query, value } = randomInputs(random, { batch: 1, heads: 1, queries: 70, keys: 500, width: 1 });
      const numbers = new Float32Array(500).fill(0.3);
      numbers[10] = -1000;
      const key = new Tensor(numbers, [1, 1, 500, 1]);
      // Positive, so that this key is the worst.
      const weights = (...dims: number[]) =>
        new Tensor(
          Float32Array.from({ length: 8 }, () => random.uniform(0.1, 1)),
          dims,
        );
      const [u, vector] = [weights(8, 1), weights(8)];
      const score = { type: 'additive', query: weights(8, 1), key: u, vector } as const;
      const choices = choicesOf(backend, { query, key, value }, { select: 'hard', score });
      assert.ok(choices.every((choice) => choice === 0));
    });
  }

  it('takes the first of several best keys in a window', () => {
    for (const queries of [1, 2, 9, 70]) {
      const inputs = randomInputs(random, { batch: 1, heads: 2, queries, keys: 301, width: 33 });
      for (let i = 99; i < inputs.key.size; i++) inputs.key.data[i] = inputs.key.data[i % 99];
      const windowed = choicesOf(backend, inputs, { select: 'hard', queryOffset: 5, window: { left: 4 } });
      assert.ok(windowed.every((choice, row) => choice < 1 + (row % queries) + 3));
      const equal = choicesOf(backend, inputs, {
        select: 'hard',
        scale: 0,
        queryOffset: 0,
        window: { left: 4 },
      });
      assert.deepEqual(
        equal,
        equal.map((_, row) => Math.max(0, (row % queries) - 4)),
      );
    }
  });

  it('lets a key with a score of NaN be seen', () => {
    const inputs = randomInputs(random, { ...shape, batch: 1 });
    for (const key of [11, 30]) inputs.key.data.fill(Number.NaN as never, key * 24, (key + 1) * 24);
    const choices = choicesOf(backend, inputs, { select: 'hard' });
    assert.ok(choices.slice(0, 3 * 21).every((choice) => choice === 11));
  });

  it('tells log-sum-exps of all scores, as soft selection does', () => {
    for (const each of [shape, few]) {
      const { query, key, value } = randomInputs(random, each);
      const { logSumExp } = attentionDetailsSync(query, key, value, {
        select: 'hard',
        include: ['logSumExp'],
        backend,
      });
      assert.ok(logSumExp);
      expectClose(logSumExp, attentionOracle(query, key, value).logSumExp, 3e-6);
    }
  });
});
