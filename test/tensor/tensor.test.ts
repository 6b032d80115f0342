import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { runInNewContext } from 'node:vm';
import { Tensor } from '../../lib/tensor/tensor.js';
import { bytesPerElement, type TensorType, type TypedArray, tensorTypes } from '../../lib/tensor/types.js';
import { toNumbers } from '../support/numbers.js';
import { Random } from '../support/random.js';
import { rejectsHeed, throwsHeed } from '../support/rejects.js';

const arrays: Readonly<Record<TensorType, new (length: number) => TypedArray>> = {
  float32: Float32Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  float64: Float64Array,
  bool: Uint8Array,
  uint8: Uint8Array,
  int32: Int32Array,
  int64: BigInt64Array,
};

/** Values that plain JavaScript can pass although TypeScript forbids them. */
type Untyped = new (...args: readonly unknown[]) => Tensor;
const UntypedTensor = Tensor as unknown as Untyped;

describe('Tensor', () => {
  for (const type of tensorTypes) {
    it(`holds ${type}`, () => {
      const data = new arrays[type](6);
      const tensor = new Tensor(type, data, [2, 3]);
      assert.equal(tensor.type, type);
      assert.deepEqual(tensor.dims, [2, 3]);
      assert.equal(tensor.location, 'cpu');
      assert.equal(tensor.size, 6);
      assert.equal(tensor.byteLength, 6 * bytesPerElement[type]);
      assert.equal(tensor.data, data);
      assert.equal(tensor.disposed, false);
    });

    it(`makes zeros of ${type}`, () => {
      const tensor = Tensor.zeros(type, [2, 0, 3]);
      assert.equal(tensor.size, 0);
      assert.ok(Tensor.zeros(type, [5], 'cpu').data instanceof arrays[type]);
      assert.ok(toNumbers(Tensor.zeros(type, [5])).every((element) => element === 0));
    });

    it(`refuses other arrays for ${type}`, () => {
      for (const other of tensorTypes) {
        if (arrays[other] === arrays[type]) continue;
        throwsHeed(
          () => new Tensor(type, new arrays[other](2), [2]),
          'HEED_TYPE_MISMATCH',
          `for type ${type}, received a ${arrays[other].name}`,
        );
      }
    });
  }

  it('takes the type from the array', () => {
    assert.equal(new Tensor(new Float32Array(1), [1]).type, 'float32');
    assert.equal(new Tensor(new Float64Array(1), [1]).type, 'float64');
    assert.equal(new Tensor(new Uint8Array(1), [1]).type, 'bool');
    assert.equal(new Tensor(new Int32Array(1), [1]).type, 'int32');
    assert.equal(new Tensor(new BigInt64Array(1), [1]).type, 'int64');
    throwsHeed(
      () => new UntypedTensor(new Uint16Array(1), [1]),
      'HEED_TYPE_MISMATCH',
      'pass the type, float16 or bfloat16',
    );
    throwsHeed(() => new UntypedTensor(new Int8Array(1), [1]), 'HEED_TYPE_MISMATCH', 'received a Int8Array');
  });

  it('may be a scalar', () => assert.equal(new Tensor(new Float32Array(1), []).size, 1));

  it('does not copy, and does not follow changes of the dims it was given', () => {
    const data = new Float32Array(4);
    const dims = [4];
    const tensor = new Tensor(data, dims);
    dims[0] = 7;
    data[2] = 5;
    assert.deepEqual(tensor.dims, [4]);
    assert.equal(tensor.data[2], 5);
    assert.throws(() => (tensor.dims as number[]).push(1), TypeError);
  });

  it('views the memory of subclasses and of arrays from elsewhere', () => {
    const buffer = Buffer.from([1, 0, 1]);
    const bool = new Tensor('bool', buffer, [3]);
    assert.equal(bool.data.buffer, buffer.buffer);
    assert.equal(bool.data.byteOffset, buffer.byteOffset);
    assert.equal(Object.getPrototypeOf(bool.data), Uint8Array.prototype);
    const foreign: unknown = runInNewContext('new Float32Array([1, 2])');
    assert.ok(!(foreign instanceof Float32Array));
    const tensor = new UntypedTensor('float32', foreign, [2]);
    assert.deepEqual(tensor.data, Float32Array.of(1, 2));
  });

  it('takes a Float16Array where the runtime has it', () => {
    const Float16 = (globalThis as { Float16Array?: new (list: readonly number[]) => unknown }).Float16Array;
    const list = [1.5, -2];
    if (Float16 === undefined) {
      // Only this class has this tag: without the class, an object with the tag is an imitation.
      const poser = {
        [Symbol.toStringTag]: 'Float16Array',
        length: 2,
        buffer: new ArrayBuffer(4),
        byteOffset: 0,
      };
      throwsHeed(() => new UntypedTensor('float16', poser, [2]), 'HEED_TYPE_MISMATCH', 'received an object');
      return;
    }
    for (const tensor of [
      new UntypedTensor(new Float16(list), [2]),
      new UntypedTensor('float16', new Float16(list), [2]),
    ]) {
      assert.equal(tensor.type, 'float16');
      assert.ok(tensor.data instanceof Uint16Array);
      assert.deepEqual(toNumbers(tensor), list);
    }
  });

  const malformed: readonly [title: string, dims: unknown, message: RegExp][] = [
    ['NaN', [Number.NaN], /dims\[0\] to be a non-negative integer, received NaN/],
    ['negative lengths', [2, -1], /dims\[1\].*received -1/],
    ['fractions', [0.5], /dims\[0\].*received 0\.5/],
    ['infinity', [Number.POSITIVE_INFINITY], /received Infinity/],
    ['strings', ['2'], /received '2'/],
    ['bigints', [2n], /received a bigint/],
    ['too many elements', [2 ** 53 - 1, 3], /less than 2\^53/],
    ['too many elements beside a zero', [2 ** 53 - 1, 0, 3], /less than 2\^53/],
    ['2^60', [2 ** 60], /less than 2\^53/],
    ['too many axes', [1, 1, 1, 1, 1, 1, 1, 1, 1], /at most 8 lengths/],
    ['nothing', undefined, /list of at most 8 lengths, received undefined/],
    ['null', null, /received null/],
    ['a number', 4, /received 4/],
    ['an object', {}, /received an object/],
    ['holes', new Array(1), /received undefined/],
    ['an endless list', { length: 2 ** 53 - 1 }, /at most 8/],
  ];
  for (const [title, dims, message] of malformed) {
    it(`refuses dims that are ${title}`, () => {
      throwsHeed(() => new UntypedTensor('float32', new Float32Array(4), dims), 'HEED_INVALID_DIMS', message);
      throwsHeed(() => Tensor.zeros('float32', dims as number[]), 'HEED_INVALID_DIMS', message);
      throwsHeed(() => Tensor.zeros('float32', []).reshape(dims as number[]), 'HEED_INVALID_DIMS', message);
    });
  }

  it('refuses data of another length than dims', () => {
    for (const length of [0, 5, 7]) {
      throwsHeed(
        () => new Tensor(new Float32Array(length), [2, 3]),
        'HEED_SHAPE_MISMATCH',
        `product of dims (6), received ${length}`,
      );
    }
  });

  it('refuses types that do not exist', () => {
    throwsHeed(
      () => Tensor.zeros('float8' as TensorType, [1]),
      'HEED_INVALID_ARGUMENT',
      /type.*received 'float8'/,
    );
    throwsHeed(() => new UntypedTensor('string', [], []), 'HEED_INVALID_ARGUMENT', "received 'string'");
    throwsHeed(() => new UntypedTensor(), 'HEED_TYPE_MISMATCH', 'received undefined');
  });

  it('refuses detached memory, and notices when it is detached later', async () => {
    const data = new Float32Array(4);
    const tensor = new Tensor(data, [4]);
    structuredClone(data.buffer, { transfer: [data.buffer] });
    throwsHeed(() => new Tensor(data, [4]), 'HEED_DETACHED', 'received a detached ArrayBuffer');
    throwsHeed(() => new Tensor(data, [0]), 'HEED_DETACHED', 'received a detached ArrayBuffer');
    throwsHeed(() => tensor.cast('float16'), 'HEED_DETACHED', 'received a detached ArrayBuffer');
    throwsHeed(() => tensor.reshape([2, 2]), 'HEED_DETACHED', 'received a detached ArrayBuffer');
    await rejectsHeed(() => tensor.to('cpu'), 'HEED_DETACHED', 'received a detached ArrayBuffer');
  });

  it('says so when there is not enough memory', () => {
    throwsHeed(() => Tensor.zeros('float64', [2 ** 50]), 'HEED_OUT_OF_MEMORY', /elements of float64/);
  });

  it('is on the CPU, and on devices that there are', async () => {
    const tensor = Tensor.zeros('float32', [1]);
    assert.equal(await tensor.to('cpu'), tensor);
    await rejectsHeed(() => tensor.to('cuda:99'), 'HEED_NO_CUDA', 'Expected a ');
    throwsHeed(() => Tensor.zeros('float32', [1], 'cuda:99'), 'HEED_NO_CUDA', 'Expected a ');
    throwsHeed(() => Tensor.zeros('float32', [1], 'gpu' as 'cpu'), 'HEED_INVALID_ARGUMENT', "received 'gpu'");
    await rejectsHeed(() => tensor.to('cuda:x' as 'cpu'), 'HEED_INVALID_ARGUMENT', "received 'cuda:x'");
  });

  it('gives its data in a promise too', async () => {
    const tensor = Tensor.zeros('int32', [3]);
    assert.equal(await tensor.getData(), tensor.data);
  });

  it('is of no use once disposed', async () => {
    const tensor = Tensor.zeros('float32', [3]);
    const other = tensor.reshape([1, 3]);
    tensor.dispose();
    tensor.dispose();
    assert.equal(tensor.disposed, true);
    assert.deepEqual([tensor.type, tensor.dims, tensor.size], ['float32', [3], 3]);
    throwsHeed(() => tensor.data, 'HEED_DISPOSED', 'Tensor float32 [3], disposed');
    throwsHeed(() => tensor.cast('int32'), 'HEED_DISPOSED', 'disposed');
    throwsHeed(() => tensor.reshape([3]), 'HEED_DISPOSED', 'disposed');
    await rejectsHeed(() => tensor.getData(), 'HEED_DISPOSED', 'disposed');
    await rejectsHeed(() => tensor.to('cpu'), 'HEED_DISPOSED', 'disposed');
    assert.equal(other.data.length, 3, 'a reshaped tensor keeps the memory');
  });

  it('is disposed at the end of a using declaration', () => {
    const tensor = Tensor.zeros('float32', [1]);
    {
      using alias = tensor;
      assert.equal(alias.disposed, false);
    }
    assert.equal(tensor.disposed, true);
  });

  it('describes itself', () => assert.equal(inspect(Tensor.zeros('bool', [2, 3])), 'Tensor bool [2, 3]'));

  it('shares memory when reshaped', () => {
    const tensor = Tensor.zeros('float32', [2, 3]);
    const other = tensor.reshape([3, 1, 2]);
    assert.deepEqual(other.dims, [3, 1, 2]);
    assert.equal(other.data, tensor.data);
    throwsHeed(() => tensor.reshape([4]), 'HEED_SHAPE_MISMATCH', "the tensor's size (6), received [4]");
  });
});

