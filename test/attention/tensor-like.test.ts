/** Tests the accepted kinds of tensors: heed's own, onnxruntime's, and plain objects. */
import { attentionSync } from '../../lib/attention/attention.js';
import type { TensorLike } from '../../lib/tensor/types.js';
import { type Inputs, randomInputs } from '../support/attention.js';
import { eachBackend } from '../support/backends.js';
import { expectSameBits } from '../support/compare.js';
import { Random } from '../support/random.js';

/**
 * Structured like the tensors of onnxruntime-common: own properties, getters that check the location,
 * methods.
 */
class OnnxTensor {
  readonly type;
  readonly dims;
  readonly size: number;
  readonly dataLocation: 'cpu' | 'cpu-pinned';
  readonly cpuData;

  constructor({ type, dims, data }: TensorLike, location: 'cpu' | 'cpu-pinned') {
    this.type = type;
    this.dims = [...dims];
    this.size = dims.reduce((product, length) => product * length, 1);
    this.dataLocation = location;
    this.cpuData = data;
  }

  get data() {
    return this.cpuData;
  }

  get location() {
    return this.dataLocation;
  }

  getData() {
    return Promise.resolve(this.cpuData);
  }
}

eachBackend('tensors', (backend) => {
  const random = new Random('tensors');

  function expectSame(inputs: Inputs, make: (tensor: TensorLike) => TensorLike): void {
    const { query, key, value } = inputs;
    const mask = random.mask([9, 13], 0.7);
    const expected = attentionSync(query, key, value, { backend, mask });
    const output = attentionSync(make(query), make(key), make(value), { backend, mask: make(mask) });
    expectSameBits(output, expected);
  }

  for (const type of ['float32', 'float16'] as const) {
    const inputs = randomInputs(random, { type });

    it(`may be plain objects, ${type}`, () => {
      expectSame(inputs, ({ dims, data }) => ({
        type: data instanceof Uint8Array ? 'bool' : type,
        dims,
        data,
      }));
    });

    it(`may be those of onnxruntime, ${type}`, () => {
      expectSame(inputs, (tensor) => new OnnxTensor(tensor, 'cpu'));
      expectSame(inputs, (tensor) => new OnnxTensor(tensor, 'cpu-pinned'));
    });

    it(`may have dims in a typed array, ${type}`, () => {
      expectSame(inputs, ({ type: own, dims, data }) => ({
        type: own,
        dims: Int32Array.from(dims) as unknown as number[],
        data,
      }));
    });
  }

  it('may hold a Float16Array where the runtime has it', () => {
    const inputs = randomInputs(random, { type: 'float16' });
    const Float16 = (globalThis as { Float16Array?: new (buffer: ArrayBufferLike) => TensorLike['data'] })
      .Float16Array;
    expectSame(inputs, (tensor) => {
      if (Float16 === undefined || tensor.type !== 'float16') return tensor;
      return { type: 'float16', dims: tensor.dims, data: new Float16(tensor.data.buffer) };
    });
  });

  it('may mix all of these', () => {
    const { query, key, value } = randomInputs(random);
    const expected = attentionSync(query, key, value, { backend });
    const plain = { type: 'float32', dims: key.dims, data: key.data } as const;
    expectSameBits(attentionSync(query, plain, new OnnxTensor(value, 'cpu'), { backend }), expected);
  });
});
