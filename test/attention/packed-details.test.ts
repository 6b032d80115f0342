/** Tests scores, weights and log-sum-exps of sequences that lie end to end. */
import assert from 'node:assert/strict';
import { mergeAttention } from '../../lib/attention/merge.js';
import {
  type PackedAttentionDetailsOptions,
  packedAttention,
  packedAttentionDetails,
  packedAttentionDetailsSync,
} from '../../lib/attention/packed.js';
import { KeyValueCache } from '../../lib/key-value-cache/key-value-cache.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import type { FloatType } from '../../lib/tensor/types.js';
import { typesOf } from '../support/attention.js';
import { eachBackend, locationOf } from '../support/backends.js';
import { expectClose, expectSameBits, toleranceOf, tolerances } from '../support/compare.js';
import { toNumbers } from '../support/numbers.js';
import { attentionOracle, type OracleOptions, type OracleResult } from '../support/oracle.js';
import { Random, tensorOf } from '../support/random.js';
import { rejectsHeed } from '../support/rejects.js';
import { enough } from '../support/selections.js';

const [heads, keyHeads, width, valueWidth] = [4, 2, 8, 6];
const queryStarts = [0, 4, 4, 10, 11, 13];
const keyStarts = [0, 7, 20, 20, 50, 53];
const entries = queryStarts.length - 1;
const matrices = ['weights', 'scores', 'cappedScores', 'biasedScores'] as const;
const everything = ['logSumExp', ...matrices] as const;

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);
const stepsOf = (starts: readonly number[]) => starts.slice(1).map((end, entry) => end - starts[entry]);

function pack(random: Random, type: FloatType = 'float32', starts = keyStarts) {
  const [queries, keys] = [queryStarts[entries], starts[entries]];
  return {
    query: random.tensor(type, [queries, heads, width]),
    key: random.tensor(type, [keys, keyHeads, width]),
    value: random.tensor(type, [keys, keyHeads, valueWidth]),
    starts,
  };
}

/** Some consecutive tokens as a batch of one, in layout bshd. */
function cut(tensor: Tensor, from: number, to: number): Tensor {
  const [, rows, length] = tensor.dims;
  const numbers = toNumbers(tensor).slice(from * rows * length, to * rows * length);
  return tensorOf(tensor.type as FloatType, [1, to - from, rows, length], (i) => numbers[i]);
}

/** One sequence's part of what broadcasts to [batch, heads, queries, …]. */
function partOf(whole: Tensor, entry: number, sizes: readonly number[]): Tensor {
  const [batch, ...rest] = whole.dims;
  const numbers = toNumbers(whole);
  const dims = [1, ...rest.map((length, axis) => (length === 1 ? 1 : sizes[axis]))];
  const picked = tensorOf('float32', dims, (index) => {
    let left = index;
    let at = 0;
    let stride = 1;
    for (let axis = dims.length - 1; axis > 0; axis--) {
      at += (left % dims[axis]) * stride;
      left = Math.floor(left / dims[axis]);
      stride *= whole.dims[axis];
    }
    return numbers[at + (batch === 1 ? 0 : entry) * stride];
  });
  return whole.type === 'bool' ? picked.cast('bool') : picked;
}

function expectedOf(packed: ReturnType<typeof pack>, options: OracleOptions): OracleResult[] {
  return upTo(entries).map((entry) => {
    const { query, key, value, starts } = packed;
    const [queries, keys] = [stepsOf(queryStarts)[entry], stepsOf(starts)[entry]];
    const { mask, select, queryOffset, lengths, alibiSlopes, ...rest } = options;
    const slopes = alibiSlopes?.[entry];
    const offset = typeof queryOffset === 'number' ? queryOffset : queryOffset?.[entry];
    return attentionOracle(
      cut(query, queryStarts[entry], queryStarts[entry + 1]),
      cut(key, starts[entry], starts[entry + 1]),
      cut(value, starts[entry], starts[entry + 1]),
      {
        ...rest,
        layout: 'bshd',
        ...(offset !== undefined && { queryOffset: offset }),
        ...(lengths && { lengths: [lengths[entry]] }),
        ...(alibiSlopes && {
          alibiSlopes: typeof slopes === 'object' ? slopes : (alibiSlopes as ArrayLike<number>),
        }),
        ...(mask && { mask: partOf(mask as Tensor, entry, [heads, queries, keys]) }),
        ...(select && {
          select:
            typeof select === 'object' && select.type === 'local'
              ? { ...select, centers: partOf(select.centers as Tensor, entry, [heads, queries]) }
              : select,
        }),
      },
    );
  });
}

