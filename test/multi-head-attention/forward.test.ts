import assert from 'node:assert/strict';
import { referenceBackend } from '../../lib/backends/reference/backend.js';
import {
  type ForwardOptions,
  type HeadNormWeights,
  MultiHeadAttention,
  type MultiHeadAttentionOptions,
  type MultiHeadAttentionWeights,
} from '../../lib/multi-head-attention/multi-head-attention.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import type { FloatType, TensorLike } from '../../lib/tensor/types.js';
import { typesOf } from '../support/attention.js';
import { eachBackend, emulatedOnly, locationOf, many } from '../support/backends.js';
import { expectClose, expectSameBits, toleranceOf } from '../support/compare.js';
import { toNumbers } from '../support/numbers.js';
import { poisoned } from '../support/poison.js';
import { Random } from '../support/random.js';
import { throwsHeed } from '../support/rejects.js';
import { enough } from '../support/selections.js';
import { layerOracle, type OracleCall } from './layer-oracle.js';
import { type RandomCall, randomCall, randomOptions, randomSizes, randomWeights } from './random-layer.js';

/** The smallest magnitude that errors are relative to: scores and outputs are around 1. */
const least = { output: 0.2, weights: 0.2, scores: 1 };

eachBackend('MultiHeadAttention', (backend) => {
  const random = new Random(`MultiHeadAttention on ${backend}`);
  /** Three roundings to the type follow each other, compared with one in attention alone. */
  const tolerance = (type: FloatType) => 2 * toleranceOf(backend, type);

  function make(weights: MultiHeadAttentionWeights, options: MultiHeadAttentionOptions): MultiHeadAttention {
    return new MultiHeadAttention(weights, { ...options, backend });
  }

  /** Every form of the call matches the oracle, into memory filled with NaN. */
  async function check(
    weights: MultiHeadAttentionWeights,
    options: MultiHeadAttentionOptions,
    input: TensorLike,
    call: RandomCall = {},
  ): Promise<void> {
    using layer = make(weights, options);
    const { type } = layer;
    const expected = layerOracle(type, weights, options, input, call as OracleCall);
    const what = JSON.stringify({ options, call: Object.keys(call), input: input.dims, type });
    const [batch, steps] = input.dims;
    const valueWidth = weights.value.weight.dims[0] / layer.keyValueHeads;
    const columns = weights.output?.weight.dims[0] ?? layer.heads * valueWidth;
    const out = poisoned(type, [batch, steps, columns]);
    const output = await layer.forward(input, { ...call, out: out.tensor });
    assert.equal(output, out.tensor);
    out.expectMarginsIntact();
    expectClose(output, expected.output, tolerance(type), `forward ${what}`, least.output);
    expectSameBits(await layer.forward(input, call), output);
    expectSameBits(layer.forwardSync(input, call), output);

    const details = await layer.forwardDetails(input, {
      ...call,
      include: ['weights', 'logSumExp', 'biasedScores'],
    });
    expectSameBits(details.output, output);
    const { weights: shares, logSumExp, biasedScores } = details;
    assert.ok(shares && logSumExp && biasedScores);
    const { attention } = expected;
    expectClose(shares, attention.weights, tolerance(type), `weights ${what}`, least.weights);
    expectClose(logSumExp, attention.logSumExp, tolerance(type), `log-sum-exp ${what}`, least.scores);
    expectClose(biasedScores, attention.biasedScores, tolerance(type), `biased scores ${what}`, least.scores);
  }

  for (const type of typesOf(backend)) {
    it(`projects, attends and projects, whatever the shapes and options, in ${type}`, async () => {
      for (let round = 0; round < 12; round++) {
        const sizes = randomSizes(random, type);
        const dims = [random.integer(1, 3), random.integer(1, 30), sizes.embed];
        const options = randomOptions(random, sizes, backend);
        await check(
          randomWeights(random, sizes),
          options,
          random.tensor(type, dims),
          randomCall(random, sizes, dims, options.rotary !== undefined),
        );
      }
    });
  }

  describe('with one option at a time', () => {
    const heads = 4;
    const weights = randomWeights(random, { heads, keyValueHeads: 2, valueWidth: 5 });
    const context = random.tensor('float32', [2, 7, 24]);
    const perHead = Float32Array.of(0.1, 0.4, 0.2, 0.9);
    const base: MultiHeadAttentionOptions = { heads, keyValueHeads: 2 };

    /** An input for which rounding does not decide the best key. */
    function decidedInput(
      given: MultiHeadAttentionWeights,
      options: MultiHeadAttentionOptions,
      call: RandomCall = {},
    ): Tensor {
      for (;;) {
        const input = random.tensor('float32', [2, 11, 24]);
        const { attention } = layerOracle('float32', given, options, input, call as OracleCall);
        if (attention.lead > enough) return input;
      }
    }

    const selections = [{ select: 'hard' as const }, { select: { type: 'hard' as const, seed: 11 } }];
    const layerOptions: Partial<MultiHeadAttentionOptions>[] = [
      { causal: true },
      { window: { left: 2 } },
      { window: { right: 0 } },
      { window: { left: 1, right: 3 } },
      { softcap: 0.3 },
      { scale: 2 },
      { alibiSlopes: perHead },
      { sinks: perHead },
      { rotary: {} },
      ...selections,
      { keyValueHeads: 1 },
      { type: 'bfloat16' },
    ];
    for (const options of layerOptions) {
      it(JSON.stringify(options), async () => {
        const { type = 'float32' } = options;
        const own =
          options.keyValueHeads === 1 ? randomWeights(random, { heads, keyValueHeads: 1 }) : weights;
        const input = decidedInput(own, { ...base, ...options });
        await check(own, { ...base, ...options }, input.cast(type));
        if (own !== weights) return;
        const without = layerOracle('float32', weights, base, input);
        const changed = make(weights, { ...base, ...options }).forwardSync(input.cast(type));
        assert.throws(() => expectClose(changed, without.output, 1e-4), 'the option makes a difference');
      });
    }

    const centers = random.tensor('float32', [2, 4, 11]);
    const predicted: [string, RandomCall][] = [
      ['predicted centers', { select: { type: 'local', centers, halfWidth: 3.5 } }],
    ];
    const callOptions: [string, RandomCall][] = [
      ['a selection of its own', { select: { type: 'hard', seed: 5 } }],
      ...(backend === 'cuda' ? [] : predicted),
      ['context', { context }],
      ['a boolean mask', { mask: random.mask([11, 11], 0.5) }],
      ['a boolean mask of its own for each batch entry and head', { mask: random.mask([2, 4, 11, 11], 0.5) }],
      ['an additive mask', { mask: random.tensor('float32', [2, 1, 11, 11]) }],
      ['a mask over the context', { context, mask: random.mask([2, 1, 1, 7], 0.5) }],
      ["a tokenizer's mask", { mask: random.mask([2, 11], 0.5).cast('int64') }],
      ["a tokenizer's mask over the context", { context, mask: random.mask([2, 7], 0.5).cast('uint8') }],
      ['a mask of two axes that is added', { mask: random.tensor('float32', [2, 11]) }],
      ['kvLengths', { kvLengths: [3, 10] }],
      ['kvLengths of the context', { context, kvLengths: [0, 5] }],
    ];
    for (const [what, call] of callOptions) {
      it(what, async () => {
        for (const options of [base, { ...base, causal: true }]) {
          await check(weights, options, decidedInput(weights, options, call), call);
        }
        const input = decidedInput(weights, base, call);
        const without = layerOracle('float32', weights, base, input);
        const changed = make(weights, base).forwardSync(input, call);
        assert.throws(() => expectClose(changed, without.output, 1e-4), 'the option makes a difference');
      });
    }
  });

  it('normalises the heads of queries and keys', async () => {
    const weights = randomWeights(random, { heads: 4, keyValueHeads: 2, width: 20, norms: true });
    const input = random.tensor('float32', [2, 11, 24]);
    const without = layerOracle('float32', weights, { heads: 4, keyValueHeads: 2 }, input);
    for (const options of [{}, { normEpsilon: 0.5 }, { rotary: {}, normEpsilon: 0 }]) {
      await check(weights, { heads: 4, keyValueHeads: 2, ...options }, input);
      const changed = make(weights, { heads: 4, keyValueHeads: 2, ...options }).forwardSync(input);
      if (Object.keys(options).length === 0) continue;
      assert.throws(() => expectClose(changed, without.output, 1e-4), 'the option makes a difference');
    }
    const { keyNorm: _, ...queriesAlone } = weights;
    await check(queriesAlone, { heads: 4, keyValueHeads: 2 }, input);
    const context = random.tensor('float32', [2, 7, 24]);
    await check(weights, { heads: 4, keyValueHeads: 2, rotary: {} }, input, { context });
  });

  describe('with relative biases', () => {
    const heads = 4;
    const weights = randomWeights(random);
    const table = (buckets: number, type: FloatType = 'float32') => random.tensor(type, [buckets, heads]);
    const context = random.tensor('float32', [2, 7, 24]);
    const options: [string, Omit<MultiHeadAttentionOptions, 'heads'>, RandomCall?][] = [
      ['in both directions', { relativeBias: { weight: table(8), maxDistance: 9 } }],
      ['in one direction', { causal: true, relativeBias: { weight: table(8), maxDistance: 9 } }],
      ['of many buckets', { relativeBias: { weight: table(32, 'bfloat16') } }],
      [
        'in both directions of a causal layer',
        { causal: true, relativeBias: { weight: table(6), bidirectional: true, maxDistance: 5 } },
      ],
      [
        'in one direction, where later keys are at distance 0',
        { relativeBias: { weight: table(6), bidirectional: false, maxDistance: 5 } },
      ],
      ['of a context', { relativeBias: { weight: table(8) } }, { context, kvLengths: [3, 7] }],
      [
        'beside a boolean mask',
        { relativeBias: { weight: table(8) } },
        { mask: random.mask([2, 1, 11, 11], 0.5) },
      ],
      [
        'beside the padding of each entry, as integers',
        { relativeBias: { weight: table(8) } },
        {
          mask: new Tensor(
            BigInt64Array.from({ length: 22 }, (_, i) => BigInt(i % 11 < 9 - i / 11 ? 1 : 0)),
            [2, 11],
          ),
        },
      ],
      [
        'beside an additive mask',
        { relativeBias: { weight: table(8) } },
        { mask: random.tensor('float16', [11, 11]), kvLengths: [8, 11] },
      ],
    ];
    for (const [what, given, call = {}] of options) {
      it(what, async () => {
        const input = random.tensor('float32', [2, 11, 24]);
        await check(weights, { heads, ...given }, input, call);
        const { relativeBias: _, ...rest } = given;
        const without = make(weights, { heads, ...rest }).forwardSync(input, call);
        const { output } = layerOracle('float32', weights, { heads, ...given }, input, call as OracleCall);
        assert.throws(() => expectClose(without, output, 1e-4), 'the option makes a difference');
      });
    }

    it('excludes what a mask excludes, whatever the bias', () => {
      const weight = new Tensor(new Float32Array(8 * heads).fill(Number.POSITIVE_INFINITY), [8, heads]);
      const call = { mask: Tensor.zeros('bool', [1, 11]) };
      const input = random.tensor('float32', [2, 11, 24]);
      const { output: _, ...bare } = weights;
      const output = make(bare, { heads, relativeBias: { weight } }).forwardSync(input, call);
      assert.ok(toNumbers(output).every((element) => element === 0));
    });
  });

  it('normalises heads one by one or together, with or without their mean', async () => {
    for (const [heads, width] of [
      [4, 20],
      [6, 48],
    ]) {
      const weights = randomWeights(random, { heads, keyValueHeads: 2, width, embed: 12 });
      const input = random.tensor('float32', [2, 3, 12]);
      for (const type of ['rms', 'layer'] as const) {
        for (const biases of [false, true]) {
          for (const kind of ['alike', 'each', 'together'] as const) {
            const norm = (count: number): HeadNormWeights => {
              const dims = { alike: [width], each: [count, width], together: [count * width] }[kind];
              return {
                weight: random.tensor('float32', dims),
                ...(biases && { bias: random.tensor('float32', dims) }),
                type,
                together: kind === 'together',
              };
            };
            const normed = { ...weights, queryNorm: norm(heads), keyNorm: norm(2) };
            await check(normed, { heads, keyValueHeads: 2, rotary: {}, normEpsilon: 0.1 }, input);
          }
        }
      }
    }
  });

  it('takes the context from another width', async () => {
    const weights = randomWeights(random, { embed: 24, contextEmbed: 10 });
    const context = random.tensor('float32', [2, 30, 10]);
    await check(weights, { heads: 4 }, random.tensor('float32', [2, 9, 24]), { context });
  });

  it('computes with many steps and wide heads', async () => {
    const sizes = { heads: 3, width: 64, embed: 100, valueWidth: 40 };
    await check(
      randomWeights(random, sizes),
      { heads: 3, causal: true },
      random.tensor('float32', [1, 100, 100]),
    );
  });

  it('casts weights of any floating-point type to its own', async () => {
    for (const type of typesOf(backend)) {
      const weights = {
        query: randomWeights(random, { type: 'float16' }).query,
        key: randomWeights(random, { type: 'float64' }).key,
        value: randomWeights(random, { type: 'bfloat16' }).value,
        output: randomWeights(random, { type: 'float32' }).output,
      } as MultiHeadAttentionWeights;
      await check(weights, { heads: 4, type }, random.tensor(type, [2, 6, 24]));
    }
    const half = make(randomWeights(random, { type: 'float16' }), { heads: 4 });
    assert.equal(half.type, 'float16');
  });

  it('places padded steps where they stand: padding changes nothing', () => {
    const weights = randomWeights(random);
    const perHead = [0.1, 0.2, 0.3, 0.4];
    const layer = make(weights, { heads: 4, causal: true, window: { left: 3 }, alibiSlopes: perHead });
    const input = random.tensor('float32', [1, 12, 24]);
    const valid = 7;
    const alone = new Tensor(input.data.slice(0, valid * 24) as Float32Array, [1, valid, 24]);
    const padded = layer.forwardSync(input, { kvLengths: [valid] });
    const start = new Tensor(padded.data.slice(0, valid * 24) as Float32Array, [1, valid, 24]);
    expectClose(start, toNumbers(layer.forwardSync(alone)), 1e-6);
  });

  it('leaves padding out, whatever it contains, and gives its rows the bias of the output map', async () => {
    for (const out of [24, 0]) {
      const weights = randomWeights(random, { out });
      const options = { heads: 4, causal: true, rotary: { theta: 100 }, sinks: [1, 0, -1, 2] };
      const layer = make(weights, options);
      const lengths = [5, 0, 9, 1];
      const input = random.tensor('float32', [4, 9, 24]);
      const spoilt = new Tensor(input.data.slice() as Float32Array, input.dims);
      for (const [entry, length] of lengths.entries())
        (spoilt.data as Float32Array).fill(Number.NaN, (entry * 9 + length) * 24, (entry + 1) * 9 * 24);
      const { output, attention } = layerOracle('float32', weights, options, input, { lengths });
      const { out: columns, heads } = { out: out || 32, heads: 4 };
      const written = poisoned('float32', [4, 9, columns]);
      expectClose(
        await layer.forward(spoilt, { lengths, out: written.tensor }),
        output,
        tolerance('float32'),
      );
      written.expectMarginsIntact();
      const details = layer.forwardDetailsSync(spoilt, { lengths, include: ['weights', 'logSumExp'] });
      assert.ok(details.weights && details.logSumExp);
      expectClose(details.weights, attention.weights, tolerance('float32'), 'weights', 1);
      expectClose(details.logSumExp, attention.logSumExp, tolerance('float32'), 'log-sum-exp', 1);
      assert.deepEqual(details.weights.dims, [4, heads, 9, 9]);
      const bias = weights.output?.bias ? toNumbers(weights.output.bias) : new Array<number>(columns).fill(0);
      assert.deepEqual(toNumbers(written.tensor).slice(9 * columns, 10 * columns), bias);
    }
  });

  it('takes lengths of the input only', () => {
    const layer = make(randomWeights(random), { heads: 4 });
    const input = random.tensor('float32', [2, 3, 24]);
    const refuses = (options: ForwardOptions, message: string) =>
      throwsHeed(
        () => layer.forwardSync(input, { lengths: [1, 2], ...options }),
        'HEED_INVALID_ARGUMENT',
        message,
      );
    refuses({ context: input }, 'Expected options.lengths to be left out with options.context');
    refuses({ kvLengths: [1, 2] }, 'Expected options.kvLengths to be left out with options.lengths');
    refuses({ lengths: [1, 4] }, 'Expected options.lengths[1] to be an integer from 0 to 3');
  });

  it('answers with what there is when an axis has no length', async () => {
    const weights = randomWeights(random);
    const layer = make(weights, { heads: 4 });
    const zeros = (...dims: number[]) => Tensor.zeros('float32', dims);
    assert.deepEqual((await layer.forward(zeros(0, 5, 24))).dims, [0, 5, 24]);
    assert.deepEqual((await layer.forward(zeros(3, 0, 24))).dims, [3, 0, 24]);
    const input = random.tensor('float32', [2, 3, 24]);
    // Without a key to attend, attention gives zeros, to which the output map adds its bias.
    await check(weights, { heads: 4 }, input, { context: zeros(2, 0, 24) });
    await check(weights, { heads: 4 }, input, { kvLengths: [0, 0] });
    const { weights: none } = await layer.forwardDetails(input, {
      include: ['weights'],
      context: zeros(2, 0, 24),
    });
    assert.deepEqual(none?.dims, [2, 4, 3, 0]);
    await check(randomWeights(random, { embed: 0, out: 6 }), { heads: 4 }, zeros(2, 3, 0));
    const narrow = { ...weights, output: { weight: zeros(0, 32) } };
    assert.deepEqual((await make(narrow, { heads: 4 }).forward(input)).dims, [2, 3, 0]);
  });

  it('gives details of chosen rows', async () => {
    const layer = make(randomWeights(random), { heads: 4, causal: true });
    const input = random.tensor('float32', [2, 9, 24]);
    const all = await layer.forwardDetails(input, { include: ['weights', 'scores'] });
    const some = await layer.forwardDetails(input, {
      include: ['weights', 'scores'],
      rows: { heads: [2, 0], queries: [8] },
    });
    assert.ok(all.weights && some.weights && all.scores && some.scores);
    assert.deepEqual(some.weights.dims, [2, 2, 1, 9]);
    for (const [b, h, from] of [
      [0, 0, 2],
      [0, 1, 0],
      [1, 0, 2],
      [1, 1, 0],
    ]) {
      const row = (tensor: Tensor, at: number) => [...tensor.data.subarray(at * 9, at * 9 + 9)];
      assert.deepEqual(row(some.weights, b * 2 + h), row(all.weights, (b * 4 + from) * 9 + 8));
      assert.deepEqual(row(some.scores, b * 2 + h), row(all.scores, (b * 4 + from) * 9 + 8));
    }
    assert.equal(some.logSumExp, undefined);
    expectSameBits(some.output, all.output);
  });

  it('copies its weights', async () => {
    const weights = randomWeights(random);
    const options = { heads: 4 };
    const layer = make(weights, options);
    const input = random.tensor('float32', [1, 5, 24]);
    const expected = layerOracle('float32', weights, options, input);
    for (const linear of Object.values(weights)) (linear.weight.data as Float32Array).fill(Number.NaN);
    expectClose(await layer.forward(input), expected.output, tolerance('float32'));
  });

  it('counts its parameters', () => {
    const layer = make(randomWeights(random, { keyValueHeads: 2, out: 10 }), { heads: 4, keyValueHeads: 2 });
    assert.equal(layer.parameters, 32 * 24 + 32 + 2 * (16 * 24 + 16) + 10 * 32 + 10);
    const bare = make(randomWeights(random, { biases: false, out: 0 }), { heads: 4 });
    assert.equal(bare.parameters, 3 * 32 * 24);
    const normedWeights = randomWeights(random, { biases: false, out: 0, norms: true });
    using normed = new MultiHeadAttention(normedWeights, { heads: 4, backend: 'reference' });
    assert.equal(normed.parameters, 3 * 32 * 24 + 2 * 8);
    const score = { type: 'general', weight: random.tensor('float32', [4, 8, 8]) } as const;
    using learnt = new MultiHeadAttention(randomWeights(random, { biases: false, out: 0 }), {
      heads: 4,
      score,
      backend: 'reference',
    });
    assert.equal(learnt.parameters, bare.parameters + 4 * 8 * 8);
    assert.deepEqual(
      [bare.heads, bare.keyValueHeads, bare.type, bare.location],
      [4, 4, 'float32', locationOf(backend)],
    );
  });

  it('answers any number of calls at once', async () => {
    const weights = randomWeights(random);
    const layer = make(weights, { heads: 4 });
    const inputs = Array.from({ length: 24 }, (_, i) => random.tensor('float32', [1, i + 1, 24]));
    const outputs = await Promise.all(inputs.map((input) => layer.forward(input)));
    for (const [i, output] of outputs.entries()) {
      const expected = layerOracle('float32', weights, { heads: 4 }, inputs[i]);
      expectClose(output, expected.output, tolerance('float32'), `call ${i}:`);
    }
  });

  it('keeps what runs when it is disposed', async () => {
    const weights = randomWeights(random);
    const layer = make(weights, { heads: 4 });
    const input = random.tensor('float32', [2, 40, 24]);
    const running = layer.forward(input);
    layer.dispose();
    layer.dispose();
    assert.equal(layer.disposed, true);
    expectClose(
      await running,
      layerOracle('float32', weights, { heads: 4 }, input).output,
      tolerance('float32'),
    );
  });

  it('stops when its signal aborts', async () => {
    const layer = make(randomWeights(random), { heads: 4 });
    const reason = new Error('enough');
    const isReason = (error: unknown) => error === reason;
    const input = random.tensor('float32', [1, 6, 24]);
    const out = poisoned('float32', [1, 6, 24]);
    const options: ForwardOptions = { signal: AbortSignal.abort(reason), out: out.tensor };
    await assert.rejects(layer.forward(input, options), isReason);
    await assert.rejects(layer.forwardDetails(input, { ...options, include: [] }), isReason);
    assert.throws(() => layer.forwardSync(input, options), isReason);
    assert.ok(toNumbers(out.tensor).every(Number.isNaN), 'nothing was written');
    const controller = new AbortController();
    const running = layer.forward(random.tensor('float32', [1, many(3000), 24]), {
      signal: controller.signal,
    });
    controller.abort(reason);
    await assert.rejects(running, isReason);
    assert.ok(toNumbers(await layer.forward(input)).every(Number.isFinite), 'the layer lives on');
  });
});

