/** Tests every place that takes numbers per head or integers: lists, typed arrays and tensors mean the same. */
import assert from 'node:assert/strict';
import { attentionDetailsSync, attentionSync } from '../../lib/attention/attention.js';
import { mergeAttentionSync } from '../../lib/attention/merge.js';
import { packedAttentionSync } from '../../lib/attention/packed.js';
import { KeyValueCache } from '../../lib/key-value-cache/key-value-cache.js';
import { MultiHeadAttention } from '../../lib/multi-head-attention/multi-head-attention.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { floatTypes, type IntegerList, type NumberList } from '../../lib/tensor/types.js';
import { randomWeights } from '../multi-head-attention/random-layer.js';
import { randomInputs } from '../support/attention.js';
import { expectSameBits } from '../support/compare.js';
import { toNumbers } from '../support/numbers.js';
import { Random } from '../support/random.js';
import { throwsHeed } from '../support/rejects.js';

const backend = 'reference';
const heads = 4;
const batch = 3;

/** A tensor as onnxruntime has it: an instance whose properties are getters. */
class ForeignTensor {
  readonly #tensor: Tensor;
  constructor(tensor: Tensor) {
    this.#tensor = tensor;
  }
  get type() {
    return this.#tensor.type;
  }
  get dims() {
    return this.#tensor.dims;
  }
  get data() {
    return this.#tensor.data;
  }
  get location() {
    return 'cpu';
  }
  get size() {
    return this.#tensor.size;
  }
}

describe('numbers per head', () => {
  const random = new Random('numbers per head');
  const { query, key, value } = randomInputs(random, { batch, heads, queries: 5, keys: 7 });
  const weights = randomWeights(random, { heads });
  const input = random.tensor('float32', [batch, 5, 24]);
  const part = attentionDetailsSync(query, key, value, { backend, include: ['logSumExp'] });
  const packed = (tensor: Tensor) => tensor.reshape([tensor.dims[0] * tensor.dims[2], heads, tensor.dims[3]]);
  const starts = { queryStarts: [0, 5, 15], keyStarts: [0, 10, 21] };

  /** What each place makes of the numbers. */
  const places: Readonly<Record<string, (numbers: NumberList) => Tensor>> = {
    'sinks of attention': (sinks) => attentionSync(query, key, value, { backend, sinks }),
    'slopes of attention': (alibiSlopes) => attentionSync(query, key, value, { backend, alibiSlopes }),
    'sinks of details': (sinks) =>
      attentionDetailsSync(query, key, value, { backend, sinks, include: ['weights'] }).weights as Tensor,
    'slopes of packed attention': (alibiSlopes) =>
      packedAttentionSync(packed(query), packed(key), packed(value), { backend, alibiSlopes, ...starts }),
    'sinks of packed attention': (sinks) =>
      packedAttentionSync(packed(query), packed(key), packed(value), { backend, sinks, ...starts }),
    'sinks of a layer': (sinks) => {
      using layer = new MultiHeadAttention(weights, { heads, backend, sinks });
      return layer.forwardSync(input);
    },
    'slopes of a layer': (alibiSlopes) => {
      using layer = new MultiHeadAttention(weights, { heads, backend, alibiSlopes });
      return layer.forwardSync(input);
    },
    'sinks of merged parts': (sinks) => {
      const { output, logSumExp } = part;
      assert.ok(logSumExp);
      return mergeAttentionSync([{ output, logSumExp }], { backend, sinks }).output;
    },
  };

  for (const [place, use] of Object.entries(places)) {
    it(`are the same in lists and in tensors of every type: ${place}`, () => {
      for (const type of floatTypes) {
        const tensor = random.tensor(type, [heads]);
        const numbers = toNumbers(tensor);
        const expected = use(numbers);
        const forms: NumberList[] = [
          Float64Array.from(numbers),
          Object.assign({ length: heads }, numbers),
          tensor,
          { type, dims: [heads], data: tensor.data },
          new ForeignTensor(tensor),
        ];
        if (type !== 'float64') forms.push(Float32Array.from(numbers));
        for (const form of forms) expectSameBits(use(form), expected);
      }
    });

    it(`are no bits: ${place}`, () => {
      // These are 0.5 as bfloat16.
      const bits = new Uint16Array(heads).fill(0x3f00);
      throwsHeed(() => use(bits), 'HEED_TYPE_MISMATCH', 'received a Uint16Array');
      const half = new Array<number>(heads).fill(0.5);
      expectSameBits(use({ type: 'bfloat16', dims: [heads], data: bits }), use(half));
    });
  }

  it('are read when they are given', () => {
    const sinks = random.tensor('float32', [heads]);
    using layer = new MultiHeadAttention(weights, { heads, backend, sinks });
    const expected = layer.forwardSync(input);
    sinks.data.fill(Number.NaN as never);
    expectSameBits(layer.forwardSync(input), expected);
  });
});

