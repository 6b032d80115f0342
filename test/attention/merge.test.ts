/** Tests merging attention over disjoint sets of keys. */
import assert from 'node:assert/strict';
import { attentionDetailsSync } from '../../lib/attention/attention.js';
import { type AttentionPart, mergeAttention } from '../../lib/attention/merge.js';
import type { AttentionOptions } from '../../lib/attention/options.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import type { FloatType } from '../../lib/tensor/types.js';
import { type Inputs, randomInputs, typesOf } from '../support/attention.js';
import { eachBackend } from '../support/backends.js';
import { expectClose, expectSameBits, tolerances } from '../support/compare.js';
import { toNumbers } from '../support/numbers.js';
import { attentionOracle } from '../support/oracle.js';
import { poisoned } from '../support/poison.js';
import { Random, tensorOf } from '../support/random.js';
import { rejectsHeed } from '../support/rejects.js';

const nothing = Number.NEGATIVE_INFINITY;

function keysBetween(tensor: Tensor, from: number, to: number): Tensor {
  const [batch, heads, steps, width] = tensor.dims;
  const numbers = toNumbers(tensor);
  const kept = to - from;
  return tensorOf(tensor.type as FloatType, [batch, heads, kept, width], (i) => {
    const [row, group] = [Math.floor(i / width) % kept, Math.floor(i / (width * kept))];
    return numbers[(group * steps + from + row) * width + (i % width)];
  });
}

