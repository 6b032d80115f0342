/**
 * Tests that a request has the same bits alone and in any batch, whatever the others, its place, the pages that hold
 * its keys and values, forks and prefixes that others share, and the number of threads.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { attentionSync } from '../../lib/attention/attention.js';
import { packedAttentionSync } from '../../lib/attention/packed.js';
import { setThreads } from '../../lib/backends/native/native.js';
import { type CacheType, KeyValueCache } from '../../lib/key-value-cache/key-value-cache.js';
import { KeyValuePool } from '../../lib/key-value-cache/key-value-pool.js';
import { MultiHeadAttention } from '../../lib/multi-head-attention/multi-head-attention.js';
import { normSync } from '../../lib/norm/norm.js';
import type { QuantisedType } from '../../lib/problem/quantised-weight.js';
import { packWeight } from '../../lib/projection/packed-weight.js';
import { projectSync } from '../../lib/projection/project.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import {
  type LayerSizes,
  randomOptions,
  randomSizes,
  randomWeights,
} from '../multi-head-attention/random-layer.js';
import { eachBackend, eachInstructionSet, type TestedBackend } from '../support/backends.js';
import { filledCache, stepsOf } from '../support/cached.js';
import { expectSameBits } from '../support/compare.js';
import { Random } from '../support/random.js';
import { keepThreads } from '../support/threads.js';
import { runs } from './attention-case.js';
import { otherLayout, range, take } from './rearrange.js';

const types = ['float32', 'float16', 'bfloat16'] as const;
const type = fc.constantFrom(...types);

const products = fc.record({
  type,
  weightType: type,
  rows: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 140 })),
  inner: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(64, 127, 256, 300)),
  heads: fc.integer({ min: 1, max: 3 }),
  headWidth: fc.integer({ min: 1, max: 120 }),
  bias: fc.boolean(),
  /** What a packed weight is rounded to. */
  rounded: fc.constantFrom(undefined, undefined, 'int8' as const, 'int4' as const),
  seed: fc.nat(),
});

eachBackend(
  'the bits of a row of a product',
  (backend) => {
    it('depend on that row and the weight alone, packed or not', () => {
      fc.assert(
        fc.property(products, (each) => {
          const random = new Random(`product ${each.seed}`);
          const { rows, inner, heads } = each;
          const columns = heads * each.headWidth;
          const input = random.tensor(each.type, [rows, inner]);
          const weight = random.tensor(each.weightType, [columns, inner]);
          const bias = each.bias ? random.tensor('float32', [columns]) : undefined;
          const packed = packWeight(weight, { backend, ...(each.rounded && { type: each.rounded }) });
          const factors = each.rounded ? [packed] : [packed, weight];
          try {
            const whole = projectSync(input, packed, bias);
            const check = (places: readonly number[]) => {
              for (const factor of factors) {
                expectSameBits(
                  projectSync(take(input, 0, places), factor, bias, { backend }),
                  take(whole, 0, places),
                );
              }
            };
            check(range(0, rows));
            for (let row = 0; row < rows; row += 1 + Math.floor(rows / 10)) check([row]);
            const first = random.integer(0, rows - 1);
            check(range(first, random.integer(first + 1, Math.min(rows, first + 9))));
          } finally {
            packed.dispose();
          }
        }),
        runs(backend === 'reference' ? 30 : 150),
      );
    });
  },
  'cuda',
);

const norms = fc.record({
  type,
  normType: fc.constantFrom('rms' as const, 'layer' as const),
  rows: fc.integer({ min: 1, max: 60 }),
  width: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.constantFrom(2048)),
  threads: fc.integer({ min: 1, max: 3 }),
  seed: fc.nat(),
});

eachBackend('the bits of a normalised row', (backend) => {
  keepThreads();

  it('depend on that row alone', () => {
    fc.assert(
      fc.property(norms, (each) => {
        const random = new Random(`norm ${each.seed}`);
        const { rows, width } = each;
        const x = random.tensor(each.type, [rows, width]);
        const given = {
          type: each.normType,
          weight: random.tensor('float32', [width]),
          backend,
        };
        if (backend === 'cpu') setThreads(each.threads);
        const whole = normSync(x, given);
        const first = random.integer(0, rows - 1);
        for (const places of [[first], range(first, rows), [random.integer(0, rows - 1), first]])
          expectSameBits(normSync(take(x, 0, places), given), take(whole, 0, places));
      }),
      runs(backend === 'reference' ? 10 : 40),
    );
  });
});

