import assert from 'node:assert/strict';
import { type PackedWeight, packWeight } from '../../lib/projection/packed-weight.js';
import { project } from '../../lib/projection/project.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import type { TensorLike } from '../../lib/tensor/types.js';
import { expectClose } from '../support/compare.js';
import { linearOracle } from '../support/linear.js';
import { toNumbers } from '../support/numbers.js';
import { Random } from '../support/random.js';
import { rejectsHeed, throwsHeed } from '../support/rejects.js';
import { resizableBuffer } from '../support/resizable.js';

const anyProject = project as (...args: unknown[]) => Promise<Tensor>;
const anyPackWeight = packWeight as (...args: unknown[]) => PackedWeight;
const zeros = (...dims: number[]) => Tensor.zeros('float32', dims);

describe('project refuses', () => {
  const input = zeros(2, 3, 8);
  const weight = zeros(6, 8);

  it('inputs that are no tensors, and types that it does not compute with', async () => {
    for (const value of [undefined, null, 7, 'x']) {
      await rejectsHeed(
        () => anyProject(value, weight),
        'HEED_INVALID_ARGUMENT',
        'Expected input to be a tensor',
      );
      await rejectsHeed(
        () => anyProject(input, value),
        'HEED_INVALID_ARGUMENT',
        'Expected weight to be a tensor',
      );
    }
    await rejectsHeed(() => anyProject(input, []), 'HEED_UNSUPPORTED_TYPE', 'Expected weight.type');
    const integers = Tensor.zeros('int32', [2, 8]);
    await rejectsHeed(
      () => project(integers, weight),
      'HEED_UNSUPPORTED_TYPE',
      "Expected input.type to be 'float32'",
    );
    await rejectsHeed(() => project(zeros(2, 8), integers), 'HEED_UNSUPPORTED_TYPE', 'Expected weight.type');
    const bool = Tensor.zeros('bool', [6]);
    await rejectsHeed(() => project(input, weight, bool), 'HEED_UNSUPPORTED_TYPE', 'Expected bias.type');
  });

  it('dims that do not fit', async () => {
    await rejectsHeed(
      () => project(zeros(2, 3, 7), weight),
      'HEED_SHAPE_MISMATCH',
      'Expected input.dims[2] to equal weight.dims[1] (8), received 7',
    );
    await rejectsHeed(() => project(zeros(), weight), 'HEED_SHAPE_MISMATCH', 'at least 1 axis');
    await rejectsHeed(
      () => project(input, zeros(6, 8, 1)),
      'HEED_SHAPE_MISMATCH',
      'Expected weight.dims to have 2 axes, [out, in], received [6, 8, 1]',
    );
    await rejectsHeed(
      () => project(input, weight, zeros(5)),
      'HEED_SHAPE_MISMATCH',
      'Expected bias.dims[0] to equal weight.dims[0] (6), received 5',
    );
    await rejectsHeed(() => project(input, weight, zeros(6, 1)), 'HEED_SHAPE_MISMATCH', 'Expected bias.dims');
  });

  it('heads that do not fit', async () => {
    await rejectsHeed(
      () => project(input, weight, undefined, { heads: 4 }),
      'HEED_SHAPE_MISMATCH',
      'Expected weight.dims[0] to be a multiple of options.heads (4), received 6',
    );
    await rejectsHeed(
      () => project(zeros(2, 8), weight, undefined, { heads: 2 }),
      'HEED_SHAPE_MISMATCH',
      'Expected input.dims to have 3 axes, [batch, steps, in], received [2, 8]',
    );
    for (const heads of [0, -1, 1.5, Number.NaN, '2', null]) {
      const call = () => anyProject(input, weight, undefined, { heads });
      await rejectsHeed(call, 'HEED_INVALID_ARGUMENT', 'Expected options.heads to be an integer');
    }
  });

  it('options that do not exist, and wrong ones', async () => {
    const call = (options: unknown) => anyProject(input, weight, undefined, options);
    await rejectsHeed(() => call({ haeds: 2 }), 'HEED_UNKNOWN_OPTION', "did you mean 'heads'?");
    await rejectsHeed(() => call(7), 'HEED_INVALID_ARGUMENT', 'Expected options to be an object');
    await rejectsHeed(() => call({ backend: 'gpu' }), 'HEED_INVALID_ARGUMENT', 'options.backend');
    await rejectsHeed(() => call({ signal: {} }), 'HEED_INVALID_ARGUMENT', 'an AbortSignal');
  });

  it('outputs that do not fit', async () => {
    const call = (out: unknown) => anyProject(input, weight, undefined, { out });
    await rejectsHeed(() => call(zeros(2, 3, 5)), 'HEED_SHAPE_MISMATCH', 'options.out.dims to be [2, 3, 6]');
    await rejectsHeed(() => call({ type: 'float32' }), 'HEED_INVALID_ARGUMENT', 'a heed Tensor');
    await rejectsHeed(
      () => call(Tensor.zeros('float16', [2, 3, 6])),
      'HEED_TYPE_MISMATCH',
      'options.out.type',
    );
    const growing = new Tensor(new Float32Array(resizableBuffer(144, 288)), [2, 3, 6]);
    await rejectsHeed(() => call(growing), 'HEED_RESIZABLE', 'options.out');
  });

  it('outputs over an input', async () => {
    const memory = new Float32Array(100);
    const x = new Tensor(memory.subarray(0, 48), [2, 3, 8]);
    const w = new Tensor(memory.subarray(48, 96), [6, 8]);
    const over = (start: number) => new Tensor(memory.subarray(start, start + 36), [2, 3, 6]);
    const call = (out: Tensor) => project(x, w, undefined, { out });
    await rejectsHeed(() => call(over(0)), 'HEED_OVERLAP', 'not to share memory with input');
    await rejectsHeed(() => call(over(50)), 'HEED_OVERLAP', 'not to share memory with weight');
  });

  it('memory that is gone', async () => {
    const gone = new Float32Array(48);
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    const detached: TensorLike = { type: 'float32', dims: [6, 8], data: gone };
    await rejectsHeed(() => project(zeros(6, 8), detached), 'HEED_DETACHED', 'weight.data');
    const disposed = zeros(6, 8);
    disposed.dispose();
    await rejectsHeed(() => project(disposed, weight), 'HEED_DISPOSED', /disposed/);
  });
});

