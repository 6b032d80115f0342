import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import {
  type ForwardOptions,
  MultiHeadAttention,
  type MultiHeadAttentionOptions,
  type MultiHeadAttentionWeights,
} from '../../lib/multi-head-attention.js';
import { Tensor } from '../../lib/tensor.js';
import { Random } from '../support/random.js';
import { rejectsHeed, throwsHeed } from '../support/rejects.js';
import { resizableBuffer } from '../support/resizable.js';
import { randomWeights } from './random-layer.js';

const random = new Random('MultiHeadAttention arguments');
const zeros = (...dims: number[]) => Tensor.zeros('float32', dims);

function make(weights: unknown, options: unknown): MultiHeadAttention {
  return new MultiHeadAttention(weights as MultiHeadAttentionWeights, options as MultiHeadAttentionOptions);
}

describe('MultiHeadAttention refuses to be made of', () => {
  const weights = randomWeights(random);

  it('weights that are missing or misnamed', () => {
    throwsHeed(() => make(undefined, { heads: 4 }), 'HEED_INVALID_ARGUMENT', 'Expected weights to be given');
    throwsHeed(() => make(7, { heads: 4 }), 'HEED_INVALID_ARGUMENT', 'Expected weights to be an object');
    const { key: _, ...incomplete } = weights;
    throwsHeed(
      () => make(incomplete, { heads: 4 }),
      'HEED_INVALID_ARGUMENT',
      'Expected weights.key to be given',
    );
    throwsHeed(() => make({ ...weights, out: weights.output }, { heads: 4 }), 'HEED_UNKNOWN_OPTION', "'out'");
    const transposed = { ...weights, key: { weights: zeros(32, 24) } };
    throwsHeed(() => make(transposed, { heads: 4 }), 'HEED_UNKNOWN_OPTION', "did you mean 'weight'?");
    throwsHeed(
      () => make({ ...weights, value: {} }, { heads: 4 }),
      'HEED_INVALID_ARGUMENT',
      'weights.value.weight',
    );
    throwsHeed(
      () => make({ ...weights, value: zeros(1) }, { heads: 4 }),
      'HEED_INVALID_ARGUMENT',
      'weights.value.weight',
    );
  });

  it('weights whose dims do not fit', () => {
    const refuses = (changes: object, message: string, options: object = { heads: 4 }) =>
      throwsHeed(() => make({ ...weights, ...changes }, options), 'HEED_SHAPE_MISMATCH', message);
    refuses(
      { query: { weight: zeros(32) } },
      'Expected weights.query.weight.dims to have 2 axes, [out, in], received [32]',
    );
    refuses({}, 'Expected weights.query.weight.dims[0] to be a multiple of options.heads (5), received 32', {
      heads: 5,
    });
    refuses(
      { key: { weight: zeros(28, 24) } },
      'Expected weights.key.weight.dims[0] / options.keyValueHeads to equal weights.query.weight.dims[0] / options.heads (8), received 7',
    );
    refuses(
      { value: { weight: zeros(32, 23) } },
      'Expected weights.value.weight.dims[1] to equal weights.key.weight.dims[1] (24), received 23',
    );
    refuses(
      { output: { weight: zeros(24, 31) } },
      'Expected weights.output.weight.dims[1] to equal heads · value width (32), received 31',
    );
    refuses(
      { query: { weight: zeros(32, 24), bias: zeros(31) } },
      'Expected weights.query.bias.dims[0] to equal weights.query.weight.dims[0] (32), received 31',
    );
  });

  it('heads of no width, or more than there is', () => {
    const square = (columns: number) => ({ weight: zeros(columns, 3) });
    const all = (columns: number) => ({
      query: square(columns),
      key: square(columns),
      value: square(columns),
    });
    throwsHeed(() => make(all(0), { heads: 1 }), 'HEED_INVALID_DIMS', 'to be from 1 to 512, received 0');
    throwsHeed(() => make(all(513), { heads: 1 }), 'HEED_INVALID_DIMS', 'to be from 1 to 512, received 513');
    assert.equal(make(all(512), { heads: 1 }).parameters, 3 * 512 * 3);
  });

  it('weights of types that it does not compute with', () => {
    const integers = { weight: Tensor.zeros('int32', [32, 24]) };
    throwsHeed(
      () => make({ ...weights, key: integers }, { heads: 4 }),
      'HEED_UNSUPPORTED_TYPE',
      'weights.key.weight.type',
    );
    const bias = { weight: zeros(32, 24), bias: Tensor.zeros('bool', [32]) };
    throwsHeed(
      () => make({ ...weights, key: bias }, { heads: 4 }),
      'HEED_UNSUPPORTED_TYPE',
      'weights.key.bias.type',
    );
  });

  it('memory that is gone', () => {
    const disposed = zeros(32, 24);
    disposed.dispose();
    throwsHeed(
      () => make({ ...weights, key: { weight: disposed } }, { heads: 4 }),
      'HEED_DISPOSED',
      /disposed/,
    );
    const data = new Float32Array(32 * 24);
    structuredClone(data.buffer, { transfer: [data.buffer] });
    const detached = { weight: { type: 'float32', dims: [32, 24], data } };
    throwsHeed(
      () => make({ ...weights, key: detached }, { heads: 4 }),
      'HEED_DETACHED',
      'weights.key.weight.data',
    );
  });

  it('options that do not exist, or not yet', () => {
    throwsHeed(() => make(weights, { haeds: 4 }), 'HEED_UNKNOWN_OPTION', "did you mean 'heads'?");
    for (const option of ['score', 'select', 'rotary', 'prefix', 'mask']) {
      throwsHeed(
        () => make(weights, { heads: 4, [option]: {} }),
        'HEED_UNKNOWN_OPTION',
        `received '${option}'`,
      );
    }
  });

  it('wrong options', () => {
    const wrong: [object | undefined, string][] = [
      [undefined, 'options.heads'],
      [{}, 'options.heads'],
      [{ heads: 0 }, 'options.heads'],
      [{ heads: 1.5 }, 'options.heads'],
      [{ heads: '4' }, 'options.heads'],
      [{ heads: 4, keyValueHeads: 0 }, 'options.keyValueHeads'],
      [{ heads: 4, keyValueHeads: 8 }, 'options.keyValueHeads'],
      [{ heads: 4, causal: 1 }, 'options.causal'],
      [{ heads: 4, window: { left: -1 } }, 'options.window.left'],
      [{ heads: 4, window: 3 }, 'options.window'],
      [{ heads: 4, softcap: -1 }, 'options.softcap'],
      [{ heads: 4, scale: Number.NaN }, 'options.scale'],
      [{ heads: 4, alibiSlopes: [1, 2, 3, Number.POSITIVE_INFINITY] }, 'options.alibiSlopes[3]'],
      [{ heads: 4, sinks: 'none' }, 'options.sinks'],
      [{ heads: 4, location: 'disk' }, 'options.location'],
      [{ heads: 4, type: 'int32' }, 'options.type'],
      [{ heads: 4, backend: 'gpu' }, 'options.backend'],
    ];
    for (const [options, name] of wrong) {
      throwsHeed(() => make(weights, options), 'HEED_INVALID_ARGUMENT', `Expected ${name} to be`);
    }
    throwsHeed(
      () => make(weights, { heads: 4, keyValueHeads: 3 }),
      'HEED_SHAPE_MISMATCH',
      'a multiple of options.keyValueHeads (3)',
    );
    throwsHeed(
      () => make(weights, { heads: 4, sinks: [1] }),
      'HEED_SHAPE_MISMATCH',
      'one element per query head (4), received 1',
    );
    throwsHeed(() => make(weights, { heads: 4, location: 'cuda' }), 'HEED_UNSUPPORTED_LOCATION', "'cuda'");
  });
});