const requests = fc.record({
  type,
  cacheType: fc.constantFrom<CacheType | undefined>(
    undefined,
    undefined,
    'float32',
    'bfloat16',
    'int8',
    'float8',
  ),
  keyValueHeads: fc.integer({ min: 1, max: 2 }),
  group: fc.constantFrom(1, 2, 4),
  width: fc.constantFrom(4, 8, 20, 64),
  valueWidth: fc.constantFrom(4, 8, 33, 64),
  norms: fc.boolean(),
  biases: fc.boolean(),
  weights: fc.constantFrom<(QuantisedType | undefined)[]>(undefined, undefined, 'int8', 'int4'),
  causal: fc.constantFrom(true, true, false),
  select: fc.constantFrom('soft', 'soft', 'soft', 'hard'),
  /** Steps that all entries begin with, before some lose a few of them. */
  prefix: fc.oneof(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 1700 })),
  others: fc.oneof(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 64 })),
  /** New steps of the longest entry. */
  steps: fc.constantFrom(1, 1, 1, 2, 3, 9, 40),
  ragged: fc.boolean(),
  pageSize: fc.constantFrom(undefined, 1, 16, 33, 64, 100, 192),
  otherPageSize: fc.constantFrom(undefined, 7, 16, 48, 64, 130),
  masked: fc.constantFrom(false, false, true),
  /** No option that keeps entries from attending a prefix together. */
  plain: fc.boolean(),
  several: fc.integer({ min: 2, max: 5 }),
  seed: fc.nat(),
});

type RequestCase = typeof requests extends fc.Arbitrary<infer Each> ? Each : never;

interface Entry {
  /** Steps of the prefix that it keeps, and further ones that were appended before. */
  readonly kept: number;
  readonly own: number;
  readonly steps: number;
}

function drawEntries(random: Random, { prefix, others, steps, ragged }: RequestCase): Entry[] {
  return Array.from({ length: others + 1 }, () => ({
    kept: random.chance(0.7) ? prefix : random.integer(0, prefix),
    own: random.chance(0.5) ? random.integer(0, 30) : random.chance(0.1) ? random.integer(0, 600) : 0,
    steps: ragged ? random.integer(1, steps) : steps,
  }));
}

function makeLayer(
  random: Random,
  each: RequestCase,
  backend: TestedBackend,
): { layer: MultiHeadAttention; embed: number } {
  const { keyValueHeads, group, width, valueWidth, norms, biases } = each;
  const embed = random.integer(1, 40);
  const sizes: Required<LayerSizes> = {
    type: each.type,
    heads: keyValueHeads * group,
    keyValueHeads,
    width,
    valueWidth,
    embed,
    contextEmbed: embed,
    out: random.chance(0.7) ? random.integer(1, 40) : 0,
    biases,
    norms: norms && 'any',
  };
  const drawn = randomOptions(random, sizes, backend);
  // A location has no score for more keys than it has weights.
  const { score, ...options } = each.plain ? { heads: drawn.heads, keyValueHeads } : drawn;
  const kind = typeof score === 'object' ? score.type : score;
  const layer = new MultiHeadAttention(randomWeights(random, sizes), {
    ...options,
    ...(score !== undefined && kind !== 'location' && { score }),
    causal: each.causal,
    select: each.select,
    ...(each.weights && { weights: each.weights }),
    backend,
  });
  return { layer, embed };
}

const pageSizeOf = (pageSize: number | undefined) => (pageSize === undefined ? {} : { pageSize });

/** Keys and values of steps in a cache, for one entry. */
interface Steps {
  readonly key: Tensor;
  readonly value: Tensor;
}

function randomSteps(random: Random, each: RequestCase, steps: number): Steps {
  const { keyValueHeads, width, valueWidth } = each;
  return {
    key: random.tensor('float32', [1, keyValueHeads, steps, width]),
    value: random.tensor('float32', [1, keyValueHeads, steps, valueWidth]),
  };
}

function first(tensor: Tensor, steps: number): Tensor {
  return stepsOf(tensor, 2, 0, steps);
}

