/** Tests self attention over sequences that are padded at their ends: whatever padding contains, it has no effect. */
import assert from 'node:assert/strict';
import { attentionDetails, attentionDetailsSync, attentionSync } from '../../lib/attention/attention.js';
import type { AttentionOptions } from '../../lib/attention/options.js';
import { packedAttention } from '../../lib/attention/packed.js';
import type { KeyValueCache } from '../../lib/key-value-cache/key-value-cache.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import type { FloatType, TensorLike } from '../../lib/tensor/types.js';
import { attend, type Inputs, randomInputs, typesOf } from '../support/attention.js';
import { eachBackend, type TestedBackend } from '../support/backends.js';
import { filledCache } from '../support/cached.js';
import { expectClose, expectSameBits, toleranceOf, tolerances } from '../support/compare.js';
import { toNumbers } from '../support/numbers.js';
import { attentionOracle, type OracleOptions } from '../support/oracle.js';
import { poisoned } from '../support/poison.js';
import { Random, tensorOf } from '../support/random.js';
import { throwsHeed } from '../support/rejects.js';
import { decidedInputs } from '../support/selections.js';

const details = ['logSumExp', 'weights', 'scores', 'cappedScores', 'biasedScores'] as const;

/** A copy whose steps past the length of their entry are NaN. */
function spoilt(tensor: Tensor, axis: 1 | 2, lengths: readonly number[]): Tensor {
  const { type, dims } = tensor;
  const numbers = toNumbers(tensor);
  const inner = dims[3] * (axis === 1 ? dims[2] : 1);
  const entrySize = numbers.length / dims[0];
  return tensorOf(type as FloatType, dims, (i) =>
    Math.floor(i / inner) % dims[axis] < lengths[Math.floor(i / entrySize)] ? numbers[i] : Number.NaN,
  );
}

/** Output and details of the inputs, whose padding is NaN, into an output that is NaN. */
function check(backend: TestedBackend, inputs: Inputs, options: OracleOptions & { lengths: number[] }): void {
  const axis = options.layout === 'bshd' ? 1 : 2;
  const spoil = (tensor: Tensor) => spoilt(tensor, axis, options.lengths);
  const { query, key, value } = inputs;
  const bad = { query: spoil(query), key: spoil(key), value: spoil(value) };
  const type = query.type as FloatType;
  const expected = attentionOracle(query, key, value, options);
  const output = attend(backend, bad, options);
  expectClose(output, expected.output, toleranceOf(backend, type), 'output:', 0.2);
  const shown = attentionDetailsSync(bad.query, bad.key, bad.value, {
    ...options,
    backend,
    include: details,
  });
  expectSameBits(shown.output, output);
  const tolerance = type === 'float64' ? tolerances.float64 : toleranceOf(backend, 'float32');
  for (const name of details) {
    const tensor: TensorLike | undefined = shown[name];
    assert.ok(tensor, name);
    expectClose(tensor, expected[name], tolerance, `${name}:`, 1);
  }
}