describe('packed weights', () => {
  const random = new Random('packed weights');

  it('tell what they are of', () => {
    const packed = packWeight(random.tensor('bfloat16', [6, 8]));
    assert.equal(packed.type, 'bfloat16');
    assert.deepEqual(packed.dims, [6, 8]);
    assert.ok(Object.isFrozen(packed.dims));
    assert.equal(packed.location, 'cpu');
    assert.ok(packed.byteLength >= 6 * 8 * 2);
    assert.equal(packed.disposed, false);
  });

  it('are copies', async () => {
    const weight = random.tensor('float32', [6, 8]);
    const input = random.tensor('float32', [3, 8]);
    const expected = linearOracle(toNumbers(input), { weight });
    const packed = packWeight(weight, { location: 'cpu' });
    (weight.data as Float32Array).fill(7);
    expectClose(await project(input, packed), expected, 3e-6);
    weight.dispose();
    expectClose(await project(input, packed), expected, 3e-6);
  });

  it('cannot be used once disposed, but what runs keeps them', async () => {
    const weight = random.tensor('float32', [600, 80]);
    const input = random.tensor('float32', [300, 80]);
    for (const backend of ['auto', 'reference'] as const) {
      const packed = packWeight(weight, { backend });
      const running = project(input, packed);
      packed.dispose();
      packed.dispose();
      assert.equal(packed.disposed, true);
      expectClose(await running, linearOracle(toNumbers(input), { weight }), 3e-6);
      await rejectsHeed(
        () => project(input, packed),
        'HEED_DISPOSED',
        'PackedWeight float32 [600, 80], disposed',
      );
    }
    const scoped = packWeight(weight);
    {
      using _ = scoped;
    }
    assert.equal(scoped.disposed, true);
  });

  it('are multiplied by the backend that they were packed for', async () => {
    const weight = random.tensor('float32', [6, 8]);
    const input = random.tensor('float32', [3, 8]);
    const packed = packWeight(weight, { backend: 'reference' });
    for (const backend of [undefined, 'auto', 'reference'] as const) {
      await project(input, packed, undefined, { ...(backend && { backend }) });
    }
    await rejectsHeed(
      () => project(input, packed, undefined, { backend: 'cpu' }),
      'HEED_INVALID_ARGUMENT',
      "Expected options.backend to be the one that weight was packed for ('reference'), received 'cpu'",
    );
  });

  it('of float64 are the reference backend’s, which takes them by itself', async () => {
    const weight = random.tensor('float64', [6, 8]);
    const input = random.tensor('float64', [3, 8]);
    const expected = linearOracle(toNumbers(input), { weight });
    expectClose(await project(input, weight), expected, 1e-14);
    expectClose(await project(input, packWeight(weight)), expected, 1e-14);
    expectClose(await project(input.cast('float32'), packWeight(weight)), expected, 1e-6);
  });

  it('refuse what they cannot hold', () => {
    const weight = zeros(6, 8);
    throwsHeed(() => anyPackWeight(undefined), 'HEED_INVALID_ARGUMENT', 'Expected weight to be a tensor');
    throwsHeed(() => packWeight(zeros(6)), 'HEED_SHAPE_MISMATCH', 'Expected weight.dims to have 2 axes');
    throwsHeed(
      () => packWeight(Tensor.zeros('int64', [1, 1])),
      'HEED_UNSUPPORTED_TYPE',
      'Expected weight.type',
    );
    throwsHeed(() => anyPackWeight(weight, { place: 'cpu' }), 'HEED_UNKNOWN_OPTION', 'place');
    throwsHeed(
      () => anyPackWeight(weight, { location: 'disk' }),
      'HEED_INVALID_ARGUMENT',
      'options.location',
    );
    throwsHeed(() => packWeight(weight, { location: 'cuda:99' }), 'HEED_NO_CUDA', 'Expected a ');
  });

  it('are made by packWeight alone', async () => {
    const forged = Object.create(Object.getPrototypeOf(packWeight(zeros(6, 8))));
    await rejectsHeed(() => project(zeros(2, 8), forged), 'HEED_UNSUPPORTED_TYPE', 'Expected weight.type');
  });
});