/** Entries below one another, padded at their ends. */
function stacked(tensors: readonly Tensor[], steps: number): Tensor {
  const [, heads, , width] = tensors[0].dims;
  const data = new Float32Array(tensors.length * heads * steps * width).fill(Number.NaN);
  for (const [entry, tensor] of tensors.entries()) {
    const own = tensor.dims[2] * width;
    for (let head = 0; head < heads; head++) {
      const part = (tensor.data as Float32Array).subarray(head * own, (head + 1) * own);
      data.set(part, (entry * heads + head) * steps * width);
    }
  }
  return new Tensor(data, [tensors.length, heads, steps, width]);
}

function checkRequest(each: RequestCase, backend: TestedBackend): void {
  const random = new Random(`request ${each.seed}`);
  const entries = drawEntries(random, each);
  const { layer, embed } = makeLayer(random, each, backend);
  const longest = Math.max(...entries.map(({ steps }) => steps));
  const input = random.tensor(layer.type, [entries.length, longest, embed]);
  const lengths = entries.map(({ kept, own, steps }) => kept + own + steps);
  const dims = [entries.length, 1, longest, Math.max(...lengths)];
  const mask = each.masked && !each.plain ? random.mask(dims, 0.8) : undefined;

  const common = randomSteps(random, each, each.prefix);
  const own = entries.map(({ own }) => randomSteps(random, each, own));
  const kept = {
    type: each.cacheType ?? each.type,
    ...pageSizeOf(each.pageSize),
    spare: 700,
  } as const;
  using shared = filledCache(random, common.key, common.value, kept);
  using together = shared.fork({ entries: entries.map(() => 0) });
  together.truncate(entries.map(({ kept }) => kept));
  const most = Math.max(...entries.map(({ own }) => own));
  const stack = (name: 'key' | 'value') =>
    stacked(
      own.map((steps) => steps[name]),
      most,
    );
  together.append(stack('key'), stack('value'), { lengths: entries.map(({ own }) => own) });
  setThreads(each.several);
  const whole = layer.forwardSync(input, {
    cache: together,
    lengths: entries.map(({ steps }) => steps),
    ...(mask && { mask }),
  });

  setThreads(1);
  const place = random.integer(0, entries.length - 1);
  for (const at of new Set([0, place, entries.length - 1])) {
    const entry = entries[at];
    using alone = new KeyValueCache({
      batch: 1,
      heads: layer.keyValueHeads,
      width: each.width,
      valueWidth: each.valueWidth,
      capacity: 1 << 14,
      type: kept.type,
      // Which channels of int8 are outliers is decided page by page.
      ...pageSizeOf(kept.type === 'int8' ? each.pageSize : each.otherPageSize),
    });
    alone.append(first(common.key, entry.kept), first(common.value, entry.kept));
    alone.append(own[at].key, own[at].value);
    const steps = range(0, entry.steps);
    const result = layer.forwardSync(take(take(input, 0, [at]), 1, steps), {
      cache: alone,
      ...(mask && { mask: take(take(take(mask, 0, [at]), 2, steps), 3, range(0, lengths[at])) }),
    });
    expectSameBits(result, take(take(whole, 0, [at]), 1, steps));
  }
}

eachBackend(
  'the bits of a request to a layer with a cache',
  (backend) => {
    keepThreads();

    it('are those of the request alone', function () {
      this.timeout(300_000);
      fc.assert(
        fc.property(requests, (each) => checkRequest(each, backend)),
        runs(backend === 'reference' ? 10 : 120),
      );
    });
  },
  'cuda',
);

