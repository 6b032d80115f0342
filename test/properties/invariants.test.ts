/** Tests invariants on every backend, for any case: changes that must not affect the result. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { attentionDetailsSync } from '../../lib/attention/attention.js';
import { mergeAttention } from '../../lib/attention/merge.js';
import type { AttentionOptions } from '../../lib/attention/options.js';
import { packedAttention } from '../../lib/attention/packed.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import type { IntegerList } from '../../lib/tensor/types.js';
import { attend } from '../support/attention.js';
import { eachBackend } from '../support/backends.js';
import { expectSameBits } from '../support/compare.js';
import { toNumbers } from '../support/numbers.js';
import type { OracleOptions } from '../support/oracle.js';
import { Random, tensorOf } from '../support/random.js';
import {
  type AttentionCase,
  attentionCases,
  draw,
  possibleOn,
  runsOn,
  undecided,
  withoutPlaces,
} from './attention-case.js';
import { headAxis, maskOf, offsetOf, stepAxis, withMask, without } from './case-options.js';
import { elementAccuracy, expectNear } from './near.js';
import { range, take, takeOfMask } from './rearrange.js';

function expectSame(each: AttentionCase, actual: Tensor, expected: Tensor): void {
  expectNear(actual, expected, 2 * elementAccuracy[each.type], 0.1, 'output');
}

/** The same integers in a form that tokenizers and onnxruntime give. */
function asIntegers(random: Random, numbers: readonly number[]): IntegerList {
  const dims = [numbers.length];
  const big = BigInt64Array.from(numbers, BigInt);
  return random.pick<IntegerList>([
    big,
    [...big],
    { type: 'int64', dims, data: big },
    { type: 'int32', dims, data: Int32Array.from(numbers) },
  ]);
}

function shuffled(random: Random, length: number): number[] {
  return range(0, length)
    .map((index) => ({ index, key: random.next() }))
    .sort((a, b) => a.key - b.key)
    .map(({ index }) => index);
}