/** [heads, queries] of one sequence as [queries, heads]. */
function byToken(logSumExp: readonly number[], queries: number): number[] {
  return upTo(queries).flatMap((i) => upTo(heads).map((h) => logSumExp[h * queries + i]));
}

eachBackend('packed attention details', (backend) => {
  const random = new Random(`packed attention details on ${backend}`);

  function check(
    packed: ReturnType<typeof pack>,
    options: Omit<OracleOptions, 'layout' | 'kvLengths'> = {},
  ): void {
    const { query, key, value, starts } = packed;
    const type = query.type as FloatType;
    const expected = expectedOf(packed, options);
    const given = { ...options, queryStarts, keyStarts: starts, backend };
    const details = packedAttentionDetailsSync(query, key, value, { ...given, include: everything });
    const outputs = expected.flatMap(({ output }) => output);
    expectClose(details.output, outputs, toleranceOf(backend, type), 'output:');
    const tolerance = type === 'float64' ? tolerances.float64 : toleranceOf(backend, 'float32');
    assert.ok(details.logSumExp);
    assert.deepEqual(details.logSumExp.dims, [13, heads]);
    const sums = expected.flatMap(({ logSumExp }, entry) => byToken(logSumExp, stepsOf(queryStarts)[entry]));
    expectClose(details.logSumExp, sums, tolerance, 'log-sum-exp:', 1);
    for (const name of matrices) {
      const tensors = details[name];
      assert.ok(tensors);
      assert.equal(tensors.length, entries);
      for (const [entry, tensor] of tensors.entries()) {
        assert.equal(tensor.type, type === 'float64' ? 'float64' : 'float32');
        assert.deepEqual(tensor.dims, [heads, stepsOf(queryStarts)[entry], stepsOf(starts)[entry]]);
        expectClose(tensor, expected[entry][name], tolerance, `${name} of ${entry}:`, 1);
      }
    }
  }

  for (const type of typesOf(backend)) {
    it(`shows everything of ${type}`, () => {
      const perHead = { alibiSlopes: [1, 0.5, 0, -0.2], sinks: [0, 1, 2, -1] };
      check(pack(random, type), { ...perHead, causal: true, softcap: 3 });
    });
  }

  it('shows windows and offsets', () =>
    check(pack(random), { window: { left: 2, right: 1 }, queryOffset: [3, 0, -2, 9, 1] }));

  it('reads masks of each sequence', () => {
    check(pack(random), { mask: random.mask([entries, heads, 6, 30], 0.6) });
    check(pack(random), { mask: random.tensor('float32', [entries, 1, 6, 1]) });
    check(pack(random), { mask: random.tensor('float32', [1, heads, 1, 30]), causal: true });
  });

  it('takes slopes of each sequence, and distances on both sides', () => {
    const alibiSlopes = upTo(entries).map(() => upTo(heads).map(() => random.uniform(0, 1)));
    check(pack(random), { alibiSlopes, alibiDistance: 'absolute' });
    check(pack(random), { alibiSlopes, causal: true });
  });

  it('shows nothing of padding', () =>
    check(pack(random, 'float32', queryStarts), { lengths: [3, 0, 6, 0, 1], causal: true }));

  it('limits weights and scores to chosen heads and tokens', () => {
    const { query, key, value } = pack(random);
    const given = { queryStarts, keyStarts, backend, causal: true };
    const all = packedAttentionDetailsSync(query, key, value, { ...given, include: everything });
    const rows = { heads: [3, 0], queries: [12, 5, 0, 4, 5] };
    const some = packedAttentionDetailsSync(query, key, value, { ...given, include: everything, rows });
    expectSameBits(some.output, all.output);
    assert.ok(some.logSumExp && all.logSumExp);
    expectSameBits(some.logSumExp, all.logSumExp);
    const steps = [[0], [], [1, 0, 1], [], [1]];
    for (const name of matrices) {
      const [chosen, whole] = [some[name], all[name]];
      assert.ok(chosen && whole);
      for (const [entry, tensor] of chosen.entries()) {
        const [queries, keys] = [stepsOf(queryStarts)[entry], stepsOf(keyStarts)[entry]];
        const numbers = toNumbers(whole[entry]);
        assert.deepEqual(tensor.dims, [2, steps[entry].length, keys]);
        const expected = rows.heads.flatMap((h) =>
          steps[entry].flatMap((i) => numbers.slice((h * queries + i) * keys, (h * queries + i + 1) * keys)),
        );
        assert.deepEqual(toNumbers(tensor), expected);
      }
    }
  });

  it('gives what is asked for and nothing else', async () => {
    const { query, key, value } = pack(random);
    const given = { queryStarts, keyStarts, backend };
    for (const name of everything) {
      const details = await packedAttentionDetails(query, key, value, { ...given, include: [name] });
      assert.deepEqual(Object.keys(details).sort(), ['output', name].sort());
      expectSameBits(details.output, await packedAttention(query, key, value, given));
    }
    const none = await packedAttentionDetails(query, key, value, { ...given, include: [] });
    assert.deepEqual(Object.keys(none), ['output']);
  });

  it('may be empty', async () => {
    const nothing = (count: number) => Tensor.zeros('float32', [0, count, width]);
    const details = await packedAttentionDetails(nothing(4), nothing(2), nothing(2), {
      queryStarts: [0, 0],
      backend,
      include: everything,
    });
    assert.deepEqual(
      details.weights?.map(({ dims }) => dims),
      [[4, 0, 0]],
    );
    assert.deepEqual(details.logSumExp?.dims, [0, 4]);
    const no = await packedAttentionDetails(nothing(4), nothing(2), nothing(2), {
      queryStarts: [0],
      backend,
      include: everything,
    });
    assert.deepEqual(no.weights, []);
  });

  it('shows caches, with the keys of each entry', async () => {
    const { query } = pack(random);
    const [longest, lengths] = [9, [9, 0, 3, 7, 2]];
    const key = random.tensor('float32', [entries, keyHeads, longest, width]);
    const value = random.tensor('float32', [entries, keyHeads, longest, valueWidth]);
    for (const pageSize of [undefined, 2]) {
      using cache = new KeyValueCache({
        batch: entries,
        heads: keyHeads,
        width,
        valueWidth,
        capacity: 12,
        location: locationOf(backend),
        ...(pageSize && { pageSize }),
      });
      cache.append(key, value, { lengths });
      const details = await packedAttentionDetails(query, cache, {
        queryStarts,
        backend,
        causal: true,
        include: everything,
      });
      const padded = (tensor: Tensor, entry: number) => {
        const size = tensor.size / entries;
        const data = (tensor.data as Float32Array).slice(entry * size, (entry + 1) * size);
        return new Tensor(data, [1, ...tensor.dims.slice(1)]);
      };
      for (const entry of upTo(entries)) {
        const queries = stepsOf(queryStarts)[entry];
        const rows = cut(query, queryStarts[entry], queryStarts[entry + 1]);
        const expected = attentionOracle(
          tensorOf('float32', [1, heads, queries, width], (i) => {
            const [d, step, head] = [
              i % width,
              Math.floor(i / width) % queries,
              Math.floor(i / width / queries),
            ];
            return toNumbers(rows)[(step * heads + head) * width + d];
          }),
          padded(key, entry),
          padded(value, entry),
          { kvLengths: [lengths[entry]], causal: true },
        );
        for (const name of matrices) {
          const tensor = details[name]?.[entry];
          assert.ok(tensor);
          assert.deepEqual(tensor.dims, [heads, queries, lengths[entry]]);
          const valid = expected[name].filter((_, i) => i % longest < lengths[entry]);
          expectClose(tensor, valid, toleranceOf(backend, 'float32'), name, 1);
        }
      }
    }
  });

  it('gives the parts that mergeAttention joins', async () => {
    const { query, key, value } = pack(random);
    const whole = await packedAttentionDetails(query, key, value, {
      queryStarts,
      keyStarts,
      backend,
      include: ['logSumExp'],
    });
    // The first keys of each sequence, and the others.
    const counts = stepsOf(keyStarts).map((steps) => random.integer(0, steps));
    const starts = (steps: readonly number[]) => {
      const list = [0];
      for (const count of steps) list.push(list[list.length - 1] + count);
      return list;
    };
    const parts = [false, true].map((second) => {
      const tokens = upTo(entries).flatMap((entry) => {
        const [from, split, to] = [keyStarts[entry], keyStarts[entry] + counts[entry], keyStarts[entry + 1]];
        return second ? upTo(to - split).map((i) => split + i) : upTo(counts[entry]).map((i) => from + i);
      });
      const take = (tensor: Tensor) => {
        const [, rows, size] = tensor.dims;
        const numbers = toNumbers(tensor);
        return tensorOf(
          'float32',
          [tokens.length, rows, size],
          (i) => numbers[tokens[Math.floor(i / rows / size)] * rows * size + (i % (rows * size))],
        );
      };
      const { output, logSumExp } = packedAttentionDetailsSync(query, take(key), take(value), {
        queryStarts,
        keyStarts: starts(second ? stepsOf(keyStarts).map((steps, i) => steps - counts[i]) : counts),
        backend,
        include: ['logSumExp'],
      });
      assert.ok(logSumExp);
      return { output, logSumExp };
    });
    const merged = await mergeAttention(parts, { backend });
    const tolerance = toleranceOf(backend, 'float32');
    expectClose(merged.output, toNumbers(whole.output), 2 * tolerance, 'output:');
    assert.ok(whole.logSumExp);
    expectClose(merged.logSumExp, toNumbers(whole.logSumExp), 2 * tolerance, 'log-sum-exp:', 1);
  });

  it('refuses heads beyond counting, of no tokens', async () => {
    const key = Tensor.zeros('float32', [3, 1, 8]);
    const options = { queryStarts: [0, 0], keyStarts: [0, 3], include: ['weights'], backend } as const;
    const query = { type: 'float32', dims: [0, 2 ** 32 + 1, 8], data: new Float32Array(0) } as const;
    await rejectsHeed(
      () => packedAttentionDetails(query, key, key, options),
      'HEED_INVALID_DIMS',
      'Expected query.dims[1] to be at most 2147483647, received 4294967297',
    );
  });

  it('refuses what does not exist', async () => {
    const { query, key, value } = pack(random);
    const refuses = (options: object, code: Parameters<typeof rejectsHeed>[1], message: string) =>
      rejectsHeed(
        () =>
          packedAttentionDetails(query, key, value, {
            queryStarts,
            keyStarts,
            backend,
            include: ['weights'],
            ...options,
          } as PackedAttentionDetailsOptions),
        code,
        message,
      );
    await refuses(
      { rows: { queries: [13] } },
      'HEED_INVALID_ARGUMENT',
      'rows.queries[0] to be an integer from 0 to 12',
    );
    await refuses(
      { rows: { heads: [4] } },
      'HEED_INVALID_ARGUMENT',
      'rows.heads[0] to be an integer from 0 to 3',
    );
    await refuses({ include: ['weight'] }, 'HEED_INVALID_ARGUMENT', 'options.include[0]');
    await refuses({ include: undefined }, 'HEED_INVALID_ARGUMENT', 'options.include');
    await refuses({ kvLengths: [1] }, 'HEED_UNKNOWN_OPTION', "'kvLengths'");
  });
});

