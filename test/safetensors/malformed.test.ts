import { writeFile } from 'node:fs/promises';
import { open } from '../../lib/safetensors.js';
import { rejectsHeed } from '../support/rejects.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { entry, fileBytes } from './file-bytes.js';

describe('safetensors open refuses', () => {
  const pathOf = temporaryDirectory();
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
    ['half a byte', json({ a: entry('F4', [3], [0, 2]) }), /whole and addressable bytes, received F4 \[3\]/],
    ['no offsets', json(one({ data_offsets: undefined })), /data_offsets of tensor "a" .* received nothing/],
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
    it(what, async () => {
      const path = pathOf('malformed');
      await writeFile(path, bytes);
      await rejectsHeed(() => open(path), 'HEED_MALFORMED_FILE', message);
      await rejectsHeed(() => open(path), 'HEED_MALFORMED_FILE', `Malformed file ${path}: `);
    });
  }
});