eachBackend('merged attention', (backend) => {
  const random = new Random('merged attention');

  function part({ query, key, value }: Inputs, from: number, to: number): AttentionPart {
    const { output, logSumExp } = attentionDetailsSync(
      query,
      keysBetween(key, from, to),
      keysBetween(value, from, to),
      { backend, include: ['logSumExp'] },
    );
    assert.ok(logSumExp);
    return { output, logSumExp };
  }

  for (const type of typesOf(backend)) {
    it(`of parts is attention over all keys, ${type}`, async () => {
      const inputs = randomInputs(random, { type, keys: 40 });
      const expected = attentionOracle(inputs.query, inputs.key, inputs.value);
      for (const cuts of [
        [0, 40],
        [0, 1, 40],
        [0, 13, 14, 30, 40],
        [0, 0, 17, 17, 40],
      ]) {
        const parts = cuts.slice(1).map((to, i) => part(inputs, cuts[i], to));
        const { output, logSumExp } = await mergeAttention(parts, { backend });
        expectClose(output, expected.output, tolerances[type]);
        const tolerance = type === 'float64' ? tolerances.float64 : tolerances.float32;
        expectClose(logSumExp, expected.logSumExp, tolerance);
        assert.equal(output.type, type);
      }
    });
  }

  /** Causal, with a window of two keys before the query: most rows lack keys in one of the parts. */
  function windowedPart(inputs: Inputs, from: number, to: number, options: AttentionOptions): AttentionPart {
    const { query, key, value } = inputs;
    const { output, logSumExp } = attentionDetailsSync(
      query,
      keysBetween(key, from, to),
      keysBetween(value, from, to),
      { ...options, queryOffset: -from, backend, include: ['logSumExp'] },
    );
    assert.ok(logSumExp);
    return { output, logSumExp };
  }

  it('keeps a sink in rows that lack keys in the part that it was given to', async () => {
    const ones = tensorOf('float32', [1, 1, 8, 1], () => 1);
    const query = tensorOf('float32', [1, 1, 8, 1], () => 0);
    const inputs = { query, key: ones, value: ones };
    const window = { causal: true, window: { left: 2 } };
    for (const place of [0, 1, 'merged']) {
      const parts = [0, 4].map((from, i) =>
        windowedPart(inputs, from, from + 4, { ...window, ...(place === i && { sinks: [0] }) }),
      );
      const { output } = await mergeAttention(parts, { backend, ...(place === 'merged' && { sinks: [0] }) });
      // One, two, then three keys beside the sink, all with the same weight.
      expectClose(output, [1 / 2, 2 / 3, ...new Array<number>(6).fill(3 / 4)], tolerances.float32);
    }
  });

  for (const type of typesOf(backend)) {
    it(`takes sinks once, wherever they are given, ${type}`, async () => {
      for (let repeat = 0; repeat < 4; repeat++) {
        const inputs = randomInputs(random, { type, queries: 30, keys: 30, keyHeads: 2 });
        const sinks = Array.from({ length: 4 }, () => Math.fround(random.uniform(-3, 3)));
        const options = {
          causal: random.chance(0.5),
          window: { left: random.integer(0, 5), right: random.integer(0, 5) },
          mask: random.mask([4, 30, 1], 0.8),
          ...(random.chance(0.5) && { kvLengths: [random.integer(0, 30), random.integer(0, 30)] }),
        };
        const { query, key, value } = inputs;
        const expected = attentionOracle(query, key, value, { ...options, queryOffset: 0, sinks });
        const cuts = [0, random.integer(0, 15), random.integer(15, 30), 30];
        for (const place of [0, 1, 2, 'merged']) {
          const parts = cuts.slice(1).map((to, i) => {
            const lengths = options.kvLengths?.map((length) =>
              Math.min(Math.max(length - cuts[i], 0), to - cuts[i]),
            );
            return windowedPart(inputs, cuts[i], to, {
              ...options,
              ...(lengths && { kvLengths: lengths }),
              ...(place === i && { sinks }),
            });
          });
          const out = poisoned(type, [2, 4, 30, 16]);
          const { output, logSumExp } = await mergeAttention(parts, {
            backend,
            out: out.tensor,
            ...(place === 'merged' && { sinks }),
          });
          out.expectMarginsIntact();
          const tolerance = type === 'float64' ? tolerances.float64 : tolerances.float32;
          expectClose(output, expected.output, tolerances[type], `sinks of ${place}`, 0.2);
          expectClose(logSumExp, expected.logSumExp, tolerance, `sinks of ${place}`, 1);
        }
      }
    });
  }

  it('takes sinks of outputs of packed sequences, whose second axis are heads too', async () => {
    const [tokens, heads] = [7, 3];
    const part = {
      output: random.tensor('float32', [tokens, heads, 5]),
      logSumExp: random.tensor('float32', [tokens, heads]),
    };
    const sinks = Array.from({ length: heads }, () => random.normal());
    const { output, logSumExp } = await mergeAttention([part], { backend, sinks });
    const logs = toNumbers(part.logSumExp);
    const joint = logs.map((log, row) => Math.log(Math.exp(log) + Math.exp(sinks[row % heads])));
    const shares = logs.map((log, row) => Math.exp(log - joint[row]));
    const expected = toNumbers(part.output).map((x, i) => x * shares[Math.floor(i / 5)]);
    expectClose(output, expected, tolerances.float32, 'output', 0.2);
    expectClose(logSumExp, joint, tolerances.float32, 'log-sum-exp', 1);
  });

  for (const sink of [3.4e38, -3.4e38]) {
    it(`takes a sink of ${sink}`, async () => {
      const inputs = randomInputs(random, { batch: 1, heads: 1 });
      const { query, key, value } = inputs;
      for (const options of [{}, { kvLengths: [0] }]) {
        const details = (more: AttentionOptions) => {
          const given = { ...options, ...more, backend, include: ['logSumExp'] as const };
          const { output, logSumExp } = attentionDetailsSync(query, key, value, given);
          assert.ok(logSumExp);
          return { output, logSumExp };
        };
        const expected = attentionOracle(query, key, value, { ...options, sinks: [sink] });
        const merged = await mergeAttention([details({})], { backend, sinks: [sink] });
        for (const { output, logSumExp } of [details({ sinks: [sink] }), merged]) {
          expectClose(output, expected.output, tolerances.float32, 'output', 0.2);
          expectClose(logSumExp, expected.logSumExp, tolerances.float32, 'log-sum-exp', 1);
        }
      }
    });
  }

  it('leaves out parts without keys, whatever they hold', async () => {
    const whole = part(randomInputs(random), 0, 13);
    const { dims } = whole.output;
    const empty = {
      output: tensorOf('float32', dims, () => Number.NaN),
      logSumExp: tensorOf('float32', dims.slice(0, 3), () => nothing),
    };
    const { output, logSumExp } = await mergeAttention([empty, whole, empty], { backend });
    expectSameBits(output, whole.output as Tensor);
    expectSameBits(logSumExp, whole.logSumExp as Tensor);
    const none = await mergeAttention([empty, empty], { backend });
    assert.ok(toNumbers(none.output).every((x) => x === 0));
    assert.ok(toNumbers(none.logSumExp).every((x) => x === nothing));
  });

  it('writes to `out`, in full and not beyond', async () => {
    const inputs = randomInputs(random, { keys: 20 });
    const parts = [part(inputs, 0, 7), part(inputs, 7, 20)];
    const expected = await mergeAttention(parts, { backend });
    const out = poisoned('float32', expected.output.dims);
    const { output, logSumExp } = await mergeAttention(parts, { backend, out: out.tensor });
    assert.equal(output, out.tensor);
    out.expectMarginsIntact();
    expectSameBits(output, expected.output);
    expectSameBits(logSumExp, expected.logSumExp);
    await rejectsHeed(
      () => mergeAttention(parts, { backend, out: parts[1].output as Tensor }),
      'HEED_OVERLAP',
      'Expected options.out not to share memory with parts[1].output',
    );
    await rejectsHeed(
      () => mergeAttention(parts, { backend, out: Tensor.zeros('float32', [1]) }),
      'HEED_SHAPE_MISMATCH',
      'options.out.dims',
    );
  });

  it('propagates NaN of a part that has keys', async () => {
    const parts = [1, 2].map((i) => ({
      output: tensorOf('float32', [2, 3], (n) => (i === 2 && n === 4 ? Number.NaN : n)),
      logSumExp: tensorOf('float32', [2], () => 0),
    }));
    const { output } = await mergeAttention(parts, { backend });
    assert.deepEqual(toNumbers(output), [0, 1, 2, 3, Number.NaN, 5]);
  });

  it('does not overflow', async () => {
    const parts = [800, 801].map((log) => ({
      output: tensorOf('float32', [1, 1], () => log),
      logSumExp: tensorOf('float32', [1], () => log),
    }));
    const { output, logSumExp } = await mergeAttention(parts, { backend });
    const share = 1 / (1 + Math.exp(-1));
    expectClose(output, [800 * (1 - share) + 801 * share], 1e-6);
    expectClose(logSumExp, [801 + Math.log1p(Math.exp(-1))], 1e-6);
  });
});

