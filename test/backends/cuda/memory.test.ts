/** Tests the memory of devices: use, limits, and exhaustion. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { attention, attentionDetails, attentionSync } from '../../../lib/attention/attention.js';
import { mergeAttention } from '../../../lib/attention/merge.js';
import { deviceMemory, limitDeviceMemory, trimDeviceMemory } from '../../../lib/backends/devices.js';
import { KeyValueCache } from '../../../lib/key-value-cache/key-value-cache.js';
import { MultiHeadAttention } from '../../../lib/multi-head-attention/multi-head-attention.js';
import { project } from '../../../lib/projection/project.js';
import { Tensor } from '../../../lib/tensor/tensor.js';
import { randomInputs } from '../../support/attention.js';
import { collected } from '../../support/collected.js';
import { expectMemoryBack, onDevice, sameElements, toDevice } from '../../support/device.js';
import { Random } from '../../support/random.js';
import { rejectsHeed, throwsHeed } from '../../support/rejects.js';

onDevice('the memory of a device', (location) => {
  const random = new Random('memory of a device');
  const used = () => deviceMemory(location).used;
  beforeEach(collected);

  const expectBack = (before: number) => expectMemoryBack(location, before);

  it('is used by tensors until they are disposed of', () => {
    const before = used();
    const tensor = Tensor.zeros('float32', [250_000], location);
    const { used: more, total, peak, limit, free } = deviceMemory(location);
    assert.ok(more >= before + 1e6, `${more} after ${before}`);
    assert.ok(more < before + 2e6, `${more} after ${before}`);
    assert.ok(peak >= more && limit >= more && total >= more && free <= total);
    tensor.dispose();
    expectBack(before);
  });

  it('is kept for what comes next, and given back when asked', () => {
    Tensor.zeros('float32', [250_000], location).dispose();
    const { cached, peak } = deviceMemory(location);
    assert.ok(cached >= 1e6);
    Tensor.zeros('float32', [250_000], location).dispose();
    assert.equal(deviceMemory(location).cached, cached);
    trimDeviceMemory(location);
    assert.equal(deviceMemory(location).cached, 0);
    assert.equal(deviceMemory(location).peak, peak);
  });

  it('is let go by what nobody has any more', async () => {
    const inputs = randomInputs(random, { queries: 60, keys: 60, width: 32 });
    const weight = () => ({ weight: random.tensor('float32', [32, 32]) });
    async function forget(): Promise<void> {
      const [query, key, value] = await toDevice([inputs.query, inputs.key, inputs.value]);
      await attention(query, key.reshape(key.dims), value);
      const layer = new MultiHeadAttention(
        { query: weight(), key: weight(), value: weight(), output: weight() },
        { heads: 2, location },
      );
      await layer.forward(Tensor.zeros('float32', [1, 5, 32], location));
      const cache = new KeyValueCache({ batch: 2, heads: 4, width: 32, capacity: 64, location });
      cache.append(key, value);
      await attention(query, cache.fork());
    }
    // The first operations allocate the memory that the device needs for any operation.
    await forget();
    await collected();
    const before = used();
    for (let i = 0; i < 3; i++) await forget();
    assert.ok(used() > before);
    await collected();
    expectBack(before);
  });

  it('is not used by a layer after a call, but for its result', async () => {
    const weight = () => ({ weight: random.tensor('float32', [32, 32]) });
    using layer = new MultiHeadAttention(
      { query: weight(), key: weight(), value: weight(), output: weight() },
      { heads: 2, location, rotary: {} },
    );
    const input = Tensor.zeros('float32', [4, 50, 32], location);
    (await layer.forward(input)).dispose();
    const before = used();
    for (let i = 0; i < 3; i++) {
      const results = [await layer.forward(input), layer.forwardSync(input)];
      assert.ok(used() > before);
      for (const result of results) result.dispose();
      expectBack(before);
    }
    await layer.forward(Tensor.zeros('float32', [4, 50, 32]));
    expectBack(before);
  });

  it('is used by the norms of a layer from its beginning to its end', async () => {
    const linear = () => ({ weight: random.tensor('float32', [32, 32]) });
    const norm = () => ({ weight: random.tensor('float32', [16]) });
    const input = Tensor.zeros('float32', [1, 5, 32], location);
    const make = () =>
      new MultiHeadAttention(
        { query: linear(), key: linear(), value: linear(), queryNorm: norm(), keyNorm: norm() },
        { heads: 2, location },
      );
    // The first call allocates the memory that any call needs.
    const first = make();
    (await first.forward(input)).dispose();
    first.dispose();
    await collected();
    const before = used();
    // More layers than the number of tables kept of any kind.
    const layers = Array.from({ length: 6 }, make);
    const made = used();
    for (let i = 0; i < 2; i++) {
      for (const layer of layers) (await layer.forward(input)).dispose();
      expectBack(made);
    }
    for (const layer of layers) layer.dispose();
    expectBack(before);
  });

  it('stays as it is over many operations of every kind', async () => {
    const weight = () => ({ weight: random.tensor('float32', [32, 32]) });
    using layer = new MultiHeadAttention(
      { query: weight(), key: weight(), value: weight(), output: weight() },
      { heads: 2, location, rotary: {} },
    );
    using cache = new KeyValueCache({ batch: 1, heads: 2, width: 16, capacity: 64, pageSize: 8, location });
    const here = Tensor.zeros('float32', [1, 3, 32]);
    const there = await here.to(location);
    const heads = there.reshape([1, 3, 2, 16]);
    const cycle = async () => {
      const made = [
        await layer.forward(there, { cache }),
        layer.forwardSync(there),
        await attention(heads, heads, heads, { layout: 'bshd' }),
        there.cast('bfloat16'),
        await here.to(location),
        Tensor.zeros('int32', [1000], location),
      ];
      await layer.forward(here);
      await made[2].getData();
      const controller = new AbortController();
      const aborted = layer.forward(here, { signal: controller.signal });
      controller.abort();
      await aborted.catch(() => undefined);
      using fork = cache.fork();
      await assert.rejects(layer.forward(there, { cache: fork, signal: AbortSignal.abort() }));
      cache.truncate(3);
      for (const tensor of made) tensor.dispose();
    };
    // Tables of angles are kept once they are created, so the first cycles do not count.
    for (let i = 0; i < 4; i++) await cycle();
    await collected();
    const before = deviceMemory(location);
    for (let i = 0; i < 50; i++) await cycle();
    await collected();
    const { cached } = deviceMemory(location);
    expectBack(before.used);
    assert.ok(cached <= 2 * before.cached + 2 ** 21, `${cached} bytes cached, ${before.cached} before`);
  });

  it('stays as it is over thousands of operations, as that of the process does', function () {
    this.timeout(120_000);
    const args = ['--expose-gc', join(__dirname, 'children', 'leaks.js'), '3000'];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
    const { before, after } = JSON.parse(stdout);
    assert.ok(after.used <= before.used, `${after.used} bytes are used there, ${before.used} before`);
    assert.ok(after.cached < 2 ** 20, `${after.cached} bytes are cached there`);
    assert.ok(after.arrays <= before.arrays, `${after.arrays} bytes in arrays, ${before.arrays} before`);
    const grown = after.resident - before.resident;
    assert.ok(grown < 24 * 2 ** 20, `resident memory has grown by ${grown} bytes`);
  });

  it('of results goes at once where an operation is not carried out', async () => {
    const dims = [1, 2, 40, 32];
    const [query, key, value] = await toDevice(
      Array.from({ length: 3 }, () => random.tensor('float32', dims)),
    );
    const matrix = await random.tensor('float32', [32, 32]).to(location);
    const logSumExp = await random.tensor('float32', dims.slice(0, 3)).to(location);
    const linear = { weight: random.tensor('float32', [32, 32]) };
    using layer = new MultiHeadAttention(
      { query: linear, key: linear, value: linear, output: linear },
      { heads: 2, location },
    );
    const signal = AbortSignal.abort();
    const include = ['weights', 'logSumExp'] as const;
    const input = query.reshape([2, 40, 32]);
    const calls: Readonly<Record<string, () => Promise<unknown>>> = {
      attention: () => attention(query, key, value, { signal }),
      attentionSync: async () => attentionSync(query, key, value, { signal }),
      attentionDetails: () => attentionDetails(query, key, value, { include, signal }),
      project: () => project(input, matrix, undefined, { signal }),
      mergeAttention: () => mergeAttention([{ output: query, logSumExp }], { signal }),
      forward: () => layer.forward(input, { signal }),
      forwardDetails: () => layer.forwardDetails(input, { include, signal }),
    };
    for (const [name, call] of Object.entries(calls)) {
      const before = used();
      await assert.rejects(call, { name: 'AbortError' }, name);
      assert.equal(used(), before, name);
    }
  });

  it('that nobody asked for is not left with the details of an attention', async () => {
    const dims = [1, 2, 40, 32];
    const [query, key, value] = await toDevice(
      Array.from({ length: 3 }, () => random.tensor('float32', dims)),
    );
    await attentionDetails(query, key, value, { include: ['weights'] });
    const before = used();
    const { output, weights } = await attentionDetails(query, key, value, { include: ['weights'] });
    output.dispose();
    weights?.dispose();
    expectBack(before);
  });

  it('of a cache goes with the last of its forks', () => {
    const before = used();
    const cache = new KeyValueCache({ batch: 1, heads: 2, width: 16, capacity: 64, pageSize: 8, location });
    const rows = Tensor.zeros('float32', [1, 2, 20, 16]);
    cache.append(rows, rows);
    const fork = cache.fork();
    fork.append(rows, rows);
    cache.dispose();
    assert.ok(used() > before);
    fork.dispose();
    expectBack(before);
  });

  describe('when there is none left', () => {
    afterEach(() => limitDeviceMemory(Number.POSITIVE_INFINITY, location));

    it('says so, and everything else goes on', async () => {
      const inputs = randomInputs(random, { queries: 60, keys: 60, width: 32 });
      const [query, key, value] = await toDevice([inputs.query, inputs.key, inputs.value]);
      const expected = await (await attention(query, key, value)).getData();
      await collected();
      trimDeviceMemory(location);
      const before = used();
      limitDeviceMemory(before, location);
      assert.equal(deviceMemory(location).limit, before);
      await rejectsHeed(() => attention(query, key, value), 'HEED_OUT_OF_MEMORY', /\d+ bytes/);
      await rejectsHeed(() => inputs.query.to(location), 'HEED_OUT_OF_MEMORY', /\d+ bytes/);
      throwsHeed(() => Tensor.zeros('float32', [100_000], location), 'HEED_OUT_OF_MEMORY', /\d+ bytes/);
      throwsHeed(() => query.cast('float16'), 'HEED_OUT_OF_MEMORY', /\d+ bytes/);
      await rejectsHeed(
        () => attention(inputs.query, inputs.key, inputs.value, { backend: 'cuda' }),
        'HEED_OUT_OF_MEMORY',
        /\d+ bytes/,
      );
      const linear = { weight: Tensor.zeros('float32', [512, 512]) };
      throwsHeed(
        () => new MultiHeadAttention({ query: linear, key: linear, value: linear }, { heads: 8, location }),
        'HEED_OUT_OF_MEMORY',
        /\d+ bytes/,
      );
      expectBack(before);
      limitDeviceMemory(Number.POSITIVE_INFINITY, location);
      await sameElements(await attention(query, key, value), expected);
    });

    it('nothing is left of results and weights that there was room for', async () => {
      const [query, key, value] = await toDevice(
        Array.from({ length: 3 }, () => random.tensor('float32', [1, 2, 200, 32])),
      );
      const linear = { weight: random.tensor('float32', [64, 64]) };
      const wide = { weight: random.tensor('float32', [4096, 64]) };
      await collected();
      trimDeviceMemory(location);
      const before = used();
      // Room for only one of the matrices; for the first weights, but not for the last.
      limitDeviceMemory(before + 500_000, location);
      await rejectsHeed(
        () => attentionDetails(query, key, value, { include: ['logSumExp', 'scores', 'weights'] }),
        'HEED_OUT_OF_MEMORY',
        /\d+ bytes/,
      );
      assert.equal(used(), before);
      throwsHeed(
        () =>
          new MultiHeadAttention(
            { query: linear, key: linear, value: linear, output: wide },
            { heads: 2, location },
          ),
        'HEED_OUT_OF_MEMORY',
        /\d+ bytes/,
      );
      assert.equal(used(), before);
    });

    it('a cache stays as it was, and appends once there is some', () => {
      using cache = new KeyValueCache({
        batch: 1,
        heads: 2,
        width: 64,
        capacity: 4096,
        pageSize: 64,
        location,
      });
      const key = random.tensor('float32', [1, 2, 100, 64]);
      trimDeviceMemory(location);
      limitDeviceMemory(used(), location);
      throwsHeed(() => cache.append(key, key), 'HEED_OUT_OF_MEMORY', /\d+ bytes/);
      assert.deepEqual([...cache.lengths], [0]);
      limitDeviceMemory(Number.POSITIVE_INFINITY, location);
      cache.append(key, key);
      assert.deepEqual([...cache.lengths], [100]);
    });

    it('uses what is cached first', () => {
      trimDeviceMemory(location);
      Tensor.zeros('float32', [100_000], location).dispose();
      const { used: before, cached } = deviceMemory(location);
      limitDeviceMemory(before + cached, location);
      // In another size class, so that cached memory must be freed for it.
      Tensor.zeros('float32', [3000], location).dispose();
      Tensor.zeros('float32', [90_000], location).dispose();
      expectBack(before);
    });
  });
});
