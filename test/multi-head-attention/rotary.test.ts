import assert from 'node:assert/strict';
import {
  type ForwardOptions,
  MultiHeadAttention,
  type MultiHeadAttentionOptions,
  type RotaryOptions,
} from '../../lib/multi-head-attention/multi-head-attention.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { eachBackend } from '../support/backends.js';
import { expectClose, expectSameBits, toleranceOf } from '../support/compare.js';
import { toNumbers } from '../support/numbers.js';
import { Random, tensorOf } from '../support/random.js';
import { rejectsHeed, throwsHeed } from '../support/rejects.js';
import { layerOracle, type OracleCall } from './layer-oracle.js';
import { randomWeights } from './random-layer.js';

eachBackend('rotary embedding in MultiHeadAttention', (backend) => {
  const tolerance = 2 * toleranceOf(backend, 'float32');
  const random = new Random(`rotary embedding on ${backend}`);
  const heads = 4;
  const embed = 24;
  const make = (options: Partial<MultiHeadAttentionOptions>, width = 20) => {
    const weights = randomWeights(random, { heads, keyValueHeads: 2, width, embed });
    const all = { heads, keyValueHeads: 2, backend, ...options };
    return { weights, options: all, layer: new MultiHeadAttention(weights, all) };
  };

  // The calls have 4 to 29 steps: some sequences are longer than in training, others are not.
  const longrope = {
    type: 'longrope',
    shortFactor: Array.from({ length: 10 }, () => random.uniform(0.5, 2)),
    longFactor: Float32Array.from({ length: 10 }, () => random.uniform(1, 8)),
    originalMaxPositionEmbeddings: 6,
    factor: 8,
  } as const;
  const kinds: Record<string, RotaryOptions> = {
    'pairs that lie half a head apart': {},
    'pairs of neighbours': { interleaved: true },
    'a part of each head': { dims: 6 },
    'a part of each head, in pairs of neighbours': { dims: 14, interleaved: true },
    'another base': { theta: 500 },
    'linear scaling': { scaling: { type: 'linear', factor: 4 } },
    'dynamic scaling': { scaling: { type: 'dynamic', factor: 2, originalMaxPositionEmbeddings: 5 } },
    YaRN: { scaling: { type: 'yarn', factor: 8, originalMaxPositionEmbeddings: 200 } },
    'llama3 scaling': {
      scaling: {
        type: 'llama3',
        factor: 8,
        lowFreqFactor: 1,
        highFreqFactor: 4,
        originalMaxPositionEmbeddings: 100,
      },
    },
    LongRoPE: { scaling: longrope },
    'LongRoPE, in part and from tensors': {
      dims: 6,
      scaling: {
        ...{ type: 'longrope', originalMaxPositionEmbeddings: 6, attentionFactor: 0.9 },
        shortFactor: tensorOf('float32', [3], () => random.uniform(0.5, 2)),
        longFactor: tensorOf('bfloat16', [3], () => random.uniform(1, 8)),
      },
    },
    'frequencies of its own': { inverseFrequencies: Array.from({ length: 10 }, () => random.uniform(0, 2)) },
    'frequencies of its own, from a tensor': {
      dims: 4,
      interleaved: true,
      inverseFrequencies: { type: 'bfloat16', dims: [2], data: Uint16Array.of(0x3f40, 0x3d00) },
    },
  };
  const calls: Record<string, ForwardOptions & OracleCall> = {
    'where steps stand by default': {},
    'at positions of its own': { positions: [3, 1, 4, 1, 5, 9, 2] },
    'at positions of each batch entry': { positions: Array.from({ length: 14 }, (_, i) => 3 * i) },
    'among padding': { kvLengths: [4, 7] },
    'with a context': { context: random.tensor('float32', [2, 11, embed]), kvLengths: [3, 11] },
  };
  for (const [kind, rotary] of Object.entries(kinds)) {
    it(`turns ${kind}`, async () => {
      const { weights, options, layer } = make({ rotary, causal: true });
      const input = random.tensor('float32', [2, 7, embed]);
      const unturned = layerOracle('float32', weights, { ...options, rotary: {} }, input);
      for (const [how, call] of Object.entries(calls)) {
        const expected = layerOracle('float32', weights, options, input, call);
        expectClose(await layer.forward(input, call), expected.output, tolerance, how);
        const { logSumExp } = await layer.forwardDetails(input, { ...call, include: ['logSumExp'] });
        assert.ok(logSumExp);
        expectClose(logSumExp, expected.attention.logSumExp, tolerance, `log-sum-exp ${how}`);
      }
      if (Object.keys(rotary).length === 0) return;
      assert.throws(
        () => expectClose(layer.forwardSync(input), unturned.output, 1e-4),
        'it makes a difference',
      );
    });
  }

  it('turns heads of every width, whole or in part', () => {
    for (const width of [2, 3, 4, 30, 34, 64, 66, 80, 96, 128, 129, 256, 512]) {
      for (const interleaved of [false, true]) {
        const dims = 2 * random.integer(1, Math.floor(width / 2));
        const rotary = width % 2 === 0 && random.chance(0.5) ? { interleaved } : { interleaved, dims };
        const { weights, options, layer } = make({ rotary }, width);
        const input = random.tensor('float32', [1, 9, embed]);
        const expected = layerOracle('float32', weights, options, input).output;
        expectClose(
          layer.forwardSync(input),
          expected,
          tolerance,
          `width ${width}, ${JSON.stringify(rotary)}`,
        );
      }
    }
  });

  it('looks at distances only, and knows them a million steps on', async () => {
    const { layer } = make({ rotary: { interleaved: random.chance(0.5) } });
    const input = random.tensor('float32', [1, 5, embed]);
    const scores = async (from: number) => {
      const positions = [0, 7, 19, 20, 400].map((position) => from + position);
      const details = await layer.forwardDetails(input, { positions, include: ['scores'] });
      return details.scores as Tensor;
    };
    const near = toNumbers(await scores(0));
    for (const far of [1, 1000, 1_000_000, 2 ** 31 - 401]) {
      // An angle of 2^31 leaves 53 − 31 bits after the point.
      expectClose(await scores(far), near, far > 1e9 ? 1e-5 : tolerance, `from ${far}`);
    }
  });

  it('gives an entry of a batch what it gives the entry alone', () => {
    const scaling = { type: 'dynamic', factor: 2, originalMaxPositionEmbeddings: 4 } as const;
    const { layer } = make({ rotary: { scaling }, causal: true });
    const input = random.tensor('float32', [2, 9, embed]);
    const both = layer.forwardSync(input, { kvLengths: [5, 9] });
    const [first, second] = [0, 1].map((entry) => {
      const size = (entry === 0 ? 5 : 9) * embed;
      const data = input.data.slice(entry * 9 * embed, entry * 9 * embed + size) as Float32Array;
      return layer.forwardSync(new Tensor(data, [1, size / embed, embed]));
    });
    expectClose(
      new Tensor(both.data.slice(0, 5 * embed) as Float32Array, [5 * embed]),
      toNumbers(first),
      1e-6,
    );
    expectClose(new Tensor(both.data.slice(9 * embed) as Float32Array, [9 * embed]), toNumbers(second), 1e-6);
  });

  it('takes steps one by one, in any order of calls', () => {
    const rotary = { theta: 300 + random.next() };
    const { weights, options, layer } = make({ rotary });
    for (const position of [0, 100, 3, 70_000, 5]) {
      const input = random.tensor('float32', [2, 1, embed]);
      const call = { positions: [position, position + 1], context: random.tensor('float32', [2, 4, embed]) };
      const expected = layerOracle('float32', weights, options, input, call);
      expectClose(layer.forwardSync(input, call), expected.output, tolerance, `at ${position}`);
    }
    // Angles are cached between calls: the results computed first must still be right.
    const again = new MultiHeadAttention(weights, options);
    const input = random.tensor('float32', [1, 200, embed]);
    expectSameBits(again.forwardSync(input), layer.forwardSync(input));
    expectClose(layer.forwardSync(input), layerOracle('float32', weights, options, input).output, tolerance);
  });

  it('turns nothing where there is nothing', () => {
    const { layer } = make({ rotary: {} });
    assert.deepEqual(layer.forwardSync(Tensor.zeros('float32', [0, 5, embed])).dims, [0, 5, embed]);
    assert.deepEqual(layer.forwardSync(Tensor.zeros('float32', [2, 0, embed]), { positions: [] }).dims, [
      2,
      0,
      embed,
    ]);
    const context = random.tensor('float32', [2, 3, embed]);
    assert.deepEqual(layer.forwardSync(Tensor.zeros('float32', [2, 0, embed]), { context }).dims, [
      2,
      0,
      embed,
    ]);
  });
});