describe('MultiHeadAttention refuses calls with', () => {
  const layer = make(randomWeights(random), { heads: 4 });
  const input = zeros(2, 3, 24);
  const anyForward = (value: unknown, options?: unknown) =>
    layer.forward(value as Tensor, options as ForwardOptions);

  it('inputs that do not fit', async () => {
    await rejectsHeed(() => anyForward(undefined), 'HEED_INVALID_ARGUMENT', 'Expected input to be a tensor');
    await rejectsHeed(
      () => anyForward(zeros(3, 24)),
      'HEED_SHAPE_MISMATCH',
      '[batch, steps, embed], received [3, 24]',
    );
    await rejectsHeed(
      () => anyForward(zeros(2, 3, 23)),
      'HEED_SHAPE_MISMATCH',
      'Expected input.dims[2] to equal weights.query.weight.dims[1] (24), received 23',
    );
    await rejectsHeed(
      () => anyForward(input.cast('float16')),
      'HEED_TYPE_MISMATCH',
      "Expected input.type to equal the layer's type ('float32'), received 'float16'",
    );
    throwsHeed(() => layer.forwardSync(zeros(1)), 'HEED_SHAPE_MISMATCH', 'input.dims');
  });

  it('contexts that do not fit', async () => {
    const call = (context: unknown) => anyForward(input, { context });
    await rejectsHeed(() => call(7), 'HEED_INVALID_ARGUMENT', 'Expected options.context to be a tensor');
    await rejectsHeed(() => call(zeros(3, 24)), 'HEED_SHAPE_MISMATCH', 'options.context.dims');
    await rejectsHeed(
      () => call(zeros(1, 5, 24)),
      'HEED_SHAPE_MISMATCH',
      'Expected options.context.dims[0] to equal input.dims[0] (2), received 1',
    );
    await rejectsHeed(
      () => call(zeros(2, 5, 25)),
      'HEED_SHAPE_MISMATCH',
      'Expected options.context.dims[2] to equal weights.key.weight.dims[1] (24), received 25',
    );
    await rejectsHeed(
      () => call(Tensor.zeros('float64', [2, 5, 24])),
      'HEED_TYPE_MISMATCH',
      'options.context.type',
    );
  });

  it('no context where one is needed', async () => {
    const crossing = make(randomWeights(random, { contextEmbed: 10 }), { heads: 4 });
    await rejectsHeed(
      () => crossing.forward(input),
      'HEED_INVALID_ARGUMENT',
      'Expected options.context to be given, since keys are projected from width 10 and queries from 24',
    );
  });

  it('masks and lengths that do not fit', async () => {
    await rejectsHeed(
      () => anyForward(input, { mask: zeros(3, 4) }),
      'HEED_SHAPE_MISMATCH',
      '[2, 4, 3, 3], received [3, 4]',
    );
    await rejectsHeed(
      () => anyForward(input, { mask: zeros(3, 3), context: zeros(2, 5, 24) }),
      'HEED_SHAPE_MISMATCH',
      '[2, 4, 3, 5], received [3, 3]',
    );
    const integers = Tensor.zeros('int32', [3, 3]);
    await rejectsHeed(
      () => anyForward(input, { mask: integers }),
      'HEED_UNSUPPORTED_TYPE',
      'options.mask.type',
    );
    await rejectsHeed(() => anyForward(input, { kvLengths: [3] }), 'HEED_SHAPE_MISMATCH', 'batch entry (2)');
    await rejectsHeed(
      () => anyForward(input, { kvLengths: [3, 4] }),
      'HEED_INVALID_ARGUMENT',
      'options.kvLengths[1]',
    );
  });

  it('outputs that do not fit', async () => {
    await rejectsHeed(
      () => anyForward(input, { out: zeros(2, 3, 23) }),
      'HEED_SHAPE_MISMATCH',
      '[2, 3, 24], received [2, 3, 23]',
    );
    await rejectsHeed(() => anyForward(input, { out: {} }), 'HEED_INVALID_ARGUMENT', 'a heed Tensor');
    await rejectsHeed(
      () => anyForward(input, { out: Tensor.zeros('float64', [2, 3, 24]) }),
      'HEED_TYPE_MISMATCH',
      'options.out.type',
    );
    const growing = new Tensor(new Float32Array(resizableBuffer(576, 1152)), [2, 3, 24]);
    await rejectsHeed(() => anyForward(input, { out: growing }), 'HEED_RESIZABLE', 'options.out');
  });

  it('outputs over an input, with and without an output map', async () => {
    for (const [one, columns] of [
      [layer, 24],
      [make(randomWeights(random, { out: 0 }), { heads: 4 }), 32],
    ] as const) {
      const memory = new Float32Array(1000);
      const at = (start: number, ...dims: number[]) =>
        new Tensor(memory.subarray(start, start + dims.reduce((a, b) => a * b, 1)), dims);
      const call = (out: Tensor) =>
        one.forward(at(0, 2, 3, 24), { context: at(200, 2, 3, 24), mask: at(400, 4, 3, 3), out });
      await rejectsHeed(() => call(at(100, 2, 3, columns)), 'HEED_OVERLAP', 'not to share memory with input');
      await rejectsHeed(() => call(at(200, 2, 3, columns)), 'HEED_OVERLAP', 'with options.context');
      await rejectsHeed(() => call(at(400, 2, 3, columns)), 'HEED_OVERLAP', 'with options.mask');
      await call(at(500, 2, 3, columns));
    }
  });

  it('memory that is gone', async () => {
    const disposed = zeros(2, 3, 24);
    disposed.dispose();
    await rejectsHeed(() => anyForward(disposed), 'HEED_DISPOSED', /disposed/);
    await rejectsHeed(() => anyForward(input, { out: disposed }), 'HEED_DISPOSED', /disposed/);
    const data = new Float32Array(144);
    structuredClone(data.buffer, { transfer: [data.buffer] });
    await rejectsHeed(
      () => anyForward({ type: 'float32', dims: [2, 3, 24], data }),
      'HEED_DETACHED',
      'input.data',
    );
    await rejectsHeed(
      () => anyForward(input, { context: { type: 'float32', dims: [2, 3, 24], data } }),
      'HEED_DETACHED',
      'options.context.data',
    );
  });

  it('options that do not exist, or not yet', async () => {
    await rejectsHeed(
      () => anyForward(input, { contxt: input }),
      'HEED_UNKNOWN_OPTION',
      "did you mean 'context'?",
    );
    for (const option of ['cache', 'positions', 'include', 'causal']) {
      await rejectsHeed(
        () => anyForward(input, { [option]: 1 }),
        'HEED_UNKNOWN_OPTION',
        `received '${option}'`,
      );
    }
    await rejectsHeed(
      () => anyForward(input, 7),
      'HEED_INVALID_ARGUMENT',
      'Expected options to be an object',
    );
    await rejectsHeed(() => anyForward(input, { signal: 7 }), 'HEED_INVALID_ARGUMENT', 'an AbortSignal');
  });

  it('details that do not exist', async () => {
    const call = (options: unknown) => layer.forwardDetails(input, options as { include: [] });
    await rejectsHeed(() => call({}), 'HEED_INVALID_ARGUMENT', 'options.include');
    await rejectsHeed(() => call({ include: ['weight'] }), 'HEED_INVALID_ARGUMENT', 'options.include[0]');
    await rejectsHeed(
      () => call({ include: [], rows: { heads: [4] } }),
      'HEED_INVALID_ARGUMENT',
      'options.rows.heads[0]',
    );
    await rejectsHeed(() => call({ include: [], rows: { steps: [0] } }), 'HEED_UNKNOWN_OPTION', "'steps'");
  });

  it('a layer that was disposed', async () => {
    const gone = make(randomWeights(random), { heads: 4 });
    {
      using _ = gone;
    }
    assert.match(inspect(gone), /^MultiHeadAttention float32, 4 heads, 24 → 24, disposed$/);
    await rejectsHeed(() => gone.forward(input), 'HEED_DISPOSED', 'Expected a live layer');
    await rejectsHeed(
      () => gone.forwardDetails(input, { include: [] }),
      'HEED_DISPOSED',
      'Expected a live layer',
    );
    throwsHeed(() => gone.forwardSync(input), 'HEED_DISPOSED', 'Expected a live layer');
  });

  it('a getter that disposes the layer under way', async () => {
    const victim = make(randomWeights(random), { heads: 4 });
    const options = {
      get context(): Tensor {
        victim.dispose();
        return input;
      },
    };
    await rejectsHeed(() => victim.forward(input, options), 'HEED_DISPOSED', 'Expected a live layer');
  });
});
