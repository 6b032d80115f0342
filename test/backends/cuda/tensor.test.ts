/** Tensors on a device. */
import assert from 'node:assert/strict';
import { deviceMemory } from '../../../lib/backends/devices.js';
import { Tensor } from '../../../lib/tensor/tensor.js';
import { type TensorType, tensorTypes } from '../../../lib/tensor/types.js';
import { deviceCount, onDevice, sameElements } from '../../support/device.js';
import { Random } from '../../support/random.js';
import { rejectsHeed, throwsHeed } from '../../support/rejects.js';

/**
 * No elements, one element, odd numbers of bytes, whole pages, and more than a piece of staging memory holds.
 */
const sizes = [0, 1, 3, 255, 4096, 1_000_003];

function randomElements(random: Random, type: TensorType, size: number): Tensor {
  const tensor = Tensor.zeros(type, [size]);
  const { data } = tensor;
  // Any bits are valid elements, except for bool.
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  for (let i = 0; i < bytes.length; i++) bytes[i] = random.next() * (type === 'bool' ? 2 : 256);
  return tensor;
}

onDevice('a tensor', (location) => {
  const random = new Random('device tensors');

  for (const type of tensorTypes) {
    it(`of ${type} goes there and comes back the same, whatever its size`, async () => {
      for (const size of sizes) {
        const tensor = randomElements(random, type, size);
        const there = await tensor.to('cuda');
        assert.equal(there.location, location);
        assert.equal(there.type, type);
        assert.deepEqual(there.dims, [size]);
        assert.equal(there.byteLength, tensor.byteLength);
        const back = await there.to('cpu');
        assert.equal(back.location, 'cpu');
        for (const data of [await there.getData(), back.data]) {
          assert.notEqual(data.buffer, tensor.data.buffer);
          assert.deepEqual(new Uint8Array(data.buffer), new Uint8Array(tensor.data.buffer));
        }
        there.dispose();
      }
    });

    it(`of ${type} may be all zeros`, async () => {
      // Into memory with leftover contents.
      const used = await randomElements(random, type, 1000).to(location);
      used.dispose();
      for (const size of [0, 1, 1000]) {
        const zeros = Tensor.zeros(type, [size], location);
        await sameElements(zeros, Tensor.zeros(type, [size]).data);
        zeros.dispose();
      }
    });
  }

  it('is a view of its memory in the array that it came from, too', async () => {
    const memory = Float32Array.from({ length: 100 }, (_, i) => i);
    const there = await new Tensor(memory.subarray(7, 50), [43]).to(location);
    memory.fill(0);
    await sameElements(
      there,
      Float32Array.from({ length: 43 }, (_, i) => i + 7),
    );
  });

  it('is itself where it is already, by either name', async () => {
    const there = Tensor.zeros('int32', [3], 'cuda');
    assert.equal(await there.to('cuda'), there);
    assert.equal(await there.to('cuda:0'), there);
  });

  it('has elements that only getData() fetches', () => {
    const there = Tensor.zeros('float32', [2, 3], location);
    throwsHeed(() => there.data, 'HEED_NOT_ON_CPU', /received one at 'cuda:0'.*getData\(\)/);
  });

  it('shares memory with what it is reshaped to, until both are let go', async () => {
    const tensor = randomElements(random, 'float32', 24);
    const there = await tensor.to(location);
    const { used } = deviceMemory(location);
    const reshaped = there.reshape([2, 3, 4]);
    assert.equal(deviceMemory(location).used, used);
    assert.deepEqual(reshaped.dims, [2, 3, 4]);
    there.dispose();
    there.dispose();
    assert.equal(deviceMemory(location).used, used);
    await sameElements(reshaped, tensor.data);
    reshaped.dispose();
    assert.ok(deviceMemory(location).used < used);
    throwsHeed(() => reshaped.reshape([24]), 'HEED_DISPOSED', 'disposed');
  });

  it('is not to be used once it is disposed of', async () => {
    const there = Tensor.zeros('float32', [8], location);
    there.dispose();
    assert.ok(there.disposed);
    await rejectsHeed(() => there.getData(), 'HEED_DISPOSED', 'Tensor float32 [8] at cuda:0, disposed');
    await rejectsHeed(() => there.to('cpu'), 'HEED_DISPOSED', 'disposed');
    throwsHeed(() => there.cast('float16'), 'HEED_DISPOSED', 'disposed');
    throwsHeed(() => there.data, 'HEED_DISPOSED', 'disposed');
  });

  it('may be disposed of while it is fetched', async () => {
    const tensor = randomElements(random, 'float32', 100_000);
    const there = await tensor.to(location);
    const promise = there.getData();
    there.dispose();
    // The block that reuses its memory is written after the operations that read it.
    Tensor.zeros('float32', [100_000], location).dispose();
    assert.deepEqual(await promise, tensor.data);
  });

  it('is cast as on the CPU', async () => {
    const types = ['float32', 'float16', 'bfloat16'] as const;
    const numbers = new Tensor(
      Float32Array.from({ length: 1001 }, (_, i) => random.normal() * 10 ** ((i % 12) - 6)),
      [7, 143],
    );
    for (const from of types) {
      for (const to of types) {
        const tensor = numbers.cast(from);
        const cast = (await tensor.to(location)).cast(to);
        assert.equal(cast.location, location);
        assert.deepEqual(cast.dims, [7, 143]);
        await sameElements(cast, tensor.cast(to).data);
      }
    }
    const empty = Tensor.zeros('float32', [0, 5], location);
    assert.deepEqual(empty.cast('bfloat16').dims, [0, 5]);
  });

  it('is cast between floating types only', () => {
    const there = Tensor.zeros('int32', [3], location);
    throwsHeed(() => there.cast('float32'), 'HEED_UNSUPPORTED_TYPE', "received 'int32' and 'float32'");
    const floats = Tensor.zeros('float32', [3], location);
    throwsHeed(() => floats.cast('float64'), 'HEED_UNSUPPORTED_TYPE', "received 'float32' and 'float64'");
    assert.equal(there.cast('int32').location, location);
  });

  it('cannot be on a device that is not there', async () => {
    const beyond = `cuda:${deviceCount()}` as const;
    await rejectsHeed(() => Tensor.zeros('float32', [1]).to(beyond), 'HEED_NO_CUDA', `a device ${beyond}`);
    throwsHeed(() => Tensor.zeros('float32', [1], beyond), 'HEED_NO_CUDA', `a device ${beyond}`);
  });

  // The emulator has two devices.
  if (deviceCount() > 1) {
    it('goes from one device to another', async () => {
      const tensor = randomElements(random, 'float32', 5000);
      const first = await tensor.to('cuda:0');
      const second = await first.to('cuda:1');
      first.dispose();
      assert.equal(second.location, 'cuda:1');
      await sameElements(second, tensor.data);
    });
  }
});