eachBackend('right-padded self attention', (backend) => {
  const random = new Random(`right-padded self attention on ${backend}`);
  const shape = { batch: 4, heads: 6, keyHeads: 2, queries: 23, keys: 23, valueWidth: 5 };
  const lengths = [23, 7, 0, 1];

  it('has the positions that steps have without padding', () => {
    const row = tensorOf('float32', [1, 1, 5, 1], (i) => i + 1);
    const zeros = Tensor.zeros('float32', [1, 1, 5, 1]);
    const options = { backend, causal: true, lengths: [3] };
    const output = attentionSync(zeros, zeros, row, options);
    expectClose(output, [1, 1.5, 2, 0, 0], 1e-7);
  });

  for (const type of typesOf(backend)) {
    it(`leaves padding out, of ${type}`, () => {
      check(backend, randomInputs(random, { ...shape, type }), { lengths });
      check(backend, randomInputs(random, { ...shape, type }), { lengths, causal: true });
    });
  }

  for (const [title, options] of Object.entries<OracleOptions>({
    windows: { window: { left: 3, right: 2 } },
    'a window in the past': { window: { left: 2 }, causal: true },
    ALiBi: { alibiSlopes: [1, 0.5, 0.25, 0.1, 0, -0.2], causal: true },
    sinks: { sinks: [0, 1, 2, -1, 5, 0.5] },
    'a soft cap': { softcap: 0.7, causal: true },
    'boolean masks': { mask: random.mask([4, 6, 23, 23], 0.6), causal: true },
    'additive masks': { mask: random.tensor('float32', [4, 1, 23, 23]) },
    'layout bshd': { layout: 'bshd', causal: true },
  })) {
    it(`takes ${title}`, () =>
      check(backend, randomInputs(random, { ...shape, ...options }), { ...options, lengths }));
  }

  it('takes few rows, of many keys or few', () => {
    for (const steps of [1, 2, 3, 150]) {
      const some = [random.integer(0, steps), random.integer(0, steps)];
      const few = { batch: 2, heads: 2, keyHeads: 1, width: 4 };
      const inputs = randomInputs(random, { ...few, queries: steps, keys: steps });
      check(backend, inputs, { lengths: some, causal: random.chance(0.5) });
    }
  });

  it('may consist of padding only', () => {
    check(backend, randomInputs(random, shape), { lengths: [0, 0, 0, 0] });
    check(backend, randomInputs(random, { ...shape, batch: 0 }), { lengths: [] });
    check(backend, randomInputs(random, { ...shape, queries: 0, keys: 0 }), { lengths: [0, 0, 0, 0] });
  });

  it('shows chosen rows, those of padding too', () => {
    const { query, key, value } = randomInputs(random, shape);
    const options = { backend, lengths, causal: true };
    const all = attentionDetailsSync(query, key, value, { ...options, include: ['weights'] });
    const rows = { heads: [5, 0], queries: [22, 0, 6, 7] };
    const some = attentionDetailsSync(query, key, value, { ...options, include: ['weights'], rows });
    assert.ok(all.weights && some.weights);
    const numbers = toNumbers(all.weights);
    const expected = [0, 1, 2, 3].flatMap((b) =>
      rows.heads.flatMap((h) =>
        rows.queries.flatMap((i) =>
          numbers.slice(((b * 6 + h) * 23 + i) * 23, ((b * 6 + h) * 23 + i + 1) * 23),
        ),
      ),
    );
    assert.deepEqual(toNumbers(some.weights), expected);
  });

  it('gives the same promised as at once', async () => {
    const { query, key, value } = randomInputs(random, shape);
    const options = { backend, lengths, causal: true, include: details };
    const [promised, once] = [
      await attentionDetails(query, key, value, options),
      attentionDetailsSync(query, key, value, options),
    ];
    for (const name of ['output', ...details] as const) {
      const [a, b] = [promised[name], once[name]];
      assert.ok(a && b);
      expectSameBits(a, b);
    }
  });

  it('leaves out what follows in packed sequences', async () => {
    const heads = { heads: 6, keyHeads: 2, width: 16, valueWidth: 5 };
    const queryStarts = [0, 9, 9, 30, 41];
    const some = [4, 0, 21, 1];
    const tokens = (count: number, width: number) => random.tensor('float32', [41, count, width]);
    const [query, key, value] = [tokens(6, 16), tokens(2, 16), tokens(2, 5)];
    const out = poisoned('float32', [41, 6, 5]);
    const options = { causal: true, alibiSlopes: [0.1, 0.2, 0.3, 0, 0.5, 1], window: { left: 11 } };
    const spoiltTokens = (tensor: Tensor) => {
      const copy = new Tensor(Float32Array.from(toNumbers(tensor)), tensor.dims);
      const row = copy.dims[1] * copy.dims[2];
      for (const [entry, length] of some.entries()) {
        (copy.data as Float32Array).fill(
          Number.NaN,
          (queryStarts[entry] + length) * row,
          queryStarts[entry + 1] * row,
        );
      }
      return copy;
    };
    await packedAttention(spoiltTokens(query), spoiltTokens(key), spoiltTokens(value), {
      ...options,
      backend,
      queryStarts,
      lengths: some,
      out: out.tensor,
    });
    out.expectMarginsIntact();
    const cut = (tensor: Tensor, entry: number) => {
      const row = tensor.dims[1] * tensor.dims[2];
      const steps = queryStarts[entry + 1] - queryStarts[entry];
      const data = tensor.data.slice(queryStarts[entry] * row, queryStarts[entry + 1] * row) as Float32Array;
      return new Tensor(data, [1, steps, ...tensor.dims.slice(1)]);
    };
    const expected = some.flatMap((length, entry) => {
      const [q, k, v] = [query, key, value].map((tensor) => cut(tensor, entry));
      return attentionOracle(q, k, v, { ...options, layout: 'bshd', lengths: [length] }).output;
    });
    assert.equal(expected.length, 41 * heads.heads * heads.valueWidth);
    expectClose(out.tensor, expected, toleranceOf(backend, 'float32'), 'output:');
  });

  it('is refused with what says otherwise', () => {
    const { query, key, value } = randomInputs(random, { batch: 2, queries: 5, keys: 5 });
    const refuses = (options: AttentionOptions, code: Parameters<typeof throwsHeed>[1], message: string) =>
      throwsHeed(
        () => attentionSync(query, key, value, { backend, lengths: [5, 2], ...options }),
        code,
        message,
      );
    refuses(
      { kvLengths: [5, 2] },
      'HEED_INVALID_ARGUMENT',
      'Expected options.kvLengths to be left out with options.lengths',
    );
    refuses(
      { queryOffset: 0 },
      'HEED_INVALID_ARGUMENT',
      'Expected options.queryOffset to be left out with options.lengths',
    );
    refuses(
      { lengths: [5, 6] },
      'HEED_INVALID_ARGUMENT',
      'Expected options.lengths[1] to be an integer from 0 to 5',
    );
    refuses({ lengths: [5, Number.NaN] }, 'HEED_INVALID_ARGUMENT', 'options.lengths[1]');
    refuses({ lengths: [5] }, 'HEED_SHAPE_MISMATCH', 'one element per batch entry (2), received 1');
    const longer = randomInputs(random, { batch: 2, queries: 5, keys: 6 });
    throwsHeed(
      () => attentionSync(query, longer.key, longer.value, { backend, lengths: [5, 2] }),
      'HEED_SHAPE_MISMATCH',
      'Expected the number of keys with options.lengths to equal that of queries (5), received 6',
    );
  });
});

