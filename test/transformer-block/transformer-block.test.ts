/** Tests blocks of every form against their definition: in batches, over sequences end to end, and with caches. */
import assert from 'node:assert/strict';
import { FeedForward } from '../../lib/feed-forward/feed-forward.js';
import { KeyValueCache } from '../../lib/key-value-cache/key-value-cache.js';
import { KeyValuePool } from '../../lib/key-value-cache/key-value-pool.js';
import { MultiHeadAttention } from '../../lib/multi-head-attention/multi-head-attention.js';
import { activations } from '../../lib/problem/problem.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import type { FloatType } from '../../lib/tensor/types.js';
import { blockForms } from '../../lib/transformer-block/forms.js';
import { TransformerBlock } from '../../lib/transformer-block/transformer-block.js';
import {
  type RandomCall,
  randomCall,
  randomLinear,
  randomOptions,
  randomSizes,
  randomWeights,
} from '../multi-head-attention/random-layer.js';
import { typesOf } from '../support/attention.js';
import { eachBackend, type TestedBackend } from '../support/backends.js';
import { expectClose, expectSameBits, tolerances } from '../support/compare.js';
import { toNumbers } from '../support/numbers.js';
import { poisoned } from '../support/poison.js';
import { Random } from '../support/random.js';
import { throwsHeed } from '../support/rejects.js';
import { type BlockCase, blockOracle } from './block-oracle.js';

const normNames = [
  'attentionNorm',
  'attentionOutputNorm',
  'feedForwardNorm',
  'feedForwardOutputNorm',
] as const;

function startsOf(counts: readonly number[]): number[] {
  const starts = [0];
  for (const count of counts) starts.push((starts.at(-1) ?? 0) + count);
  return starts;
}

function drawBlock(
  random: Random,
  backend: TestedBackend,
  type: FloatType,
  form: (typeof blockForms)[number],
  cached = false,
) {
  const drawn = { ...randomSizes(random, type), width: random.integer(2, 12) };
  const sizes = { ...drawn, embed: random.integer(2, 40), norms: false as const };
  const own = { ...sizes, contextEmbed: sizes.embed, out: sizes.embed };
  const { rotary, alibiSlopes, ...others } = randomOptions(random, own, backend);
  const byLength = rotary?.scaling?.type === 'dynamic' || rotary?.scaling?.type === 'longrope';
  const attentionOptions = {
    ...others,
    ...(alibiSlopes && { alibiSlopes }),
    ...(rotary && !(cached && byLength) && { rotary }),
    ...(cached && { causal: true, window: { left: random.integer(0, 30), right: 0 } }),
  };
  const { embed } = sizes;
  const hidden = random.integer(1, 60);
  const linear = (out: number, inner: number) => randomLinear(random, type, out, inner, random.chance(0.5));
  const norm = () => ({
    weight: random.tensor('float32', [embed]),
    ...(random.chance(0.5) && { bias: random.tensor(random.pick(['float32', 'float16'] as const), [embed]) }),
  });
  const names = form === 'sandwich' ? normNames : (['attentionNorm', 'feedForwardNorm'] as const);
  const drawnCase: BlockCase = {
    type,
    attention: { weights: randomWeights(random, own), options: attentionOptions },
    feedForward: {
      weights: {
        ...(random.chance(0.5) && { gate: linear(hidden, embed) }),
        up: linear(hidden, embed),
        down: linear(embed, hidden),
      },
      activation: random.pick(activations),
    },
    norms: Object.fromEntries(names.filter(() => random.chance(0.8)).map((name) => [name, norm()])),
    options: {
      form,
      norm: {
        type: random.pick(['rms', 'layer'] as const),
        ...(random.chance(0.5) && { offset: 1 }),
        epsilon: random.pick([1e-5, 1e-2]),
      },
    },
  };
  return { sizes: own, drawn: drawnCase, block: makeBlock(drawnCase, backend) };
}

/** Blocks have no context. */
function drawCall(
  random: Random,
  sizes: Parameters<typeof randomCall>[1],
  dims: readonly number[],
  { attention }: BlockCase,
): RandomCall {
  const call = randomCall(random, sizes, dims, attention.options.rotary !== undefined);
  return call.context ? drawCall(random, sizes, dims, { attention } as BlockCase) : call;
}