describe('integers', () => {
  const random = new Random('integers');
  const { query, key, value } = randomInputs(random, { batch, heads, queries: 5, keys: 7 });
  const weights = randomWeights(random, { heads });
  const input = random.tensor('float32', [batch, 5, 24]);
  const tokens = (tensor: Tensor) => tensor.reshape([tensor.dims[0] * tensor.dims[2], heads, tensor.dims[3]]);

  function cacheOf(steps: number): KeyValueCache {
    const cache = new KeyValueCache({ batch, heads, width: 16, capacity: 9 });
    const first = (tensor: Tensor) => {
      const cut = Tensor.zeros('float32', [batch, heads, steps, 16]);
      for (let row = 0; row < batch * heads; row++) {
        const start = row * 7 * 16;
        (cut.data as Float32Array).set(
          (tensor.data as Float32Array).subarray(start, start + steps * 16),
          row * steps * 16,
        );
      }
      return cut;
    };
    cache.append(first(key), first(value));
    return cache;
  }

  const over = (cache: KeyValueCache, queries = query) => attentionSync(queries, cache, { backend });

  interface Place {
    readonly numbers: () => number[];
    readonly use: (integers: IntegerList) => Tensor;
    readonly dims?: readonly (readonly number[])[];
  }
  const lengths = (most: number) => () => Array.from({ length: batch }, () => random.integer(0, most));

  const places: Readonly<Record<string, Place>> = {
    'kvLengths of attention': {
      numbers: lengths(7),
      use: (kvLengths) => attentionSync(query, key, value, { backend, kvLengths }),
    },
    'queryOffset of attention': {
      numbers: () => lengths(9)().map((offset) => offset - 4),
      use: (queryOffset) => attentionSync(query, key, value, { backend, queryOffset, causal: true }),
    },
    'kvLengths over a cache': {
      numbers: lengths(7),
      use: (kvLengths) => attentionSync(query, cacheOf(7), { backend, kvLengths }),
    },
    'heads of details': {
      numbers: () => [random.integer(0, 3), random.integer(0, 3)],
      use: (rowHeads) =>
        attentionDetailsSync(query, key, value, { backend, include: ['weights'], rows: { heads: rowHeads } })
          .weights as Tensor,
    },
    'queries of details': {
      numbers: () => [random.integer(0, 4), random.integer(0, 4)],
      use: (queries) =>
        attentionDetailsSync(query, key, value, { backend, include: ['weights'], rows: { queries } })
          .weights as Tensor,
    },
    'queryStarts of packed attention': {
      numbers: () => [0, random.integer(0, 15), 15],
      use: (queryStarts) =>
        packedAttentionSync(tokens(query), tokens(key), tokens(value), {
          backend,
          queryStarts,
          keyStarts: [0, 8, 21],
        }),
    },
    'keyStarts of packed attention': {
      numbers: () => [0, random.integer(0, 21), 21],
      use: (keyStarts) =>
        packedAttentionSync(tokens(query), tokens(key), tokens(value), {
          backend,
          queryStarts: [0, 8, 15],
          keyStarts,
        }),
    },
    'lengths of steps that a cache appends': {
      numbers: lengths(7),
      use: (count) => {
        const cache = new KeyValueCache({ batch, heads, width: 16, capacity: 9 });
        cache.append(key, value, { lengths: count });
        return over(cache);
      },
    },
    'lengths that a cache keeps': {
      numbers: lengths(7),
      use: (kept) => {
        const cache = cacheOf(7);
        cache.truncate(kept);
        return over(cache);
      },
    },
    'entries of a fork': {
      numbers: () => [random.integer(0, 2), random.integer(0, 2), random.integer(0, 2)],
      use: (entries) => over(cacheOf(7).fork({ entries })),
    },
    'kvLengths of a layer': {
      numbers: lengths(5),
      use: (kvLengths) => {
        using layer = new MultiHeadAttention(weights, { heads, backend });
        return layer.forwardSync(input, { kvLengths });
      },
    },
    'positions for a layer': {
      numbers: () => Array.from({ length: 5 }, () => random.integer(0, 99)),
      dims: [[5], [1, 5]],
      use: (positions) => {
        using layer = new MultiHeadAttention(weights, { heads, backend, rotary: {} });
        return layer.forwardSync(input, { positions });
      },
    },
    'positions of every entry for a layer': {
      numbers: () => Array.from({ length: batch * 5 }, () => random.integer(0, 99)),
      dims: [[batch * 5], [batch, 5]],
      use: (positions) => {
        using layer = new MultiHeadAttention(weights, { heads, backend, rotary: {} });
        return layer.forwardSync(input, { positions });
      },
    },
  };

  for (const [place, { numbers, use, dims }] of Object.entries(places)) {
    it(`are the same as numbers, as bigints and in tensors: ${place}`, () => {
      for (let repeat = 0; repeat < 4; repeat++) {
        const given = numbers();
        const expected = use(given);
        const big = BigInt64Array.from(given, BigInt);
        const forms: IntegerList[] = [Int32Array.from(given), Float64Array.from(given), big, [...big]];
        for (const shape of dims ?? [[given.length]]) {
          forms.push(
            { type: 'int64', dims: shape, data: big },
            new Tensor('int32', Int32Array.from(given), shape),
            new ForeignTensor(new Tensor('int64', big, shape)),
          );
          if (given.every((each) => each >= 0))
            forms.push({ type: 'uint8', dims: shape, data: Uint8Array.from(given) });
        }
        for (const form of forms) expectSameBits(use(form), expected);
      }
    });

    it(`are refused out of range, exactly: ${place}`, () => {
      const given = numbers();
      for (const far of [2n ** 53n, 2n ** 64n + 1n, -(2n ** 70n)]) {
        const spoilt = given.map((each, i) => (i === 1 ? far : BigInt(each)));
        throwsHeed(() => use(spoilt), 'HEED_INVALID_ARGUMENT', '[1] to be an integer from');
      }
      const tensor = {
        type: 'int64',
        dims: [given.length],
        data: BigInt64Array.from(given, BigInt),
      } as const;
      tensor.data[1] = 2n ** 62n;
      throwsHeed(() => use(tensor), 'HEED_INVALID_ARGUMENT', `received ${2n ** 62n}n`);
    });

    it(`are refused in tensors of other types and shapes: ${place}`, () => {
      const given = numbers();
      const [data, wrong] = [BigInt64Array.from(given, BigInt), [given.length, 1]];
      throwsHeed(() => use({ type: 'int64', dims: wrong, data }), 'HEED_SHAPE_MISMATCH', '.dims to be');
      throwsHeed(
        () => use(new Tensor(Float32Array.from(given), [given.length])),
        'HEED_UNSUPPORTED_TYPE',
        ".type to be 'int64', 'int32' or 'uint8', received 'float32'",
      );
      throwsHeed(() => use(new ArrayBuffer(8) as never), 'HEED_TYPE_MISMATCH', 'a buffer without a type');
    });
  }
});