eachBackend(
  'right-padded self attention with other scores and selections',
  (backend) => {
    const random = new Random(`right-padded selections on ${backend}`);
    const shape = { batch: 3, heads: 4, keyHeads: 2, queries: 11, keys: 11, width: 6 };
    const lengths = [11, 4, 0];
    const weight = (...dims: number[]) => random.tensor('float32', dims, 0.5);
    for (const [title, options] of Object.entries<OracleOptions>({
      cosine: { score: 'cosine' },
      general: { score: { type: 'general', weight: weight(4, 6, 6) } },
      additive: {
        score: { type: 'additive', query: weight(5, 6), key: weight(2, 5, 6), vector: weight(4, 5) },
      },
      location: { score: { type: 'location', weight: weight(13, 6) } },
      hard: { select: 'hard' },
      drawn: { select: { type: 'hard', seed: random.integer(0, 2 ** 30) } },
      local: { select: { type: 'local', centers: tensorOf('float32', [11], (i) => i / 2), halfWidth: 2.5 } },
    })) {
      it(`takes ${title}`, () => {
        const whole = { ...options, causal: true, lengths };
        check(backend, decidedInputs(random, shape, whole), whole);
      });
    }
  },
  'cuda',
);

describe('right-padded self attention', () => {
  const random = new Random('lengths that are refused');

  it('is refused over a cache, which has its own lengths', () => {
    const { query, key, value } = randomInputs(random, { batch: 2, queries: 5, keys: 5 });
    using cache: KeyValueCache = filledCache(random, key, value);
    throwsHeed(
      () => attentionSync(query, cache, { lengths: [5, 2], backend: 'reference' }),
      'HEED_INVALID_ARGUMENT',
      'Expected options.lengths to be left out with a cache',
    );
  });

  it('is refused for packed sequences with other keys', async () => {
    const tokens = random.tensor('float32', [6, 2, 4]);
    const call = (options: object) =>
      packedAttention(tokens, tokens, tokens, {
        queryStarts: [0, 2, 6],
        lengths: [1, 3],
        backend: 'reference',
        ...options,
      });
    await call({ keyStarts: [0, 2, 6] });
    await assert.rejects(call({ keyStarts: [0, 3, 6] }), {
      code: 'HEED_SHAPE_MISMATCH',
      message:
        /each sequence's number of keys with options\.lengths to equal that of queries \(2\), received 3/,
    });
    await assert.rejects(call({ lengths: [3, 3] }), {
      code: 'HEED_INVALID_ARGUMENT',
      message: /lengths\[0\]/,
    });
    await assert.rejects(call({ queryOffset: 0 }), { code: 'HEED_INVALID_ARGUMENT', message: /queryOffset/ });
  });
});