function makeBlock({ attention, feedForward, norms, options }: BlockCase, backend: TestedBackend) {
  return new TransformerBlock(
    {
      attention: new MultiHeadAttention(attention.weights, { ...attention.options, backend }),
      feedForward: new FeedForward(feedForward.weights, { activation: feedForward.activation, backend }),
      ...norms,
    },
    options,
  );
}

eachBackend(
  'a block of a transformer',
  (backend) => {
    const random = new Random('blocks of transformers');

    for (const type of typesOf(backend)) {
      for (const form of blockForms) {
        it(`is what its definition says, ${form}, ${type}`, async () => {
          for (let repeat = 0; repeat < 12; repeat++) {
            const { sizes, drawn, block } = drawBlock(random, backend, type, form);
            const dims = [random.integer(1, 3), random.integer(1, 12), sizes.embed] as const;
            const { context: _, ...call } = drawCall(random, sizes, dims, drawn);
            const x = random.tensor(type, [...dims]);
            const out = poisoned(type, [...dims]);
            const given = { ...call, out: out.tensor };
            const result = random.chance(0.5) ? await block.forward(x, given) : block.forwardSync(x, given);
            assert.equal(result, out.tensor);
            out.expectMarginsIntact();
            const expected = blockOracle(drawn, toNumbers(x), dims, call);
            const what = `${JSON.stringify(drawn.attention.options)} ${JSON.stringify(drawn.options)}`;
            expectClose(result, expected, 20 * tolerances[type], what, 1);
            block.dispose();
          }
        });
      }
    }

    it('gives each of many sequences what the oracle gives it alone, with caches', async () => {
      for (let repeat = 0; repeat < 10; repeat++) {
        const form = random.pick(blockForms);
        const { sizes, drawn, block } = drawBlock(random, backend, 'float32', form, true);
        const { keyValueHeads: heads, width, valueWidth, embed } = sizes;
        using pool = new KeyValuePool({ heads, width, valueWidth, pageSize: 4, pages: 100 });
        const texts = Array.from({ length: random.integer(1, 4) }, () => {
          const steps = random.integer(1, 15);
          const input = random.tensor('float32', [1, steps, embed]);
          return {
            input,
            all: blockOracle(drawn, toNumbers(input), [1, steps, embed]),
            cache: pool.sequence(),
          };
        });
        while (texts.some(({ input, cache }) => cache.lengths[0] < input.dims[1])) {
          const parts = texts.map(({ input, all, cache }) => {
            const [from] = cache.lengths;
            const count = random.integer(0, input.dims[1] - from);
            const [first, last] = [from * embed, (from + count) * embed];
            return { count, rows: toNumbers(input).slice(first, last), expected: all.slice(first, last) };
          });
          const queryStarts = startsOf(parts.map(({ count }) => count));
          const rows = parts.flatMap((part) => part.rows);
          const x = new Tensor(Float32Array.from(rows), [rows.length / embed, embed]);
          const result = await block.forward(x, { queryStarts, caches: texts.map(({ cache }) => cache) });
          const expected = parts.flatMap((part) => part.expected);
          expectClose(result, expected, 6e-5, `${form} ${JSON.stringify(drawn.attention.options)}`, 1);
        }
        block.dispose();
      }
    });

    it('gives a row the same bits whatever else is in the batch', () => {
      for (let repeat = 0; repeat < 8; repeat++) {
        const type = random.pick(typesOf(backend));
        const { sizes, block } = drawBlock(random, backend, type, random.pick(blockForms));
        const counts = Array.from({ length: 4 }, () => random.integer(1, 20));
        const inputs = counts.map((count) => random.tensor(type, [count, sizes.embed]));
        const all = Tensor.zeros(type, [counts.reduce((sum, each) => sum + each, 0), sizes.embed]);
        const queryStarts = startsOf(counts);
        for (const [i, input] of inputs.entries())
          all.data.set(input.data as never, queryStarts[i] * sizes.embed);
        const whole = block.forwardSync(all, { queryStarts });
        for (const [i, input] of inputs.entries()) {
          const alone = block.forwardSync(input, { queryStarts: [0, counts[i]] });
          const part = whole.data.slice(queryStarts[i] * sizes.embed, queryStarts[i + 1] * sizes.embed);
          expectSameBits(alone, new Tensor(type, part, alone.dims));
        }
        block.dispose();
      }
    });

    it('extends a cache, or leaves it as it was', async () => {
      const { sizes, block } = drawBlock(random, backend, 'float32', 'pre-norm', true);
      const { keyValueHeads: heads, width, valueWidth, embed } = sizes;
      using cache = new KeyValueCache({ batch: 1, heads, width, valueWidth, capacity: 8 });
      const x = random.tensor('float32', [1, 3, embed]);
      await block.forward(x, { cache });
      assert.deepEqual([...cache.lengths], [3]);
      const aborted = AbortSignal.abort(new Error('enough'));
      await assert.rejects(block.forward(x, { cache, signal: aborted }), /enough/);
      await assert.rejects(block.forward(x, { cache, out: x }), { code: 'HEED_OVERLAP' });
      assert.deepEqual([...cache.lengths], [3]);
      await block.forward(x, { cache });
      assert.deepEqual([...cache.lengths], [6]);
      await assert.rejects(block.forward(x, { cache }), { code: 'HEED_CACHE_FULL' });
      block.dispose();
      assert.ok(block.disposed && block.attention.disposed && block.feedForward.disposed);
      await assert.rejects(block.forward(x), { code: 'HEED_DISPOSED' });
    });

    it('refuses what does not fit', () => {
      const { block, sizes } = drawBlock(random, backend, 'float32', 'pre-norm');
      const { attention, feedForward } = block;
      const { embed } = sizes;
      const expectRefusal = (parts: object, options: unknown, code: string, message: RegExp) =>
        throwsHeed(
          () => new TransformerBlock({ attention, feedForward, ...parts }, options as never),
          code as never,
          message,
        );
      const norm = { weight: Tensor.zeros('float32', [embed]) };
      expectRefusal({ attention: {} }, {}, 'HEED_INVALID_ARGUMENT', /parts\.attention/);
      expectRefusal({ feedForward: undefined }, {}, 'HEED_INVALID_ARGUMENT', /parts\.feedForward/);
      expectRefusal({}, { form: 'post' }, 'HEED_INVALID_ARGUMENT', /options\.form/);
      expectRefusal({}, { norm: { epsilon: -1 } }, 'HEED_INVALID_ARGUMENT', /options\.norm\.epsilon/);
      expectRefusal({ attentionOutputNorm: norm }, {}, 'HEED_INVALID_ARGUMENT', /attentionOutputNorm/);
      const wide = { weight: Tensor.zeros('float32', [embed + 1]) };
      expectRefusal({ attentionNorm: wide }, {}, 'HEED_SHAPE_MISMATCH', /attentionNorm\.weight/);
      const zeros = (out: number, inner: number) => ({ weight: Tensor.zeros('float32', [out, inner]) });
      const other = (width: number, type: FloatType = 'float32') =>
        new FeedForward(
          { up: zeros(3, width), down: zeros(width, 3) },
          { activation: 'relu', backend, type },
        );
      expectRefusal({ feedForward: other(embed + 1) }, {}, 'HEED_SHAPE_MISMATCH', /feedForward/);
      expectRefusal({ feedForward: other(embed, 'float16') }, {}, 'HEED_TYPE_MISMATCH', /feedForward/);
      const weights = { ...randomWeights(random, { ...sizes, out: 0 }) };
      const heads = sizes.heads * sizes.valueWidth;
      const sideBySide = new MultiHeadAttention(weights, {
        heads: sizes.heads,
        keyValueHeads: sizes.keyValueHeads,
        backend,
      });
      if (heads === embed)
        expectRefusal({ attention: sideBySide }, {}, 'HEED_INVALID_ARGUMENT', /output map/);
      throwsHeed(
        () => block.forwardSync(Tensor.zeros('float32', [1, 2, embed + 1])),
        'HEED_SHAPE_MISMATCH',
        /input/,
      );
    });
  },
  'cuda',
);
