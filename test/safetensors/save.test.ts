import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { open, save } from '../../lib/safetensors.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { bytesPerElement, type TensorLike, tensorTypes } from '../../lib/tensor/types.js';
import { Random } from '../support/random.js';
import { rejectsHeed } from '../support/rejects.js';
import { resizableBuffer } from '../support/resizable.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

describe('safetensors save', () => {
  const pathOf = temporaryDirectory();
  const random = new Random('safetensors save');

  /** Random bits of every type and rank, some without elements. */
  function randomTensors(count: number): Record<string, Tensor> {
    const tensors: Record<string, Tensor> = {};
    for (let i = 0; i < count; i++) {
      const type = random.pick(tensorTypes);
      const dims = Array.from({ length: random.integer(0, 4) }, () => random.integer(0, 5));
      const tensor = Tensor.zeros(type, dims);
      const bytes = new Uint8Array(tensor.data.buffer);
      for (let at = 0; at < bytes.length; at++) bytes[at] = random.integer(0, type === 'bool' ? 1 : 255);
      tensors[random.pick(['layer.', 'é/', '\u{1f600}', '"\n', '']) + i] = tensor;
    }
    return tensors;
  }

  const bytesOf = ({ data }: TensorLike) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);

  it('writes what open reads, in every type', async () => {
    for (let round = 0; round < 20; round++) {
      const path = pathOf('round');
      const tensors = randomTensors(random.integer(0, 12));
      const metadata = { format: 'heed', '"quoted"\n': 'é\u0000' };
      await save(pathToFileURL(path), tensors, metadata);
      await using file = await open(path);
      assert.deepEqual({ ...file.metadata }, metadata);
      assert.deepEqual([...file.tensors.keys()].sort(), Object.keys(tensors).sort());
      for (const [name, tensor] of Object.entries(tensors)) {
        const read = await file.read(name);
        assert.equal(read.type, tensor.type);
        assert.deepEqual(read.dims, tensor.dims);
        assert.ok(bytesOf(read).equals(bytesOf(tensor)), name);
      }
    }
  });

  it('writes the bytes that the format asks for', async () => {
    const path = pathOf('bytes');
    await save(
      path,
      {
        b: new Tensor(Float32Array.of(1, -2), [2, 1]),
        '1': new Tensor('bool', Uint8Array.of(1, 0, 1), [3]),
        é: new Tensor('bfloat16', Uint16Array.of(0x3f80), []),
        a: new Tensor(Float32Array.of(0.5), [1]),
        wide: new Tensor(BigInt64Array.of(-1n), [1]),
      },
      { z: '1', a: 'b' },
    );
    const header =
      '{"__metadata__":{"a":"b","z":"1"},"wide":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},' +
      '"a":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},"b":{"dtype":"F32","shape":[2,1],"data_offsets":[12,20]},' +
      '"é":{"dtype":"BF16","shape":[],"data_offsets":[20,22]},"1":{"dtype":"BOOL","shape":[3],"data_offsets":[22,25]}}';
    const length = Math.ceil(Buffer.byteLength(header) / 8) * 8;
    const padded = header + ' '.repeat(length - Buffer.byteLength(header));
    const data = 'ffffffffffffffff' + '0000003f' + '0000803f000000c0' + '803f' + '010001';
    const prefix = Buffer.alloc(8);
    prefix.writeUInt32LE(length);
    assert.equal(
      (await readFile(path)).toString('latin1'),
      Buffer.concat([prefix, Buffer.from(padded), Buffer.from(data, 'hex')]).toString('latin1'),
    );
  });

  it('writes the same bytes whatever the order of names', async () => {
    const tensors = randomTensors(12);
    const reversed = Object.fromEntries(Object.entries(tensors).reverse());
    await save(pathOf('forwards'), tensors, { a: '1', b: '2' });
    await save(pathOf('backwards'), reversed, { b: '2', a: '1' });
    assert.ok((await readFile(pathOf('forwards'))).equals(await readFile(pathOf('backwards'))));
  });

  it('starts every tensor at a multiple of its element size', async () => {
    const path = pathOf('aligned');
    await save(path, randomTensors(40));
    const bytes = await readFile(path);
    const dataStart = 8 + Number(bytes.readBigUInt64LE());
    assert.equal(dataStart % 8, 0);
    await using file = await open(path);
    let at = dataStart;
    for (const { name, type, byteLength } of file.tensors.values()) {
      assert.ok(type);
      assert.equal(at % bytesPerElement[type], 0, name);
      at += byteLength;
    }
  });

  it('takes tensors of other makers, views and shared memory', async () => {
    const shared = new Float32Array(new SharedArrayBuffer(16), 4, 2);
    shared.set([3, 4]);
    const growing = new Float32Array(resizableBuffer(8, 64));
    growing.set([5, 6]);
    const path = pathOf('others');
    await save(path, {
      plain: { type: 'float32', dims: [2], data: Float32Array.of(9, 1, 2, 9).subarray(1, 3) },
      shared: { type: 'float32', dims: [2], data: shared },
      growing: { type: 'float32', dims: [2], data: growing },
    });
    await using file = await open(path);
    assert.deepEqual([...(await file.read('plain')).data], [1, 2]);
    assert.deepEqual([...(await file.read('shared')).data], [3, 4]);
    assert.deepEqual([...(await file.read('growing')).data], [5, 6]);
  });

  it('writes tensors larger than what is written at once', async () => {
    const tensor = Tensor.zeros('float32', [700, 1000]);
    for (let i = 0; i < tensor.size; i++) tensor.data[i] = random.next();
    const path = pathOf('large');
    await save(path, { tensor });
    await using file = await open(path);
    assert.ok(bytesOf(await file.read('tensor')).equals(bytesOf(tensor)));
  });

  it('replaces a longer file', async () => {
    const path = pathOf('shorter');
    await save(path, { a: Tensor.zeros('float32', [1000]) });
    await save(path, { b: Tensor.zeros('float32', [1]) });
    await using file = await open(path);
    assert.deepEqual([...file.tensors.keys()], ['b']);
  });

  it('notices memory that goes away meanwhile', async () => {
    const data = new Float32Array(2 ** 20);
    const saving = save(pathOf('detached'), { a: { type: 'float32', dims: [2 ** 20], data } });
    structuredClone(data.buffer, { transfer: [data.buffer] });
    await rejectsHeed(() => saving, 'HEED_DETACHED', /tensors\["a"\] to keep its memory/);
  });

  it('refuses what it cannot write', async () => {
    const path = pathOf('refused');
    const zero = Tensor.zeros('float32', [1]);
    const hostile = save as (...args: unknown[]) => Promise<void>;
    await rejectsHeed(() => hostile(7, {}), 'HEED_INVALID_ARGUMENT', 'Expected path to be a file name');
    for (const tensors of [undefined, null, 7, 'x', [zero], new Map([['a', zero]])]) {
      await rejectsHeed(
        () => hostile(path, tensors),
        'HEED_INVALID_ARGUMENT',
        'Expected tensors to be an object',
      );
    }
    await rejectsHeed(
      () => hostile(path, { a: 7 }),
      'HEED_INVALID_ARGUMENT',
      'Expected tensors["a"] to be a tensor',
    );
    await rejectsHeed(
      () => hostile(path, { a: { type: 'float32', dims: [2], data: new Float32Array(3) } }),
      'HEED_SHAPE_MISMATCH',
      /tensors\["a"\].data/,
    );
    await rejectsHeed(() => save(path, { __metadata__: zero }), 'HEED_INVALID_ARGUMENT', '__metadata__');
    await rejectsHeed(() => save(path, { '\ud800': zero }), 'HEED_INVALID_ARGUMENT', 'well-formed Unicode');
    await rejectsHeed(() => save(path, {}, { a: '\udfff' }), 'HEED_INVALID_ARGUMENT', 'well-formed Unicode');
    await rejectsHeed(
      () => hostile(path, {}, { a: 1 }),
      'HEED_INVALID_ARGUMENT',
      'Expected metadata["a"] to be a string',
    );
    await rejectsHeed(
      () => hostile(path, {}, 'x'),
      'HEED_INVALID_ARGUMENT',
      'Expected metadata to be an object',
    );
    await rejectsHeed(() => save(pathOf('no/where'), {}), 'HEED_FILE_ERROR', /Could not write .*ENOENT/);
    const huge = { a: 'x'.repeat(100_000_000) };
    await rejectsHeed(() => save(path, {}, huge), 'HEED_INVALID_ARGUMENT', 'header of 100000000 bytes');
    const disposed = Tensor.zeros('float32', [1]);
    disposed.dispose();
    await rejectsHeed(() => save(path, { a: disposed }), 'HEED_DISPOSED', /disposed/);
    await assert.rejects(readFile(path), { code: 'ENOENT' }, 'a refused file is not begun');
  });
});