eachBackend('invariants', (backend) => {
  const check = (property: (each: AttentionCase) => void) =>
    fc.assert(
      fc.property(attentionCases, (each) => property(possibleOn(backend, undecided(each)))),
      runsOn(backend),
    );
  const checkAsync = (property: (each: AttentionCase) => Promise<void>) =>
    fc.assert(
      fc.asyncProperty(attentionCases, (each) => property(possibleOn(backend, undecided(each)))),
      runsOn(backend),
    );

  it('the order of keys, together with their values, where no position counts', () => {
    check((each) => {
      const drawn = draw(withoutPlaces(each));
      const { query, key, value, options } = drawn;
      const order = shuffled(new Random(`order ${each.seed}`), each.keys);
      const axis = stepAxis(each.layout);
      const anywhere = without(
        options,
        'causal',
        'window',
        'alibiSlopes',
        'kvLengths',
        'queryOffset',
        'mask',
      );
      const shuffledMask = takeOfMask(maskOf(drawn), -1, order);
      expectSame(
        each,
        attend(
          backend,
          { query, key: take(key, axis, order), value: take(value, axis, order) },
          { ...anywhere, ...withMask(shuffledMask) },
        ),
        attend(backend, drawn, { ...anywhere, ...withMask(maskOf(drawn)) }),
      );
    });
  });

  it('where keys are split, when the parts are merged by their log-sum-exps', async () => {
    await checkAsync(async (each) => {
      const bhsd = { ...withoutPlaces(each), layout: 'bhsd' as const, lengths: false };
      const random = new Random(`split ${each.seed}`);
      const split = random.integer(0, each.keys);
      // Sinks belong to one part, or to none and are merged.
      const withSinks = random.integer(0, 2);
      const drawn = draw(bhsd);
      const { query, key, value } = drawn;
      const { sinks, ...options } = drawn.options;
      const offset = offsetOf(options, 0, each.queries, each.keys);
      const parts = [range(0, split), range(split, each.keys)].map((keys, part) => {
        const details = attentionDetailsSync(query, take(key, 2, keys), take(value, 2, keys), {
          ...without(options, 'mask'),
          ...withMask(takeOfMask(maskOf(drawn), -1, keys)),
          ...(sinks && part === withSinks && { sinks }),
          queryOffset: offset - (part === 0 ? 0 : split),
          include: ['logSumExp'],
          backend,
        });
        assert.ok(details.logSumExp);
        return { output: details.output, logSumExp: details.logSumExp };
      });
      const merged = await mergeAttention(parts, { backend, ...(sinks && withSinks === 2 && { sinks }) });
      const whole = attentionDetailsSync(query, key, value, {
        ...drawn.options,
        include: ['logSumExp'],
        backend,
      });
      assert.ok(whole.logSumExp);
      expectSame(bhsd, merged.output, whole.output);
      expectNear(merged.logSumExp, whole.logSumExp, 1e-5, 1, 'logSumExp');
    });
  });

  it('a constant added to all scores', () => {
    check((each) => {
      const drawn = draw({ ...each, mask: 'none' });
      const { query, key, value, options } = drawn;
      const shift = new Random(`shift ${each.seed}`).uniform(-5, 5);
      const mask = tensorOf('float32', [1], () => shift);
      const sinks = options.sinks && Array.from(options.sinks, (sink) => sink + Math.fround(shift));
      const details = (more: OracleOptions) =>
        attentionDetailsSync(query, key, value, { ...options, ...more, include: ['logSumExp'], backend });
      const [raised, plain] = [details({ mask, ...(sinks && { sinks }) }), details({})];
      expectSame(each, raised.output, plain.output);
      assert.ok(raised.logSumExp && plain.logSumExp);
      const expected = plain.logSumExp.cast('float64');
      for (let i = 0; i < expected.size; i++)
        expected.data[i] = (expected.data[i] as number) + Math.fround(shift);
      expectNear(raised.logSumExp, expected.cast(plain.logSumExp.type), 1e-5, 1, 'logSumExp');
    });
  });

  it('whether query heads share a key head or have it to themselves', () => {
    check((each) => {
      // Weights per key head would have to be repeated, too.
      const keysOwn = each.score === 'location' || each.score === 'additive';
      const drawn = draw(keysOwn ? { ...each, ownWeights: false } : each);
      const axis = headAxis(each.layout);
      const own = range(0, each.keyHeads * each.group).map((head) => Math.floor(head / each.group));
      const repeated = {
        query: drawn.query,
        key: take(drawn.key, axis, own),
        value: take(drawn.value, axis, own),
      };
      expectSame(each, attend(backend, repeated, drawn.options), attend(backend, drawn, drawn.options));
    });
  });

  it('whether bounds are options or a mask', () => {
    check((each) => {
      const drawn = draw({ ...each, mask: 'none' });
      const { options } = drawn;
      const { left = Infinity, right = Infinity } = options.window ?? {};
      const mask = Tensor.zeros('bool', [each.batch, 1, each.queries, each.keys]);
      for (let i = 0; i < mask.size; i++) {
        const j = i % each.keys;
        const row = Math.floor(i / each.keys) % each.queries;
        const entry = Math.floor(i / each.keys / each.queries);
        const distance = j - (offsetOf(options, entry, each.queries, each.keys) + row);
        const valid = j < (options.kvLengths?.[entry] ?? each.keys);
        const reachable = !(options.causal && distance > 0) && distance >= -left && distance <= right;
        mask.data[i] = valid && reachable ? 1 : 0;
      }
      const offsets = range(0, each.batch).map((entry) => offsetOf(options, entry, each.queries, each.keys));
      const masked = { ...without(options, 'causal', 'window', 'kvLengths'), queryOffset: offsets, mask };
      expectSame(each, attend(backend, drawn, masked), attend(backend, drawn, options));
    });
  });

  it('whether numbers lie in lists or in tensors, and whether masks are bool or integers', () => {
    check((each) => {
      const drawn = draw(each);
      const { options } = drawn;
      const random = new Random(`forms ${each.seed}`);
      const perHead = () =>
        random.tensor(random.pick(['float32', 'float16', 'bfloat16', 'float64']), [
          each.keyHeads * each.group,
        ]);
      const [alibiSlopes, sinks] = [perHead(), perHead()];
      const kvLengths = range(0, each.batch).map(() => random.integer(0, each.keys));
      const queryOffset = range(0, each.batch).map(() => random.integer(-20, 80));
      const mask = maskOf(drawn);
      const inTensors: AttentionOptions = {
        ...options,
        ...(each.alibi && { alibiSlopes }),
        ...(each.sinks && { sinks }),
        ...(each.lengths && { kvLengths: asIntegers(random, kvLengths) }),
        ...(each.offset !== undefined && { queryOffset: asIntegers(random, queryOffset) }),
        ...(mask?.type === 'bool' && { mask: mask.cast(random.pick(['uint8', 'int32', 'int64'])) }),
      };
      const inLists: AttentionOptions = {
        ...options,
        ...(each.alibi && { alibiSlopes: toNumbers(alibiSlopes) }),
        ...(each.sinks && { sinks: toNumbers(sinks) }),
        ...(each.lengths && { kvLengths }),
        ...(each.offset !== undefined && { queryOffset }),
      };
      expectSameBits(attend(backend, drawn, inTensors), attend(backend, drawn, inLists));
    });
  });

  it('whether a mask of two axes says what is padding, or has all axes', () => {
    check((any) => {
      const each: AttentionCase = {
        ...any,
        mask: 'none',
        queries: any.queries === any.batch ? 7 : any.queries,
      };
      const drawn = draw(each);
      const random = new Random(`padding ${each.seed}`);
      const mask = random.mask([each.batch, each.keys], 0.7);
      const typed =
        each.seed % 2 === 0 ? mask : mask.cast(random.pick(['uint8', 'int32', 'int64', 'float32']));
      const all = typed.reshape([each.batch, 1, 1, each.keys]);
      expectSameBits(
        attend(backend, drawn, { ...drawn.options, mask: typed }),
        attend(backend, drawn, { ...drawn.options, mask: all }),
      );
    });
  });

  it('whether sequences lie in a batch or end to end', async () => {
    await checkAsync(async (any) => {
      const each = { ...any, layout: 'bshd' as const, batch: Math.max(1, any.batch) };
      const drawn = draw(each);
      const { query, key, value, options } = drawn;
      const lengths = Array.from(options.kvLengths ?? range(0, each.batch).map(() => each.keys));
      const starts = (steps: readonly number[]) => {
        const list = [0];
        for (const step of steps) list.push(list[list.length - 1] + step);
        return list;
      };
      const valid = lengths.flatMap((length, entry) => range(entry * each.keys, entry * each.keys + length));
      const flat = (tensor: Tensor) =>
        tensor.reshape([tensor.dims[0] * tensor.dims[1], ...tensor.dims.slice(2)]);
      const longest = Math.max(0, ...lengths);
      const packed = await packedAttention(
        flat(query),
        take(flat(key), 0, valid),
        take(flat(value), 0, valid),
        {
          ...without(options, 'layout', 'kvLengths'),
          ...withMask(takeOfMask(maskOf(drawn), -1, range(0, longest))),
          queryStarts: starts(range(0, each.batch).map(() => each.queries)),
          keyStarts: starts(lengths),
          backend,
        },
      );
      expectSame(each, packed, flat(attend(backend, drawn, options)));
    });
  });
});
