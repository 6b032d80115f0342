import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import type { ForwardOptions } from '../../lib/multi-head-attention/multi-head-attention.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { Random } from '../support/random.js';
import { rejectsHeed, throwsHeed } from '../support/rejects.js';
import { resizableBuffer } from '../support/resizable.js';
import { makeUntyped as make, randomWeights } from './random-layer.js';

const random = new Random('MultiHeadAttention arguments');
const zeros = (...dims: number[]) => Tensor.zeros('float32', dims);

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
    const integers = new Tensor(Int32Array.of(1, 0, 1, 1, 0, 7, 1, 0, 1), [3, 3]);
    await rejectsHeed(
      () => anyForward(input, { mask: integers }),
      'HEED_INVALID_ARGUMENT',
      'options.mask.data[5] to be 0 or 1, for a key that may be attended, received 7',
    );
    await rejectsHeed(
      () => anyForward(zeros(3, 3, 24), { mask: zeros(3, 3) }),
      'HEED_SHAPE_MISMATCH',
      'reshape it to [1, 1, 3, 3] or to [3, 1, 1, 3]',
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

  it('options that do not exist', async () => {
    await rejectsHeed(
      () => anyForward(input, { contxt: input }),
      'HEED_UNKNOWN_OPTION',
      "did you mean 'context'?",
    );
    for (const option of ['include', 'causal']) {
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