/** The same requests, of any lengths, end to end in one call, with a cache of one pool for each. */
function checkPacked(each: RequestCase, backend: TestedBackend): void {
  const random = new Random(`packed request ${each.seed}`);
  const entries = drawEntries(random, { ...each, ragged: true });
  const { layer, embed } = makeLayer(random, each, backend);
  const starts = [0];
  for (const { steps } of entries) starts.push((starts.at(-1) ?? 0) + steps);
  const input = random.tensor(layer.type, [starts.at(-1) ?? 0, embed]);
  const common = randomSteps(random, each, each.prefix);
  const own = entries.map((entry) => randomSteps(random, each, entry.own));
  const type = each.cacheType ?? each.type;
  const form = { heads: layer.keyValueHeads, width: each.width, valueWidth: each.valueWidth, type };
  using pool = new KeyValuePool({ ...form, ...pageSizeOf(each.pageSize), pages: 1 << 20 });
  using prompt = pool.sequence();
  prompt.append(common.key, common.value);
  const caches = entries.map(({ kept }, at) => {
    // Some share the pages of a prompt, others have their own.
    const cache = random.chance(0.5) ? prompt.fork() : pool.sequence();
    if (cache.lengths[0] === 0) cache.append(first(common.key, kept), first(common.value, kept));
    else cache.truncate(kept);
    cache.append(own[at].key, own[at].value);
    return cache;
  });
  const cached = random.chance(0.8);
  setThreads(each.several);
  const whole = layer.forwardSync(input, { queryStarts: starts, ...(cached && { caches }) });

  setThreads(1);
  const place = random.integer(0, entries.length - 1);
  for (const at of new Set([0, place, entries.length - 1])) {
    using alone = new KeyValueCache({
      ...form,
      batch: 1,
      capacity: 1 << 14,
      // Which channels of int8 are outliers is decided page by page.
      ...(type === 'int8' ? { pageSize: pool.pageSize } : pageSizeOf(each.otherPageSize)),
    });
    alone.append(first(common.key, entries[at].kept), first(common.value, entries[at].kept));
    alone.append(own[at].key, own[at].value);
    const rows = take(input, 0, range(starts[at], starts[at + 1]));
    const result = layer.forwardSync(rows.reshape([1, ...rows.dims]), cached ? { cache: alone } : {});
    const part = take(whole, 0, range(starts[at], starts[at + 1]));
    expectSameBits(result.reshape(part.dims), part);
  }
}

eachBackend(
  'the bits of a request among others of any length, each with a cache of its own',
  (backend) => {
    keepThreads();

    it('are those of the request alone', function () {
      this.timeout(300_000);
      fc.assert(
        fc.property(requests, (each) => checkPacked(each, backend)),
        runs(backend === 'reference' ? 10 : 120),
      );
    });
  },
  'cuda',
);

const padded = fc.record({
  type,
  lengths: fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 2, maxLength: 20 }),
  context: fc.boolean(),
  seed: fc.nat(),
});

eachBackend(
  'the bits of a sequence in a padded batch',
  (backend) => {
    it('are those of the sequence alone', function () {
      this.timeout(300_000);
      fc.assert(
        fc.property(padded, (each) => {
          const random = new Random(`padded ${each.seed}`);
          const { lengths } = each;
          const sizes = { ...randomSizes(random, each.type), out: 7 };
          // Absolute distances, biases and scores by place are tested with caches.
          using layer = new MultiHeadAttention(randomWeights(random, sizes), {
            heads: sizes.heads,
            keyValueHeads: sizes.keyValueHeads,
            causal: random.chance(0.5),
            ...(random.chance(0.3) && { window: { left: random.integer(0, 40) } }),
            backend,
          });
          const longest = Math.max(...lengths);
          const input = random.tensor(each.type, [lengths.length, longest, sizes.embed]);
          const inner = sizes.contextEmbed;
          const across = each.context || inner !== sizes.embed;
          const context = random.tensor(each.type, [lengths.length, longest, inner]);
          const whole = layer.forwardSync(input, across ? { context, kvLengths: lengths } : { lengths });
          for (const entry of new Set([0, random.integer(0, lengths.length - 1), lengths.length - 1])) {
            const steps = range(0, lengths[entry]);
            const own = (tensor: Tensor) => take(take(tensor, 0, [entry]), 1, steps);
            if (across) {
              const alone = layer.forwardSync(take(input, 0, [entry]), { context: own(context) });
              expectSameBits(alone, take(whole, 0, [entry]));
            } else {
              expectSameBits(layer.forwardSync(own(input)), own(whole));
            }
          }
        }),
        runs(backend === 'reference' ? 10 : 60),
      );
    });
  },
  'cuda',
);

const sequences = fc.record({
  type,
  keyHeads: fc.integer({ min: 1, max: 2 }),
  group: fc.constantFrom(1, 2, 4),
  width: fc.constantFrom(8, 20, 64),
  valueWidth: fc.constantFrom(8, 33, 64),
  keys: fc.array(fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 1500 })), {
    minLength: 1,
    maxLength: 4,
  }),
  queries: fc.constantFrom(1, 2, 17, 70),
  window: fc.option(fc.integer({ min: 0, max: 700 }), { nil: undefined }),
  softcap: fc.constantFrom(0, 5),
  sinks: fc.boolean(),
  pageSize: fc.constantFrom(undefined, 1, 16, 33, 64, 100, 192),
  spoilt: fc.boolean(),
  seed: fc.nat(),
});

