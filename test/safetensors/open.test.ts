import assert from 'node:assert/strict';
import { open as openHandle, truncate, writeFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { open } from '../../lib/safetensors.js';
import { Random } from '../support/random.js';
import { rejectsHeed } from '../support/rejects.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { entry, fileBytes } from './file-bytes.js';

describe('safetensors open', () => {
  const pathOf = temporaryDirectory();
  const random = new Random('safetensors open');

  async function write(name: string, bytes: Uint8Array): Promise<string> {
    const path = pathOf(name);
    await writeFile(path, bytes);
    return path;
  }

  function someBytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => random.integer(0, 255));
  }

  it('lists names, types and dims, and reads every type that heed has', async () => {
    const data = new DataView(new ArrayBuffer(8 + 8 + 4 + 4 + 2 + 2 + 2 + 1));
    data.setBigInt64(0, -5n, true);
    data.setFloat64(8, Math.PI, true);
    data.setFloat32(16, -1.5, true);
    data.setInt32(20, -7, true);
    data.setUint16(24, 0x3c00, true);
    data.setUint16(26, 0x3f80, true);
    data.setUint8(28, 1);
    data.setUint8(30, 200);
    const header = {
      __metadata__: { made: 'by hand', __proto__x: 'yes' },
      i64: entry('I64', [1], [0, 8]),
      f64: entry('F64', [], [8, 16]),
      f32: entry('F32', [1, 1], [16, 20]),
      i32: entry('I32', [1], [20, 24]),
      f16: entry('F16', [1], [24, 26]),
      bf16: entry('BF16', [1], [26, 28]),
      bool: entry('BOOL', [2], [28, 30]),
      u8: entry('U8', [1], [30, 31]),
      empty: entry('F32', [0, 7], [31, 31]),
    };
    const path = await write('types', fileBytes(JSON.stringify(header), new Uint8Array(data.buffer)));
    await using file = await open(pathToFileURL(path));
    assert.equal(file.path, path);
    assert.deepEqual({ ...file.metadata }, header.__metadata__);
    assert.deepEqual(
      [...file.tensors.values()].map(({ name, dtype, type, dims, byteLength }) => [
        name,
        dtype,
        type,
        dims,
        byteLength,
      ]),
      [
        ['i64', 'I64', 'int64', [1], 8],
        ['f64', 'F64', 'float64', [], 8],
        ['f32', 'F32', 'float32', [1, 1], 4],
        ['i32', 'I32', 'int32', [1], 4],
        ['f16', 'F16', 'float16', [1], 2],
        ['bf16', 'BF16', 'bfloat16', [1], 2],
        ['bool', 'BOOL', 'bool', [2], 2],
        ['u8', 'U8', 'uint8', [1], 1],
        ['empty', 'F32', 'float32', [0, 7], 0],
      ],
    );
    const read = async (name: string) => {
      const tensor = await file.read(name);
      assert.equal(tensor.type, file.tensors.get(name)?.type);
      assert.deepEqual(tensor.dims, file.tensors.get(name)?.dims);
      return [...tensor.data];
    };
    assert.deepEqual(await read('i64'), [-5n]);
    assert.deepEqual(await read('f64'), [Math.PI]);
    assert.deepEqual(await read('f32'), [-1.5]);
    assert.deepEqual(await read('i32'), [-7]);
    assert.deepEqual(await read('f16'), [0x3c00]);
    assert.deepEqual(await read('bf16'), [0x3f80]);
    assert.deepEqual(await read('bool'), [1, 0]);
    assert.deepEqual(await read('u8'), [200]);
    assert.deepEqual(await read('empty'), []);
  });

  it('opens a file without tensors', async () => {
    for (const header of ['{}', '{}   \n', '{"__metadata__":{}}']) {
      await using file = await open(await write('empty', fileBytes(header)));
      assert.equal(file.tensors.size, 0);
      assert.deepEqual({ ...file.metadata }, {});
    }
  });

  it('takes names that an object of JavaScript treats specially', async () => {
    const header =
      '{"__proto__":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]},"1":{"dtype":"BOOL","shape":[],"data_offsets":[1,2]}}';
    await using file = await open(await write('names', fileBytes(header, Uint8Array.of(1, 0))));
    assert.deepEqual([...file.tensors.keys()], ['__proto__', '1']);
    assert.deepEqual([...(await file.read('__proto__')).data], [1]);
  });

  it('lists tensors in the order of their data, empty ones among them', async () => {
    const header = {
      last: entry('BOOL', [2], [3, 5]),
      none: entry('F64', [0], [3, 3]),
      first: entry('BOOL', [3], [0, 3]),
      end: entry('F32', [4, 0], [5, 5]),
    };
    await using file = await open(await write('order', fileBytes(JSON.stringify(header), someBytes(5))));
    assert.deepEqual([...file.tensors.keys()], ['first', 'none', 'last', 'end']);
  });

  it('lists types that heed has not, and says so when they are read', async () => {
    const dtypes: [string, number][] = [
      ['I8', 8],
      ['F8_E4M3', 8],
      ['F8_E5M2', 8],
      ['F8_E8M0', 8],
      ['I16', 16],
      ['U16', 16],
      ['U32', 32],
      ['U64', 64],
      ['C64', 64],
      ['F4', 4],
      ['F6_E2M3', 6],
      ['F6_E3M2', 6],
    ];
    for (const [dtype, bits] of dtypes) {
      const header = { odd: entry(dtype, [2, 4], [0, bits]) };
      await using file = await open(await write(dtype, fileBytes(JSON.stringify(header), someBytes(bits))));
      assert.equal(file.tensors.get('odd')?.type, undefined);
      assert.equal(file.tensors.get('odd')?.dtype, dtype);
      await rejectsHeed(() => file.read('odd'), 'HEED_UNSUPPORTED_TYPE', `received ${dtype}`);
    }
  });

  it('reads only what is asked for, when it is asked for', async () => {
    const huge = 2 ** 33; // a hole, which takes no disk space
    const header = { huge: entry('BOOL', [huge], [0, huge]), tail: entry('BOOL', [2], [huge, huge + 2]) };
    const path = await write('lazy', fileBytes(JSON.stringify(header)));
    const start = 8 + JSON.stringify(header).length;
    await truncate(path, start + huge + 2);
    await using file = await open(path);
    assert.equal(file.tensors.get('huge')?.byteLength, huge);
    assert.deepEqual([...(await file.read('tail')).data], [0, 0]);
    await using writer = await openHandle(path, 'r+');
    await writer.write(Uint8Array.of(1, 1), 0, 2, start + huge);
    assert.deepEqual([...(await file.read('tail')).data], [1, 1]);
  });

  it('reads many tensors at once, each into memory of its own', async () => {
    const data = someBytes(64);
    const names = Array.from({ length: 64 }, (_, i) => `t${i}`);
    const header = Object.fromEntries(names.map((name, i) => [name, entry('BOOL', [1], [i, i + 1])]));
    await using file = await open(await write('many', fileBytes(JSON.stringify(header), data)));
    const tensors = await Promise.all(names.map((name) => file.read(name)));
    assert.deepEqual(
      tensors.map((tensor) => tensor.data[0]),
      [...data],
    );
    assert.equal(new Set(tensors.map((tensor) => tensor.data.buffer)).size, 64);
    assert.notEqual((await file.read('t0')).data.buffer, tensors[0].data.buffer);
  });

  it('names what is there when a tensor is not', async () => {
    const header = { weight: entry('BOOL', [1], [0, 1]), bias: entry('BOOL', [1], [1, 2]) };
    const path = await write('missing', fileBytes(JSON.stringify(header), someBytes(2)));
    await using file = await open(path);
    await rejectsHeed(
      () => file.read('wieght'),
      'HEED_UNKNOWN_TENSOR',
      `Expected ${path} to hold tensor "wieght", found "weight", "bias"`,
    );
  });

  it('can be closed more than once, while reading, and in either way of using', async () => {
    const bytes = fileBytes(JSON.stringify({ a: entry('F32', [1024], [0, 4096]) }), someBytes(4096));
    const path = await write('close', bytes);
    const file = await open(path);
    assert.equal(file.closed, false);
    const reading = file.read('a');
    await Promise.all([file.close(), file.close()]);
    assert.equal((await reading).size, 1024);
    assert.equal(file.closed, true);
    await rejectsHeed(() => file.read('a'), 'HEED_DISPOSED', `Expected ${path} to be open`);
    const second = await open(path);
    {
      using _ = second;
    }
    assert.equal(second.closed, true);
  });

  it('says when the file was cut after it was opened', async () => {
    const path = await write(
      'cut',
      fileBytes(JSON.stringify({ a: entry('F32', [1024], [0, 4096]) }), someBytes(4096)),
    );
    await using file = await open(path);
    await truncate(path, 1000);
    await rejectsHeed(() => file.read('a'), 'HEED_MALFORMED_FILE', /truncated while open/);
  });

  it('refuses what is no file', async () => {
    await rejectsHeed(() => open(pathOf('nowhere')), 'HEED_FILE_ERROR', /nowhere: ENOENT/);
    await rejectsHeed(
      () => open(pathOf('.')),
      'HEED_FILE_ERROR',
      /Expected the directory .* to hold model.safetensors or/,
    );
    await rejectsHeed(() => open('a\0b'), 'HEED_FILE_ERROR', /Could not open/);
    await rejectsHeed(() => open(new URL('https://example.org/x')), 'HEED_INVALID_ARGUMENT', /file: URL/);
    for (const path of [undefined, null, 7, {}, Buffer.from('x')]) {
      await rejectsHeed(
        () => open(path as string),
        'HEED_INVALID_ARGUMENT',
        /Expected path to be a file name/,
      );
    }
  });
});