describe('Tensor.cast', () => {
  const random = new Random('cast');
  const floats = [
    0,
    -0,
    1.5,
    -2.75,
    1e-7,
    70000,
    -70000,
    1e300,
    Number.NaN,
    Infinity,
    -Infinity,
    2 ** 31,
    -(2 ** 63),
  ];
  const source = new Tensor(Float64Array.from(floats), [floats.length]);

  it('copies, also to the same type', () => {
    const copy = source.cast('float64');
    assert.notEqual(copy.data.buffer, source.data.buffer);
    assert.deepEqual(copy.data, source.data);
    assert.deepEqual(copy.dims, source.dims);
  });

  it('rounds to float32 as typed arrays do', () => {
    assert.deepEqual(source.cast('float32').data, Float32Array.from(floats));
  });

  it('rounds to 16-bit types once, from the exact value', () => {
    // If it were first rounded to float32, this would become the halfway case 1 + 2⁻¹¹, and then 1.
    const [value] = toNumbers(new Tensor(Float64Array.of(1 + 2 ** -11 + 2 ** -40), [1]).cast('float16'));
    assert.equal(value, 1 + 2 ** -10);
    assert.deepEqual(toNumbers(source.cast('bfloat16')).slice(0, 4), [0, -0, 1.5, -2.75]);
    assert.deepEqual(toNumbers(source.cast('float16')).slice(5, 8), [Infinity, -Infinity, Infinity]);
  });

  it('rounds to integers towards zero and stops at the ends of their range', () => {
    assert.deepEqual(
      [...source.cast('int32').data],
      [0, 0, 1, -2, 0, 70000, -70000, 2 ** 31 - 1, 0, 2 ** 31 - 1, -(2 ** 31), 2 ** 31 - 1, -(2 ** 31)],
    );
    assert.deepEqual([...source.cast('uint8').data], [0, 0, 1, 0, 0, 255, 0, 255, 0, 255, 0, 255, 0]);
    const least = -(2n ** 63n);
    const most = 2n ** 63n - 1n;
    assert.deepEqual(
      [...source.cast('int64').data],
      [0n, 0n, 1n, -2n, 0n, 70000n, -70000n, most, 0n, most, least, 2n ** 31n, least],
    );
  });

  it('makes bool true of all but 0', () => {
    assert.deepEqual([...source.cast('bool').data], [0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
    assert.deepEqual([...new Tensor('bool', Uint8Array.of(0, 1, 7), [3]).cast('float32').data], [0, 1, 1]);
    assert.deepEqual([...new Tensor(BigInt64Array.of(0n, -5n), [2]).cast('bool').data], [0, 1]);
  });

  it('keeps what every type on the way can hold', () => {
    const exact = (low: number, high: number) =>
      new Tensor(
        Float32Array.from({ length: 10_000 }, () => random.integer(low, high)),
        [100, 100],
      );
    for (const type of tensorTypes.filter((each) => each !== 'bool')) {
      const tensor = type === 'uint8' ? exact(0, 255) : exact(-128, 128);
      assert.deepEqual(tensor.cast(type).cast('float32').data, tensor.data, type);
    }
  });

  it('refuses types that do not exist', () => {
    throwsHeed(() => source.cast('f16' as TensorType), 'HEED_INVALID_ARGUMENT', "received 'f16'");
  });
});
