/** Tests that a cache that was saved and loaded is the same, and that files which are no such caches are refused. */
import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { attentionSync } from '../../lib/attention/attention.js';
import { HeedError, type HeedErrorCode } from '../../lib/errors.js';
import { type CacheType, KeyValueCache } from '../../lib/key-value-cache/key-value-cache.js';
import { save } from '../../lib/safetensors.js';
import { Tensor } from '../../lib/tensor/tensor.js';
import { fileBytes } from '../safetensors/file-bytes.js';
import { eachBackend, locationOf } from '../support/backends.js';
import { cacheTypes } from '../support/cached.js';
import { expectSameBits } from '../support/compare.js';
import { Random } from '../support/random.js';
import { rejectsHeed } from '../support/rejects.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

/** What a cache says of itself. */
const portrait = ({
  batch,
  heads,
  width,
  valueWidth,
  capacity,
  type,
  location,
  ...cache
}: KeyValueCache) => ({
  ...{ batch, heads, width, valueWidth, capacity, type, location },
  ...{ pageSize: cache.pageSize, rolling: cache.rolling },
});

function appendTo(caches: readonly KeyValueCache[], random: Random, most: number): void {
  const [{ batch, heads, width, valueWidth }] = caches;
  const steps = random.integer(0, most);
  const key = random.tensor('float32', [batch, heads, steps, width]);
  const value = random.tensor('float32', [batch, heads, steps, valueWidth]);
  const lengths = Array.from({ length: batch }, () => random.integer(0, steps));
  for (const cache of caches) cache.append(key, value, { lengths });
}

eachBackend('a cache that is saved', (backend) => {
  const at = temporaryDirectory();
  const random = new Random(`saved caches on ${backend}`);
  const location = locationOf(backend);

  /** One with steps, of which forks may share some. */
  function drawn(type: CacheType): KeyValueCache {
    const rolls = random.chance(0.4);
    const pageSize = rolls || random.chance(0.7) ? random.integer(1, 7) : undefined;
    const cache = new KeyValueCache({
      batch: random.integer(1, 3),
      heads: random.integer(1, 3),
      width: random.integer(1, 40),
      valueWidth: random.integer(1, 40),
      capacity: 80,
      type,
      location,
      ...(pageSize !== undefined && { pageSize }),
      ...(rolls && { rolling: { window: random.integer(1, 9), sinks: random.integer(0, 9) } }),
    });
    const append = (to: KeyValueCache, times: number) => {
      for (let i = 0; i < times; i++) appendTo([to], random, rolls ? 12 : 6);
    };
    append(cache, random.integer(0, 6));
    if (random.chance(0.3))
      cache.truncate([...cache.lengths].map((length) => (random.chance(0.5) ? length : 0)));
    if (random.chance(0.5)) return cache;
    const entries = Array.from({ length: random.integer(1, 4) }, () => random.integer(0, cache.batch - 1));
    const fork = cache.fork({ entries });
    append(fork, random.integer(0, 3));
    return fork;
  }

  function expectSame(loaded: KeyValueCache, cache: KeyValueCache): void {
    assert.deepEqual(portrait(loaded), portrait(cache));
    assert.deepEqual([...loaded.lengths], [...cache.lengths]);
    assert.deepEqual([...loaded.dropped], [...cache.dropped]);
    const query = random.tensor('float32', [cache.batch, 2 * cache.heads, 3, cache.width]);
    const attend = (over: KeyValueCache) => attentionSync(query, over, { backend, causal: true });
    expectSameBits(attend(loaded), attend(cache));
  }

  for (const type of cacheTypes) {
    it(`is the same when it is loaded, and goes on in the same way, of ${type}`, async () => {
      for (let round = 0; round < (backend === 'cuda' ? 8 : 30); round++) {
        const cache = drawn(type);
        const file = at(`${type}.safetensors`);
        await cache.save(round % 2 ? file : pathToFileURL(file));
        const loaded = await KeyValueCache.load(round % 2 ? pathToFileURL(file) : file, { location });
        expectSame(loaded, cache);
        assert.equal(loaded.byteLength, cache.byteLength);
        const again = at('again.safetensors');
        await loaded.save(again);
        assert.deepEqual(readFileSync(again), readFileSync(file));
        const room = 80 - Math.max(...cache.lengths);
        for (let i = 0; i < 3; i++) appendTo([loaded, cache], random, Math.min(4, Math.floor(room / 3)));
        expectSame(loaded, cache);
        const forks = [loaded.fork(), cache.fork()];
        appendTo(forks, random, Math.min(1, 80 - Math.max(...cache.lengths)));
        expectSame(forks[0], forks[1]);
        expectSame(loaded, cache);
      }
    });
  }

  it('is the same file wherever it was', async () => {
    for (const type of cacheTypes) {
      const form = { batch: 2, heads: 2, width: 24, capacity: 400, pageSize: 150, type };
      const caches = [new KeyValueCache(form), new KeyValueCache({ ...form, location })];
      for (let i = 0; i < 3; i++) appendTo(caches, random, 130);
      await caches[0].save(at('here'));
      await caches[1].save(at('there'));
      assert.deepEqual(readFileSync(at('there')), readFileSync(at('here')));
      expectSame(await KeyValueCache.load(at('here'), { location }), caches[1]);
    }
  });

  it('keeps many steps, in pages of the default size', async () => {
    const cache = new KeyValueCache({ batch: 2, heads: 2, width: 64, capacity: 10_000, location });
    const steps = random.tensor('float32', [2, 2, 2500, 64]);
    cache.append(steps, steps, { lengths: [2500, 1200] });
    await cache.save(at('many'));
    const loaded = await KeyValueCache.load(at('many'), { location });
    expectSame(loaded, cache);
    assert.equal(loaded.pageSize, undefined);
  });

  it('is written as it is when save is called', async () => {
    const cache = new KeyValueCache({ batch: 1, heads: 2, width: 8, capacity: 500, pageSize: 4, location });
    const steps = random.tensor('float32', [1, 2, 99, 8]);
    cache.append(steps, steps);
    const copy = cache.fork();
    const saving = cache.save(at('busy'));
    cache.truncate(50);
    cache.append(steps, steps);
    cache.dispose();
    await saving;
    expectSame(await KeyValueCache.load(at('busy'), { location }), copy);
  });
});