describe('MultiHeadAttention as one operation', () => {
  const { solve } = referenceBackend;
  const submitted: string[][] = [];

  before(() => {
    referenceBackend.solve = (problems, signal) => {
      submitted.push(problems.map((problem) => problem.kind));
      return solve(problems, signal);
    };
  });
  after(() => {
    referenceBackend.solve = solve;
  });

  it('multiplies once for query, key and value, or once for the query and once for the context', async () => {
    const random = new Random('MultiHeadAttention as one operation');
    const layer = new MultiHeadAttention(randomWeights(random), { heads: 4, backend: 'reference' });
    const input = random.tensor('float32', [1, 3, 24]);
    await layer.forward(input);
    await layer.forward(input, { context: input });
    await layer.forwardDetails(input, { include: ['weights'] });
    assert.deepEqual(submitted, [
      ['projection', 'attention', 'projection'],
      ['projection', 'projection', 'attention', 'projection'],
      ['projection', 'attention', 'rows', 'projection'],
    ]);
  });
});

describe('MultiHeadAttention of float64', () => {
  it('is computed by the reference backend without being asked to', async () => {
    const random = new Random('MultiHeadAttention of float64');
    const weights = randomWeights(random, { type: 'float64' });
    // HEED_BACKEND=cuda-emulator selects another backend.
    const auto = emulatedOnly ? 'reference' : 'auto';
    const input = random.tensor('float64', [2, 6, 24]);
    const output = await new MultiHeadAttention(weights, { heads: 4, backend: auto }).forward(input);
    assert.equal(output.type, 'float64');
    expectClose(output, layerOracle('float64', weights, { heads: 4 }, input).output, 1e-13);
  });
});
