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
    const data = new DataView(new ArrayBuffer(8 + 8 + 4 + 4 + 2 + 2 + 2));
    data.setBigInt64(0, -5n, true);
    data.setFloat64(8, Math.PI, true);
    data.setFloat32(16, -1.5, true);
    data.setInt32(20, -7, true);
    data.setUint16(24, 0x3c00, true);
    data.setUint16(26, 0x3f80, true);
    data.setUint8(28, 1);
    const header = {
      __metadata__: { made: 'by hand', __proto__x: 'yes' },
      i64: entry('I64', [1], [0, 8]),
      f64: entry('F64', [], [8, 16]),
      f32: entry('F32', [1, 1], [16, 20]),
      i32: entry('I32', [1], [20, 24]),
      f16: entry('F16', [1], [24, 26]),
      bf16: entry('BF16', [1], [26, 28]),
      bool: entry('BOOL', [2], [28, 30]),
      empty: entry('F32', [0, 7], [30, 30]),
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
      ['U8', 8],
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
    const huge = 2 ** 33; // a hole, which takes no room on the disk
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
    await rejectsHeed(() => file.read('a'), 'HEED_MALFORMED_FILE', /cut while open/);
  });

  it('refuses what is no file', async () => {
    await rejectsHeed(() => open(pathOf('nowhere')), 'HEED_FILE_ERROR', /nowhere: ENOENT/);
    await rejectsHeed(() => open(pathOf('.')), 'HEED_FILE_ERROR', /regular file/);
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

  describe('malformed files', () => {
    const one = (changes: object) => ({
      a: { dtype: 'F32', shape: [2, 3], data_offsets: [0, 24], ...changes },
    });
    const data = new Uint8Array(24);
    const json = (header: unknown) => fileBytes(JSON.stringify(header), data);
    const text = (header: string) => fileBytes(header, data);
    const nested = `{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`;
    const cases: [string, Uint8Array, RegExp][] = [
      ['an empty file', new Uint8Array(), /expected at least 8 bytes .* received 0/],
      ['seven bytes', new Uint8Array(7), /expected at least 8 bytes .* received 7/],
      ['no header', new Uint8Array(8), /expected the header to start with "\{", received ""/],
      [
        'a header longer than the file',
        fileBytes('{}', data, 27n),
        /end inside the file \(34 bytes\), received a header length of 27/,
      ],
      [
        'a header over the limit',
        fileBytes('{}', data, 100_000_001n),
        /at most 100000000 bytes, received a length of 100000001/,
      ],
      [
        'a header length of 2^64 − 1',
        fileBytes('{}', data, 2n ** 64n - 1n),
        /received a length of 18446744073709551615/,
      ],
      ['bytes that are no UTF-8', fileBytes('{}', Uint8Array.of(0xff), 3n), /UTF-8/],
      ['a byte order mark', text('\ufeff{}'), /start with "\{"/],
      ['leading space', text(' {}'), /start with "\{", received " "/],
      ['no JSON', text('{"a":'), /expected the header to be JSON/],
      ['something after the JSON', text('{}{}'), /expected the header to be JSON/],
      ['a list', text('[]'), /start with "\{"/],
      ['a number', text('7'), /start with "\{"/],
      [
        'a name twice',
        text(
          '{"a":{"dtype":"F32","shape":[6],"data_offsets":[0,24]},"a":{"dtype":"F32","shape":[6],"data_offsets":[0,24]}}',
        ),
        /"a" twice/,
      ],
      [
        'a name twice, spelled differently',
        text(
          '{"a":{"dtype":"F32","shape":[6],"data_offsets":[0,24]},"\\u0061":{"dtype":"F32","shape":[6],"data_offsets":[0,24]}}',
        ),
        /"a" twice/,
      ],
      [
        'a property twice',
        text('{"a":{"dtype":"F64","dtype":"F32","shape":[6],"data_offsets":[0,24]}}'),
        /"dtype" twice/,
      ],
      [
        'metadata that is a list',
        json({ __metadata__: ['x'], ...one({}) }),
        /expected __metadata__ to be an object/,
      ],
      [
        'metadata that is null',
        json({ __metadata__: null, ...one({}) }),
        /expected __metadata__ to be an object, received null/,
      ],
      [
        'metadata with a number',
        json({ __metadata__: { n: 7 }, ...one({}) }),
        /expected __metadata__\["n"\] to be a string, received 7/,
      ],
      [
        'metadata with an object',
        json({ __metadata__: { n: {} }, ...one({}) }),
        /to be a string, received an object/,
      ],
      ['a tensor that is a list', json({ a: [] }), /expected tensor "a" to be an object/],
      ['a tensor that is null', json({ a: null }), /expected tensor "a" to be an object, received null/],
      [
        'no dtype',
        json(one({ dtype: undefined })),
        /dtype of tensor "a" to be one of BOOL, .*received nothing/,
      ],
      ['an unknown dtype', json(one({ dtype: 'F128' })), /dtype of tensor "a" .* received "F128"/],
      ['a dtype in lower case', json(one({ dtype: 'f32' })), /received "f32"/],
      ['a dtype that is a number', json(one({ dtype: 32 })), /received 32/],
      ['a dtype that every object has', json(one({ dtype: 'constructor' })), /received "constructor"/],
      ['no shape', json(one({ shape: undefined })), /shape of tensor "a" .* received nothing/],
      ['a shape that is a number', json(one({ shape: 6 })), /shape of tensor "a" .* received 6/],
      ['a negative dim', json(one({ shape: [-2, -3] })), /shape of tensor "a" .* received \[-2, -3\]/],
      ['a fractional dim', json(one({ shape: [1.5, 4] })), /received \[1.5, 4\]/],
      [
        'a dim of 2^53',
        text('{"a":{"dtype":"F32","shape":[9007199254740992],"data_offsets":[0,24]}}'),
        /received \[9007199254740992\]/,
      ],
      [
        'a dim of 1e400',
        text('{"a":{"dtype":"F32","shape":[1e400],"data_offsets":[0,24]}}'),
        /shape of tensor "a"/,
      ],
      [
        'a negative zero',
        text('{"a":{"dtype":"F32","shape":[-0],"data_offsets":[0,0]}}'),
        /shape of tensor "a"/,
      ],
      ['a dim that is a string', json(one({ shape: ['2', 3] })), /received \["2", 3\]/],
      [
        'a product of dims beyond counting',
        json(one({ shape: [2 ** 40, 2 ** 40] })),
        /whole and addressable bytes/,
      ],
      [
        'a size in bytes beyond counting',
        json(one({ dtype: 'F64', shape: [2 ** 52] })),
        /whole and addressable bytes/,
      ],
      [
        'half a byte',
        json({ a: entry('F4', [3], [0, 2]) }),
        /whole and addressable bytes, received F4 \[3\]/,
      ],
      [
        'no offsets',
        json(one({ data_offsets: undefined })),
        /data_offsets of tensor "a" .* received nothing/,
      ],
      ['one offset', json(one({ data_offsets: [24] })), /data_offsets of tensor "a" .* received \[24\]/],
      ['three offsets', json(one({ data_offsets: [0, 24, 24] })), /received \[0, 24, 24\]/],
      ['offsets in the wrong order', json(one({ data_offsets: [24, 0] })), /in order, received \[24, 0\]/],
      ['a negative offset', json(one({ data_offsets: [-24, 0] })), /received \[-24, 0\]/],
      [
        'offsets that span too little',
        json(one({ data_offsets: [0, 20] })),
        /span 24 bytes \(F32 \[2, 3\]\), received \[0, 20\]/,
      ],
      ['offsets that span too much', json(one({ shape: [5] })), /span 20 bytes/],
      [
        'a gap at the start',
        json(one({ shape: [5], data_offsets: [4, 24] })),
        /start at byte 0, received 4, which leaves a gap/,
      ],
      [
        'a gap between',
        json({ a: entry('F32', [2], [0, 8]), b: entry('F32', [3], [12, 24]) }),
        /tensor "b" to start at byte 8, received 12, which leaves a gap/,
      ],
      [
        'an overlap',
        json({ a: entry('F32', [4], [0, 16]), b: entry('F32', [4], [8, 24]) }),
        /tensor "b" to start at byte 16, received 8, which overlaps/,
      ],
      [
        'the same bytes twice',
        json({ a: entry('F32', [6], [0, 24]), b: entry('F32', [6], [0, 24]) }),
        /which overlaps/,
      ],
      [
        'offsets past the end',
        json(one({ shape: [7], data_offsets: [0, 28] })),
        /end within the 24 bytes of data, received 28/,
      ],
      [
        'trailing bytes',
        json(one({ shape: [5], data_offsets: [0, 20] })),
        /expected 20 bytes of data, received 24: 4 trailing/,
      ],
      ['data of no tensor', json({}), /24 trailing bytes/],
      ['nesting without end', text(nested), /expected tensor "a" to be an object, received \[…\]/],
      [
        'nesting without end in a shape',
        text(
          `{"a":{"dtype":"F32","shape":${'['.repeat(200_000)}${']'.repeat(200_000)},"data_offsets":[0,24]}}`,
        ),
        /shape of tensor "a"/,
      ],
    ];
    for (const [what, bytes, message] of cases) {
      it(`refuses ${what}`, async () => {
        const path = await write('malformed', bytes);
        await rejectsHeed(() => open(path), 'HEED_MALFORMED_FILE', message);
        await rejectsHeed(() => open(path), 'HEED_MALFORMED_FILE', `Malformed safetensors file ${path}: `);
      });
    }
  });
});