describe('the file of a cache', () => {
  const at = temporaryDirectory();
  const random = new Random('files of caches');
  const form = { batch: 1, heads: 2, width: 16, valueWidth: 8, capacity: 1000, pageSize: 10 };
  const step = (count: number) =>
    [random.tensor('float32', [1, 2, count, 16]), random.tensor('float32', [1, 2, count, 8])] as const;

  it('has each page once, and of it the steps in use', async () => {
    const cache = new KeyValueCache(form);
    cache.append(...step(403));
    const size = async (each: KeyValueCache) => {
      await each.save(at('size'));
      return statSync(at('size')).size;
    };
    const one = await size(cache);
    const stepBytes = 2 * (16 + 8) * 4;
    assert.ok(one > 403 * stepBytes && one < 403 * stepBytes + 2000, `${one} bytes`);
    const forks = cache.fork({ entries: new Array(50).fill(0) });
    const each = (await size(forks)) - one;
    assert.ok(each < 50 * 50 * 4, `${each} bytes more for forks`);
    const loaded = await KeyValueCache.load(at('size'));
    const { arrayBuffers } = process.memoryUsage();
    const several = await KeyValueCache.load(at('size'));
    const taken = process.memoryUsage().arrayBuffers - arrayBuffers;
    assert.ok(taken < 2 ** 22, `${taken} bytes for pages that are shared`);
    assert.equal(loaded.batch, several.batch);
  });

  interface Parts {
    header: Record<string, { dtype: string; shape: number[]; data_offsets: number[] }>;
    form: Record<string, unknown>;
    data: Buffer;
  }

  /** The file of a cache with one thing changed. */
  async function changed(change?: (parts: Parts) => void): Promise<string> {
    const cache = new KeyValueCache({ ...form, batch: 2, type: 'int8', rolling: { window: 20, sinks: 10 } });
    const [key, value] = [random.tensor('float32', [2, 2, 47, 16]), random.tensor('float32', [2, 2, 47, 8])];
    cache.append(key, value, { lengths: [47, 15] });
    cache.append(key, value, { lengths: [3, 0] });
    await cache.save(at('good'));
    const bytes = readFileSync(at('good'));
    const length = Number(bytes.readBigUInt64LE());
    const { __metadata__, ...header } = JSON.parse(bytes.subarray(8, 8 + length).toString());
    const parts: Parts = {
      header,
      form: JSON.parse(__metadata__['heed.KeyValueCache']),
      data: bytes.subarray(8 + length),
    };
    change?.(parts);
    const metadata = { 'heed.KeyValueCache': JSON.stringify(parts.form) };
    writeFileSync(
      at('changed'),
      fileBytes(JSON.stringify({ __metadata__: metadata, ...parts.header }), parts.data),
    );
    return at('changed');
  }

  const number = (name: string, index: number, value: number) => (parts: Parts) => {
    const [start] = parts.header[name].data_offsets;
    if (name === 'dropped') parts.data.writeDoubleLE(value, start + 8 * index);
    else parts.data.writeInt32LE(value, start + 4 * index);
  };
  const property = (name: string, value: unknown) => (parts: Parts) => {
    parts.form[name] = value;
  };
  /** Gives a tensor's bytes another name, type or shape. */
  const tensor = (name: string, to: string, entry: object) => (parts: Parts) => {
    const { [name]: old, ...others } = parts.header;
    parts.header = { ...others, [to]: { ...old, ...entry } };
  };

  const wrong: readonly [title: string, change: (parts: Parts) => void, message: string][] = [
    ['another version', property('version', 2), 'expected version 1 of a saved cache, received 2'],
    ['no heads', property('heads', 0), 'options.heads'],
    ['other heads', property('heads', 3), 'to be I8'],
    ['another width', property('width', 15), 'expected the tensor key to be I8'],
    ['a type that there is not', property('type', 'int4'), 'options.type'],
    ['another type', property('type', 'float16'), 'expected the tensor key to be F16'],
    ['no capacity', property('capacity', null), 'expected capacity to be a number of steps, received null'],
    [
      'less capacity than steps',
      property('capacity', 39),
      'expected lengths[0] to be an integer from 0 to 39',
    ],
    ['too great a window', property('rolling', { window: 990, sinks: 10 }), 'options.capacity'],
    ['pages of nothing', property('pageSteps', 0), 'expected pageSteps to be from 1'],
    ['another page size', property('pageSize', 11), 'expected pageSize to be that of pages of 10'],
    ['other pages', (parts) => Object.assign(parts.form, { pageSize: 9, pageSteps: 9 }), 'expected used[0]'],
    ['no rolling, but dropped steps', property('rolling', undefined), 'expected dropped[0] to be 0'],
    ['a hostile rolling', property('rolling', { window: 0, sinks: 0 }), 'options.rolling.window'],
    ['a negative length', number('lengths', 0, -1), 'expected lengths[0] to be an integer from 0 to 1000'],
    ['too great a length', number('lengths', 1, 1001), 'expected lengths[1]'],
    ['another length', number('lengths', 1, 35), 'expected pages for all lengths'],
    ['a shorter length', number('lengths', 1, 14), 'expected used['],
    ['a page that there is not', number('pages', 2, 99), 'expected pages[2]'],
    ['a page twice', number('pages', 1, 0), 'expected used[1] to be the steps that entries have'],
    ['a page too long', number('used', 0, 11), 'expected used[0] to be an integer from 1 to 10'],
    ['half a page', number('used', 0, 9), 'expected the tensor key to be I8'],
    [
      'dropped steps that are no page',
      number('dropped', 0, 7),
      'expected dropped[0] to be 0, or whole pages',
    ],
    ['dropped steps of a short entry', number('dropped', 1, 10), 'expected dropped[1]'],
    ['dropped steps that are no number', number('dropped', 0, Number.NaN), 'expected dropped[0]'],
    ['no keys', tensor('key', 'keys', {}), 'expected the tensor key to be I8'],
    ['lengths of another type', tensor('lengths', 'lengths', { dtype: 'U32' }), 'lengths to be I32'],
    ['lengths of two axes', tensor('lengths', 'lengths', { shape: [1, 2] }), 'lengths to be I32'],
    ['no lengths', tensor('lengths', 'length', {}), 'expected the tensor lengths, found'],
    ['values of another shape', tensor('value', 'value', { shape: [8, -1] }), 'shape'],
  ];
  for (const [title, change, message] of wrong) {
    it(`is refused with ${title}`, async () => {
      const file = await changed(change);
      await rejectsHeed(() => KeyValueCache.load(file), 'HEED_MALFORMED_FILE', message);
    });
  }

  it('is taken as it is', async () => {
    const loaded = await KeyValueCache.load(await changed());
    assert.deepEqual(
      [[...loaded.lengths], [...loaded.dropped]],
      [
        [40, 15],
        [10, 0],
      ],
    );
  });

  it('has nothing else', async () => {
    const file = await changed((parts) => {
      const end = parts.data.length;
      parts.header.more = { dtype: 'U8', shape: [8], data_offsets: [end, end + 8] };
      parts.data = Buffer.concat([parts.data, Buffer.alloc(8)]);
    });
    await rejectsHeed(
      () => KeyValueCache.load(file),
      'HEED_MALFORMED_FILE',
      'no other tensors, found "more"',
    );
  });

  it('is told from others', async () => {
    await save(at('model'), { weight: Tensor.zeros('float32', [2, 2]) });
    const refusals: readonly [path: unknown, options: unknown, code: HeedErrorCode, message: string][] = [
      [at('model'), {}, 'HEED_MALFORMED_FILE', 'what the save() of a KeyValueCache wrote'],
      [at('nothing'), {}, 'HEED_FILE_ERROR', 'Could not open'],
      [7, {}, 'HEED_INVALID_ARGUMENT', 'path'],
      [at('model'), { place: 'cpu' }, 'HEED_UNKNOWN_OPTION', 'place'],
      [at('model'), { location: 'gpu' }, 'HEED_INVALID_ARGUMENT', 'options.location'],
    ];
    for (const [path, options, code, message] of refusals)
      await rejectsHeed(() => KeyValueCache.load(path as string, options as object), code, message);
    const cache = new KeyValueCache(form);
    await rejectsHeed(() => cache.save(at('no/where')), 'HEED_FILE_ERROR', 'Could not write');
    await rejectsHeed(() => cache.save({} as string), 'HEED_INVALID_ARGUMENT', 'path');
    cache.dispose();
    await rejectsHeed(() => cache.save(at('gone')), 'HEED_DISPOSED', 'a live cache');
  });

  it('is refused, or is a cache, whatever is damaged', async () => {
    await changed();
    const good = readFileSync(at('good'));
    const counts = { refused: 0, loaded: 0 };
    for (let i = 0; i < 300; i++) {
      const bytes = Buffer.from(good);
      // Mostly in the header, and in the lists behind it.
      for (let k = random.integer(1, 3); k > 0; k--)
        bytes[random.integer(0, random.pick([1200, bytes.length - 1]))] = random.integer(0, 255);
      const kept = random.chance(0.2) ? bytes.subarray(0, random.integer(0, bytes.length)) : bytes;
      writeFileSync(at('damaged'), kept);
      try {
        using loaded = await KeyValueCache.load(at('damaged'));
        const { batch, heads, width } = loaded;
        if (batch * heads * width < 1e6)
          attentionSync(random.tensor('float32', [batch, heads, 1, width]), loaded);
        counts.loaded++;
      } catch (error) {
        assert.ok(error instanceof HeedError, String(error));
        counts.refused++;
      }
    }
    assert.ok(counts.refused > 100 && counts.loaded > 0, JSON.stringify(counts));
  });
});
