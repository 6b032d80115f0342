import assert from 'node:assert/strict';
import { Tensor } from '../../lib/tensor/tensor.js';
import { Random } from '../support/random.js';
import { throwsHeed } from '../support/rejects.js';
import { makeUntyped as make, randomWeights } from './random-layer.js';

const random = new Random('MultiHeadAttention arguments');
const zeros = (...dims: number[]) => Tensor.zeros('float32', dims);

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
    throwsHeed(
      () => make({ ...weights, queryNorm: zeros(8) }, { heads: 4 }),
      'HEED_INVALID_ARGUMENT',
      'weights.queryNorm',
    );
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
      { keyNorm: { weight: zeros(32) } },
      'Expected weights.keyNorm.weight.dims[0] to equal the width of a head (8), received 32',
    );
    refuses(
      { queryNorm: { weight: zeros(1, 8) } },
      'Expected weights.queryNorm.weight.dims to have 1 axes, [width]',
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
    throwsHeed(() => make(all(0), { heads: 1 }), 'HEED_INVALID_DIMS', 'to be from 1 to 576, received 0');
    throwsHeed(() => make(all(577), { heads: 1 }), 'HEED_INVALID_DIMS', 'to be from 1 to 576, received 577');
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
    for (const option of ['prefix', 'mask']) {
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
      [{ heads: 4, normEpsilon: -1 }, 'options.normEpsilon'],
      [{ heads: 4, normEpsilon: '1e-6' }, 'options.normEpsilon'],
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
    throwsHeed(() => make(weights, { heads: 4, location: 'cuda:99' }), 'HEED_NO_CUDA', 'Expected a ');
  });
});