describe('merged attention', () => {
  const good = () => ({
    output: Tensor.zeros('float32', [2, 3, 4]),
    logSumExp: Tensor.zeros('float32', [2, 3]),
  });

  it('is cancelled by its signal', async () => {
    const reason = new Error('enough');
    await assert.rejects(mergeAttention([good()], { signal: AbortSignal.abort(reason) }), reason);
  });

  it('refuses sinks that do not fit', async () => {
    await rejectsHeed(
      () => mergeAttention([good()], { sinks: [1, 2] }),
      'HEED_SHAPE_MISMATCH',
      'Expected options.sinks to have one element per head (3), received 2',
    );
    const flat = { output: Tensor.zeros('float32', [2, 4]), logSumExp: Tensor.zeros('float32', [2]) };
    await rejectsHeed(
      () => mergeAttention([flat], { sinks: [1, 2] }),
      'HEED_SHAPE_MISMATCH',
      'Expected parts[0].logSumExp.dims to have an axis of heads, the second, for options.sinks, received [2]',
    );
  });

  const rejects: readonly [title: string, parts: unknown, code: string, message: RegExp][] = [
    ['no parts', [], 'HEED_SHAPE_MISMATCH', /parts to have at least one element/],
    ['what is no list', 7, 'HEED_INVALID_ARGUMENT', /parts to be a list.*received 7/],
    ['parts that are nothing', [undefined], 'HEED_INVALID_ARGUMENT', /parts\[0\]/],
    [
      'a part without log-sum-exp',
      [{ output: good().output }],
      'HEED_INVALID_ARGUMENT',
      /parts\[0\]\.logSumExp to be a tensor/,
    ],
    ['a misspelt part', [{ ...good(), logsumexp: 1 }], 'HEED_UNKNOWN_OPTION', /did you mean 'logSumExp'/],
    [
      'other shapes',
      [good(), { output: Tensor.zeros('float32', [2, 3, 5]), logSumExp: good().logSumExp }],
      'HEED_SHAPE_MISMATCH',
      /parts\[1\]\.output\.dims to be \[2, 3, 4\], received \[2, 3, 5\]/,
    ],
    [
      'other rows',
      [{ ...good(), logSumExp: Tensor.zeros('float32', [3, 2]) }],
      'HEED_SHAPE_MISMATCH',
      /parts\[0\]\.logSumExp\.dims to be \[2, 3\]/,
    ],
    [
      'other types',
      [good(), { output: Tensor.zeros('float16', [2, 3, 4]), logSumExp: good().logSumExp }],
      'HEED_TYPE_MISMATCH',
      /parts\[1\]\.output\.type/,
    ],
    [
      'a log-sum-exp in half precision',
      [{ ...good(), logSumExp: Tensor.zeros('float16', [2, 3]) }],
      'HEED_TYPE_MISMATCH',
      /parts\[0\]\.logSumExp\.type/,
    ],
    [
      'integers',
      [{ output: Tensor.zeros('int32', [2, 3, 4]), logSumExp: good().logSumExp }],
      'HEED_UNSUPPORTED_TYPE',
      /parts\[0\]\.output\.type/,
    ],
    [
      'a scalar',
      [{ output: Tensor.zeros('float32', []), logSumExp: Tensor.zeros('float32', []) }],
      'HEED_SHAPE_MISMATCH',
      /end with a width/,
    ],
  ];
  for (const [title, parts, code, message] of rejects) {
    it(`rejects ${title}`, async () => {
      await assert.rejects(mergeAttention(parts as AttentionPart[]), { name: 'HeedError', code, message });
    });
  }
});