eachInstructionSet('the bits of attention', () => {
  it('are the same over tensors, over pages of any size, packed and alone', function () {
    this.timeout(300_000);
    fc.assert(
      fc.property(sequences, (each) => {
        const random = new Random(`sequences ${each.seed}`);
        const { keyHeads, group, width, valueWidth, queries } = each;
        const heads = keyHeads * group;
        const options = {
          causal: true,
          softcap: each.softcap,
          ...(each.window !== undefined && { window: { left: each.window } }),
          ...(each.sinks && { sinks: Array.from({ length: heads }, () => random.uniform(-2, 4)) }),
        };
        const parts = each.keys.map((keys) => ({
          query: random.tensor(each.type, [1, heads, queries, width]),
          key: random.tensor(each.type, [1, keyHeads, keys, width]),
          value: random.tensor(each.type, [1, keyHeads, keys, valueWidth]),
        }));
        if (each.spoilt)
          parts[0].value.data[random.integer(0, valueWidth)] = each.type === 'float32' ? Infinity : 0;
        const own = parts.map(({ query, key, value }) => {
          const alone = attentionSync(query, key, value, options);
          using cache = filledCache(random, key, value, { type: each.type, ...pageSizeOf(each.pageSize) });
          expectSameBits(attentionSync(query, cache, options), alone);
          return alone;
        });
        const stepsBelow = (name: 'query' | 'key' | 'value') =>
          joined(parts.map((part) => otherLayout(part[name])));
        const starts = (counts: readonly number[]) => {
          const sums = [0];
          for (const count of counts) sums.push(sums[sums.length - 1] + count);
          return sums;
        };
        const packed = packedAttentionSync(stepsBelow('query'), stepsBelow('key'), stepsBelow('value'), {
          ...options,
          queryStarts: starts(parts.map(() => queries)),
          keyStarts: starts(each.keys),
        });
        expectSameBits(packed, joined(own.map(otherLayout)));
      }),
      runs(80),
    );
  });
});

/** Tensors [1, steps, heads, width] one after the other: [all steps, heads, width]. */
function joined(tensors: readonly Tensor[]): Tensor {
  const [, , heads, width] = tensors[0].dims;
  const size = heads * width;
  const steps = tensors.reduce((sum, { dims }) => sum + dims[1], 0);
  const whole = Tensor.zeros(tensors[0].type, [steps, heads, width]);
  let at = 0;
  for (const { data } of tensors) {
    for (let i = 0; i < data.length; i++) whole.data[at++] = data[i];
  }
  assert.equal(at, steps * size);
  return whole;
}

const streams = fc.record({
  type,
  keyValueHeads: fc.integer({ min: 1, max: 2 }),
  group: fc.constantFrom(1, 4),
  width: fc.constantFrom(8, 20),
  window: fc.constantFrom(20, 200, 700),
  pageSize: fc.constantFrom(16, 33, 64),
  pieces: fc.array(fc.constantFrom(1, 1, 2, 9, 150, 400), { minLength: 4, maxLength: 9 }),
  seed: fc.nat(),
});

eachInstructionSet('the bits of a stream of steps', () => {
  it('are the same whether a rolling cache drops what no step attends, or keeps all', function () {
    this.timeout(300_000);
    fc.assert(
      fc.property(streams, (each) => {
        const random = new Random(`stream ${each.seed}`);
        const { keyValueHeads, group, width, window, pageSize } = each;
        const sizes = { type: each.type, heads: keyValueHeads * group, keyValueHeads, width, embed: 12 };
        using layer = new MultiHeadAttention(randomWeights(random, sizes), {
          heads: sizes.heads,
          keyValueHeads,
          causal: true,
          window: { left: window },
          rotary: {},
        });
        const form = { batch: 1, heads: keyValueHeads, width, type: each.type, pageSize };
        using rolling = new KeyValueCache({ ...form, capacity: 1 << 12, rolling: { window } });
        using whole = new KeyValueCache({ ...form, capacity: 1 << 13 });
        for (const steps of each.pieces) {
          const input = random.tensor(each.type, [1, steps, 12]);
          expectSameBits(
            layer.forwardSync(input, { cache: rolling }),
            layer.forwardSync(input, { cache: whole }),
          );
        }
      }),
      runs(40),
    );
  });
});
