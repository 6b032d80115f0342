import assert from 'node:assert/strict';
import { mkdir, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { open, save } from '../../lib/safetensors.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { expectSameBits } from '../support/compare.js';
import { Random } from '../support/random.js';
import { rejectsHeed } from '../support/rejects.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

describe('safetensors in several files', () => {
  const pathOf = temporaryDirectory();
  const random = new Random('safetensors in several files');
  const shardName = (i: number) => `model-0000${i + 1}-of-00003.safetensors`;
  let count = 0;

  /** A directory with three shards and their index; `change` may corrupt the index. */
  async function write(change: (map: Record<string, unknown>) => unknown = (map) => ({ weight_map: map })) {
    const directory = pathOf(`model-${count++}`);
    await mkdir(directory);
    const tensors: Record<string, Tensor> = {};
    const map: Record<string, string> = {};
    for (let shard = 0; shard < 3; shard++) {
      const own: Record<string, Tensor> = {};
      for (let i = random.integer(1, 4); i > 0; i--) {
        own[`layers.${shard}.w${i}`] = random.tensor('float32', [random.integer(0, 5), 3]);
      }
      Object.assign(tensors, own);
      for (const name of Object.keys(own)) map[name] = shardName(shard);
      await save(join(directory, shardName(shard)), own, { format: 'pt', [`shard${shard}`]: 'yes' });
    }
    const index = join(directory, 'model.safetensors.index.json');
    const content = change(map);
    await writeFile(index, typeof content === 'string' ? content : JSON.stringify(content));
    return { directory, index, tensors };
  }

  it('are opened as one, by the index or by the directory', async () => {
    const { directory, index, tensors } = await write((map) => ({
      metadata: { total_size: 7 },
      weight_map: map,
    }));
    for (const path of [index, pathToFileURL(index), directory, pathToFileURL(directory)]) {
      await using file = await open(path);
      assert.equal(file.path, index);
      assert.deepEqual([...file.tensors.keys()].sort(), Object.keys(tensors).sort());
      assert.deepEqual({ ...file.metadata }, { format: 'pt', shard0: 'yes', shard1: 'yes', shard2: 'yes' });
      for (const [name, tensor] of Object.entries(tensors)) {
        assert.deepEqual(file.tensors.get(name)?.dims, tensor.dims);
        expectSameBits(await file.read(name), tensor);
      }
      await rejectsHeed(
        () => file.read('layers.9.w1'),
        'HEED_UNKNOWN_TENSOR',
        `Expected ${index} to hold tensor "layers.9.w1", found "layers.`,
      );
    }
    const file = await open(index);
    await file.close();
    await rejectsHeed(() => file.read('layers.0.w1'), 'HEED_DISPOSED', 'closed');
  });

  it('give way to a single file in the directory', async () => {
    const { directory } = await write();
    await save(join(directory, 'model.safetensors'), { alone: random.tensor('float32', [1]) });
    await using file = await open(directory);
    assert.deepEqual([...file.tensors.keys()], ['alone']);
  });

  it('are read without one that is missing, which is named for its tensors, with what was found', async () => {
    const { directory, index, tensors } = await write();
    await unlink(join(directory, shardName(1)));
    await using file = await open(directory);
    for (const [name, tensor] of Object.entries(tensors)) {
      assert.equal(file.tensors.has(name), !name.startsWith('layers.1.'));
      if (file.tensors.has(name)) {
        expectSameBits(await file.read(name), tensor);
        continue;
      }
      await rejectsHeed(
        () => file.read(name),
        'HEED_FILE_ERROR',
        new RegExp(
          `Expected ${directory} to hold "${shardName(1)}", which ${index} names for "layers.1.w.*, found "${shardName(0)}", "${shardName(2)}"$`,
        ),
      );
    }
    for (const shard of [0, 2]) await unlink(join(directory, shardName(shard)));
    await rejectsHeed(() => open(directory), 'HEED_FILE_ERROR', `to hold "${shardName(0)}"`);
  });

  it('are read without one that is malformed, which is named for its tensors', async () => {
    const { directory, tensors } = await write();
    const contents = ['version https://git-lfs.github.com/spec/v1\n', '{}', ''];
    await writeFile(join(directory, shardName(2)), random.pick(contents));
    await using file = await open(directory);
    for (const [name, tensor] of Object.entries(tensors)) {
      if (!name.startsWith('layers.2.')) expectSameBits(await file.read(name), tensor);
      else await rejectsHeed(() => file.read(name), 'HEED_MALFORMED_FILE', join(directory, shardName(2)));
    }
  });

  it('are read where the index disagrees with them about other tensors', async () => {
    const more = await write((map) => ({ weight_map: { ...map, 'layers.0.extra': shardName(0) } }));
    await using lacking = await open(more.index);
    for (const [name, tensor] of Object.entries(more.tensors))
      expectSameBits(await lacking.read(name), tensor);
    assert.equal(lacking.tensors.has('layers.0.extra'), false);
    await rejectsHeed(
      () => lacking.read('layers.0.extra'),
      'HEED_MALFORMED_FILE',
      `expected ${join(more.directory, shardName(0))} to hold "layers.0.extra", found "layers.0.w`,
    );

    const elsewhere = await write((map) => ({ weight_map: { ...map, 'layers.0.w1': shardName(2) } }));
    await using misled = await open(elsewhere.index);
    expectSameBits(await misled.read('layers.1.w1'), elsewhere.tensors['layers.1.w1']);
    await rejectsHeed(() => misled.read('layers.0.w1'), 'HEED_MALFORMED_FILE', '"layers.0.w1"');

    const less = await write(({ 'layers.2.w1': _, ...map }) => ({
      weight_map: { ...map, 'layers.2.w0': shardName(2) },
    }));
    await using unnamed = await open(less.index);
    for (const [name, tensor] of Object.entries(less.tensors))
      expectSameBits(await unnamed.read(name), tensor);
  });

  it('are not read where two have a tensor that the index gives to neither', async () => {
    const { directory, index, tensors } = await write();
    for (const shard of [0, 1]) {
      const own = Object.entries(tensors).filter(([name]) => name.startsWith(`layers.${shard}.`));
      const twice = random.tensor('float32', [3]);
      await save(join(directory, shardName(shard)), { ...Object.fromEntries(own), twice });
    }
    await using file = await open(index);
    assert.equal(file.tensors.has('twice'), false);
    await rejectsHeed(
      () => file.read('twice'),
      'HEED_MALFORMED_FILE',
      'expected weight_map to say which of several files "twice" is read from',
    );
    expectSameBits(await file.read('layers.0.w1'), tensors['layers.0.w1']);
  });

  it('are refused when the index is malformed', async () => {
    const cases: [(map: Record<string, unknown>) => unknown, string][] = [
      [() => '', 'to start with "{"'],
      [() => '{"weight_map": ', 'the index to be JSON'],
      [() => '{"weight_map":{"a":"x","a":"y"}}', 'every key once, received "a" twice'],
      [() => ({}), 'expected weight_map to be an object, received nothing'],
      [() => ({ weight_map: ['a'] }), 'expected weight_map to be an object'],
      [
        () => ({ weight_map: { a: 7 } }),
        'expected weight_map["a"] to be the name of a file beside it, received 7',
      ],
      [() => ({ weight_map: { a: '' } }), 'received ""'],
      [() => ({ weight_map: { a: '../../secret' } }), 'received "../../secret"'],
      [() => ({ weight_map: { a: '..' } }), 'received ".."'],
      [() => ({ weight_map: { a: '/etc/passwd' } }), 'received "/etc/passwd"'],
    ];
    for (const [change, message] of cases) {
      const { index } = await write(change);
      await rejectsHeed(() => open(index), 'HEED_MALFORMED_FILE', message);
    }
  });

  it('are not looked for in directories without them', async () => {
    const directory = pathOf('empty');
    await mkdir(directory);
    await rejectsHeed(
      () => open(directory),
      'HEED_FILE_ERROR',
      `Expected the directory ${directory} to hold model.safetensors or model.safetensors.index.json, found no files`,
    );
    await writeFile(join(directory, 'pytorch_model.bin'), '');
    await rejectsHeed(() => open(directory), 'HEED_FILE_ERROR', 'found "pytorch_model.bin"');
    await rejectsHeed(
      () => open(join(directory, 'model.safetensors.index.json')),
      'HEED_FILE_ERROR',
      'ENOENT',
    );
  });
});
