/** Tests hostile arguments: every property is read once, and the checked value is the one used. */
import assert from 'node:assert/strict';
import { attentionSync } from '../../lib/attention/attention.js';
import type { TensorLike } from '../../lib/tensor/types.js';
import { type Inputs, randomInputs } from '../support/attention.js';
import { eachBackend } from '../support/backends.js';
import { expectSameBits } from '../support/compare.js';
import { Random } from '../support/random.js';

/** An object that counts how often each of its properties is read. */
function counted<Value extends object>(value: Value): { proxy: Value; reads: Map<string, number> } {
  const reads = new Map<string, number>();
  const proxy = new Proxy(value, {
    get(target, property) {
      if (typeof property === 'string') reads.set(property, (reads.get(property) ?? 0) + 1);
      return Reflect.get(target, property);
    },
  });
  return { proxy, reads };
}

eachBackend('arguments that change', (backend) => {
  const inputs = randomInputs(new Random('arguments that change'));
  const expected = () => attentionSync(inputs.query, inputs.key, inputs.value, { backend });
  const plain = ({ type, dims, data }: TensorLike) => ({ type, dims, data });
  const run = ({ query, key, value }: Record<keyof Inputs, TensorLike>, options: object = {}) =>
    attentionSync(query, key, value, { backend, ...options });

  it('are read once', () => {
    const tensors = [inputs.query, inputs.key, inputs.value].map((tensor) => counted(plain(tensor)));
    const options = counted({ backend, kvLengths: [13, 13], causal: false, scale: 0.25, window: {} });
    const [query, key, value] = tensors.map(({ proxy }) => proxy);
    expectSameBits(attentionSync(query, key, value, options.proxy), expected());
    for (const { reads } of [...tensors, options]) {
      for (const [property, count] of reads) assert.equal(count, 1, property);
    }
  });

  it('may claim any length on the side', () => {
    const data = Float32Array.from(inputs.query.data as Float32Array);
    for (const property of ['length', 'byteLength', 'byteOffset', 'buffer', 'constructor']) {
      Object.defineProperty(data, property, { value: property === 'buffer' ? new ArrayBuffer(8) : 2 ** 40 });
    }
    expectSameBits(run({ ...inputs, query: { ...plain(inputs.query), data } }), expected());
  });

  it('may not take memory away after it was looked at', () => {
    const data = Float32Array.from(inputs.query.data as Float32Array);
    const query = { ...plain(inputs.query), data };
    const value = {
      ...plain(inputs.value),
      get data() {
        structuredClone(data.buffer, { transfer: [data.buffer] });
        return inputs.value.data;
      },
    };
    assert.throws(() => run({ ...inputs, query, value }), { code: 'HEED_DETACHED' });
    const options = {
      get scale() {
        structuredClone(other.buffer, { transfer: [other.buffer] });
        return 1;
      },
    };
    const other = Float32Array.from(inputs.key.data as Float32Array);
    assert.throws(
      () => attentionSync(inputs.query, { ...plain(inputs.key), data: other }, inputs.value, options),
      { code: 'HEED_DETACHED' },
    );
  });

  it('may shrink their memory after it was looked at', () => {
    const buffer: ArrayBuffer & { resize?(length: number): void } = Reflect.construct(ArrayBuffer, [
      inputs.query.byteLength,
      { maxByteLength: inputs.query.byteLength },
    ]);
    const data = new Float32Array(buffer);
    data.set(inputs.query.data as Float32Array);
    const query = { ...plain(inputs.query), data };
    expectSameBits(run({ ...inputs, query }), expected());
    const key = {
      ...plain(inputs.key),
      get dims() {
        buffer.resize?.(16);
        return inputs.key.dims;
      },
    };
    assert.throws(() => run({ ...inputs, query, key }), { code: 'HEED_SHAPE_MISMATCH' });
  });

  it('may change their dims after those were read', () => {
    const dims = [...inputs.query.dims];
    const query = { ...plain(inputs.query), dims };
    const value = {
      ...plain(inputs.value),
      get data() {
        dims[0] = 2 ** 20;
        return inputs.value.data;
      },
    };
    expectSameBits(run({ ...inputs, query, value }), expected());
    assert.equal(dims[0], 2 ** 20);
  });
});