describe('rotary embedding refuses', () => {
  const random = new Random('rotary embedding refuses');
  const weights = randomWeights(random, { heads: 2, width: 8, embed: 6 });
  const make = (rotary: unknown) =>
    new MultiHeadAttention(weights, { heads: 2, rotary: rotary as RotaryOptions });

  it('options that are wrong', () => {
    const yarn = { type: 'yarn', factor: 2, originalMaxPositionEmbeddings: 10 };
    const pairs = [1, 1.5, 2, 3];
    const longrope = { ...yarn, type: 'longrope', shortFactor: pairs, longFactor: pairs };
    const llama3 = { ...yarn, type: 'llama3', lowFreqFactor: 1, highFreqFactor: 4 };
    const wrong: [unknown, string][] = [
      [true, 'options.rotary to be an object'],
      [{ theta: 1 }, 'options.rotary.theta to be a finite number greater than 1, received 1'],
      [{ theta: Number.NaN }, 'options.rotary.theta'],
      [{ theta: '10000' }, 'options.rotary.theta'],
      [{ dims: 0 }, 'options.rotary.dims'],
      [{ dims: 3 }, 'options.rotary.dims to be even'],
      [{ interleaved: 1 }, 'options.rotary.interleaved'],
      [{ scaling: 'linear' }, 'options.rotary.scaling to be an object'],
      [{ scaling: {} }, 'options.rotary.scaling.type to be given'],
      [
        { scaling: { type: 'proportional' } },
        "options.rotary.scaling.type to be 'linear', 'dynamic', 'yarn', 'llama3' or 'longrope', received 'proportional'",
      ],
      [
        { scaling: { ...longrope, shortFactor: undefined } },
        'options.rotary.scaling.shortFactor to be a list',
      ],
      [{ scaling: { ...longrope, longFactor: [1, 2, 0, 4] } }, 'options.rotary.scaling.longFactor[2]'],
      [{ scaling: { ...longrope, longFactor: [1, '2', 3, 4] } }, 'options.rotary.scaling.longFactor[1]'],
      [{ scaling: { ...longrope, factor: undefined } }, 'options.rotary.scaling.factor'],
      [{ scaling: { ...longrope, factor: 0.5, attentionFactor: 1 } }, 'options.rotary.scaling.factor'],
      [{ scaling: { ...longrope, originalMaxPositionEmbeddings: 1 } }, 'options.rotary.scaling.original'],
      [{ inverseFrequencies: 1 }, 'options.rotary.inverseFrequencies to be a list'],
      [{ inverseFrequencies: [1, -1, 1, 1] }, 'options.rotary.inverseFrequencies[1]'],
      [{ inverseFrequencies: [1, 1, 1, Number.NaN] }, 'options.rotary.inverseFrequencies[3]'],
      [
        { inverseFrequencies: [1, 1, 1, 1], theta: 1e4 },
        'options.rotary.theta to be left out where inverseFrequencies is given, received 10000',
      ],
      [
        { inverseFrequencies: [1, 1, 1, 1], scaling: { type: 'linear', factor: 2 } },
        'options.rotary.scaling to be left out where inverseFrequencies is given',
      ],
      [{ scaling: { type: 'linear' } }, 'options.rotary.scaling.factor'],
      [
        { scaling: { type: 'linear', factor: 0.5 } },
        'options.rotary.scaling.factor to be a finite number of at least 1, received 0.5',
      ],
      [{ scaling: { type: 'dynamic', factor: 2 } }, 'options.rotary.scaling.originalMaxPositionEmbeddings'],
      [
        { scaling: { ...yarn, originalMaxPositionEmbeddings: 1.5 } },
        'options.rotary.scaling.originalMaxPositionEmbeddings',
      ],
      [{ scaling: { ...yarn, attentionFactor: -1 } }, 'options.rotary.scaling.attentionFactor'],
      [{ scaling: { ...yarn, betaFast: 0.5 } }, 'options.rotary.scaling.betaFast'],
      [{ scaling: { ...yarn, betaSlow: 0 } }, 'options.rotary.scaling.betaSlow'],
      [{ scaling: { ...yarn, mscale: Number.POSITIVE_INFINITY } }, 'options.rotary.scaling.mscale'],
      [{ scaling: { ...yarn, truncate: 0 } }, 'options.rotary.scaling.truncate'],
      [
        { scaling: { ...llama3, highFreqFactor: 1 } },
        'options.rotary.scaling.highFreqFactor to be greater than lowFreqFactor (1), received 1',
      ],
    ];
    for (const [rotary, message] of wrong) {
      throwsHeed(() => make(rotary), 'HEED_INVALID_ARGUMENT', `Expected ${message}`);
    }
    for (const bits of [new Uint16Array(4), new Int32Array(4), new Uint8Array(4), new BigInt64Array(4)]) {
      for (const rotary of [{ inverseFrequencies: bits }, { scaling: { ...longrope, shortFactor: bits } }]) {
        throwsHeed(
          () => make(rotary),
          'HEED_TYPE_MISMATCH',
          'which does not say what type of number it holds',
        );
      }
    }
    for (const length of [0, 3, 5]) {
      const wrong = Array.from({ length }, () => 1);
      const message = `to have one element for each pair of the 8 elements that turn (4), received ${length}`;
      for (const rotary of [
        { inverseFrequencies: wrong },
        { scaling: { ...longrope, shortFactor: wrong } },
        { scaling: { ...longrope, longFactor: new Tensor(Float32Array.from(wrong), [length]) } },
      ]) {
        throwsHeed(() => make(rotary), 'HEED_SHAPE_MISMATCH', message);
      }
    }
    throwsHeed(
      () => make({ inverseFrequencies: { type: 'int32', dims: [4], data: new Int32Array(4) } }),
      'HEED_UNSUPPORTED_TYPE',
      'options.rotary.inverseFrequencies.type',
    );
    throwsHeed(() => make({ tehta: 1e4 }), 'HEED_UNKNOWN_OPTION', "did you mean 'theta'?");
    throwsHeed(
      () => make({ scaling: { type: 'linear', factor: 2, betaFast: 3 } }),
      'HEED_UNKNOWN_OPTION',
      "Expected options.rotary.scaling of type 'linear' to have only its own options (type, factor), received 'betaFast'",
    );
  });

  it('heads that are too narrow, or odd', () => {
    throwsHeed(
      () => make({ dims: 10 }),
      'HEED_SHAPE_MISMATCH',
      'Expected options.rotary.dims to be at most the width of a head (8), received 10',
    );
    const odd = randomWeights(random, { heads: 2, width: 7, embed: 6 });
    throwsHeed(
      () => new MultiHeadAttention(odd, { heads: 2, rotary: {} }),
      'HEED_INVALID_ARGUMENT',
      'Expected the width of a head with options.rotary to be even, since elements turn in pairs, received 7',
    );
    assert.ok(new MultiHeadAttention(odd, { heads: 2, rotary: { dims: 6 } }));
  });

  it('positions that do not fit', async () => {
    const layer = make({});
    const input = Tensor.zeros('float32', [2, 3, 6]);
    const call = (positions: unknown) => layer.forward(input, { positions } as ForwardOptions);
    await rejectsHeed(
      () => call(3),
      'HEED_INVALID_ARGUMENT',
      'Expected options.positions to be a list, received',
    );
    await rejectsHeed(
      () => call([1, 2]),
      'HEED_SHAPE_MISMATCH',
      'Expected options.positions to have one element per step (3) or per batch entry and step (6), received 2',
    );
    for (const position of [-1, 0.5, 2 ** 31, Number.NaN, '1']) {
      await rejectsHeed(
        () => call([0, position, 2]),
        'HEED_INVALID_ARGUMENT',
        'Expected options.positions[1] to be an integer from 0 to 2147483647',
      );
    }
    await rejectsHeed(
      () => new MultiHeadAttention(weights, { heads: 2 }).forward(input, { positions: [0, 1, 2] }),
      'HEED_INVALID_ARGUMENT',
      'Expected options.positions to be left out for a layer without options.rotary',
    );
  });
});
