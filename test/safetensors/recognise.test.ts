/** Tests that files which are something else are named, with what to do. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { MultiHeadAttention } from '../../lib/multi-head-attention/multi-head-attention.js';
import { open } from '../../lib/safetensors.js';
import { Random } from '../support/random.js';
import { rejectsHeed } from '../support/rejects.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

describe('A file that is no safetensors file', () => {
  const pathOf = temporaryDirectory();
  const random = new Random('a file that is no safetensors file');
  const noise = Buffer.from(Array.from({ length: 2000 }, () => random.integer(0, 255)));
  const bytes = (...parts: (string | Uint8Array | readonly number[])[]) =>
    Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))));

  const pointer =
    'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n';
  const files: [string, Uint8Array, string][] = [
    ['a Git LFS pointer', bytes(pointer), 'fetch the file itself, for example with git lfs pull'],
    ['an HTML page', bytes('<!DOCTYPE html>\n<html><body>Log in</body></html>'), 'download the file again'],
    ['an HTML page', bytes('\ufeff\n  <html lang="en">'), 'download the file again'],
    ['an XML document', bytes('<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'), 'download'],
    [
      'a zip archive with a PyTorch checkpoint',
      bytes('PK\u0003\u0004', noise.subarray(0, 26), 'archive/data.pkl'),
      'convert it',
    ],
    [
      'a zip archive with NumPy arrays',
      bytes('PK\u0003\u0004', new Uint8Array(26), 'weight.npy'),
      'convert it',
    ],
    ['a zip archive', bytes('PK\u0003\u0004', new Uint8Array(26), 'weights.txt'), 'unpack it, or convert it'],
    ['a zip archive', bytes('PK\u0005\u0006', new Uint8Array(18)), 'unpack it'],
    ['a GGUF file', bytes('GGUF', [3, 0, 0, 0], noise), 'take the safetensors files of the same model'],
    ['a GGML file', bytes('tjgg', [3, 0, 0, 0], noise), 'take the safetensors files of the same model'],
    ['a Python pickle', bytes([0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9]), 'convert it'],
    ['a Python pickle', bytes([0x80, 4, 0x95], noise), 'save_file of the Python package safetensors'],
    ['a gzip archive', gzipSync(noise), 'unpack it'],
    ['a Zstandard archive', bytes([0x28, 0xb5, 0x2f, 0xfd], noise), 'unpack it'],
    ['a tar archive', bytes('model.bin', new Uint8Array(248), 'ustar\u000000', noise), 'unpack it'],
    ['an HDF5 file', bytes([0x89], 'HDF\r\n\u001a\n', noise), 'convert it'],
    ['an array of NumPy', bytes([0x93], 'NUMPY', [1, 0], noise), 'convert it'],
    ['a MessagePack file', bytes([0x81, 0xa6], 'params', noise), 'convert it'],
    ['an ONNX model', bytes([8, 7, 0x12, 7], 'pytorch', noise), 'take the weights that it was exported from'],
    ['an ONNX model', bytes([8, 10, 0x3a, 0xff, 0x7f], noise), 'take the weights that it was exported from'],
    ['a TensorFlow Lite model', bytes([0x1c, 0, 0, 0], 'TFL3', noise), 'convert it'],
    ['JSON', bytes('{\n  "metadata": {"total_size": 7},\n  "weight_map": {}}'), "ends in '.json'"],
    ['JSON', bytes('[{"a": 1}]'), "ends in '.json'"],
    ['text that begins with "Entry not found"', bytes('Entry not found'), 'download the file again'],
    [
      'text that begins with "Access to model x is restricted',
      bytes('Access to model x is restricted.\n'),
      'download',
    ],
  ];

  for (const [what, content, advice] of files) {
    it(`is named, if it is ${what} (${content
      .subarray(0, 12)
      .toString()
      .replace(/[^ -~]/g, '.')} …)`, async () => {
      const path = pathOf('file');
      await writeFile(path, content);
      await rejectsHeed(
        () => open(path),
        'HEED_MALFORMED_FILE',
        `Malformed file ${path}: expected a safetensors file, received ${what}`,
      );
      await rejectsHeed(() => open(path), 'HEED_MALFORMED_FILE', advice);
      await rejectsHeed(() => MultiHeadAttention.load(path, { heads: 1 }), 'HEED_MALFORMED_FILE', what);
    });
  }

  it('is named in place of an index, and of config.json', async () => {
    for (const [what, content, advice] of files.filter(([what]) => what !== 'JSON')) {
      const directory = pathOf('model');
      await mkdir(directory, { recursive: true });
      for (const [name, thing, call] of [
        ['model.safetensors.index.json', 'the index', () => open(directory)],
        ['config.json', 'the configuration', () => MultiHeadAttention.load(directory)],
      ] as const) {
        await writeFile(join(directory, name), content);
        const start = `Malformed file ${join(directory, name)}: expected ${thing} to be JSON, received ${what}`;
        await rejectsHeed(call, 'HEED_MALFORMED_FILE', start);
        await rejectsHeed(call, 'HEED_MALFORMED_FILE', advice);
      }
    }
  });

  it('is named, if it is empty or a directory', async () => {
    const path = pathOf('nothing');
    await writeFile(path, '');
    await rejectsHeed(() => open(path), 'HEED_MALFORMED_FILE', 'the file is empty');
    const directory = pathOf('sharded');
    await mkdir(join(directory, 'shard.safetensors'), { recursive: true });
    const index = join(directory, 'model.safetensors.index.json');
    await writeFile(index, '');
    await rejectsHeed(() => open(directory), 'HEED_MALFORMED_FILE', 'the file is empty');
    await writeFile(index, JSON.stringify({ weight_map: { a: 'shard.safetensors' } }));
    await rejectsHeed(
      () => open(directory),
      'HEED_FILE_ERROR',
      /shard\.safetensors to be a regular file, received a directory$/,
    );
  });

  it('is told apart from a safetensors file that has a mistake, whatever its first bytes', async () => {
    // The length of the header, 0x088b1f, has the first bytes of a gzip archive.
    const header = JSON.stringify({ a: { dtype: 'F128', shape: [], data_offsets: [0, 4] } });
    const path = pathOf('lookalike');
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(0x088b1fn);
    await writeFile(path, bytes(length, header.padEnd(0x088b1f), new Uint8Array(4)));
    await rejectsHeed(() => open(path), 'HEED_MALFORMED_FILE', 'the dtype of tensor "a"');
  });

  it('is looked for in a directory, with what to do about others', async () => {
    const directory = pathOf('other');
    await mkdir(directory);
    await writeFile(join(directory, 'pytorch_model.bin'), '');
    await rejectsHeed(
      () => open(directory),
      'HEED_FILE_ERROR',
      'found "pytorch_model.bin": heed reads safetensors, so convert the weights',
    );
    await writeFile(join(directory, 'adapter_model.safetensors'), '');
    await rejectsHeed(() => open(directory), 'HEED_FILE_ERROR', 'give the path of one of these');
  });
});