eachBackend(
  'packed attention details of other selections',
  (backend) => {
    const random = new Random(`packed selections on ${backend}`);
    const given = { queryStarts, keyStarts, backend, include: ['weights'] as const };

    it('shows the chosen keys of each sequence', () => {
      for (let repeat = 0; repeat < 5; repeat++) {
        const packed = pack(random);
        const expected = expectedOf(packed, { select: 'hard', causal: true });
        if (expected.some(({ lead }) => lead < enough)) continue;
        const { query, key, value } = packed;
        const { weights } = packedAttentionDetailsSync(query, key, value, {
          ...given,
          select: 'hard',
          causal: true,
        });
        for (const [entry, tensor] of (weights ?? []).entries())
          assert.deepEqual(toNumbers(tensor), expected[entry].weights);
        assert.equal(weights?.length, entries);
      }
    });

    it('shows weights around the centers of each sequence', () => {
      const packed = pack(random);
      const centers = tensorOf('float32', [entries, heads, 6], () => random.uniform(0, 20));
      const select = { type: 'local', centers, halfWidth: 4 } as const;
      const expected = expectedOf(packed, { select });
      const { query, key, value } = packed;
      const { weights } = packedAttentionDetailsSync(query, key, value, { ...given, select });
      assert.equal(weights?.length, entries);
      for (const [entry, tensor] of weights.entries())
        expectClose(tensor, expected[entry].weights, tolerances.float32, `weights of ${entry}`, 1);
    });
  },
  'cuda',
);
