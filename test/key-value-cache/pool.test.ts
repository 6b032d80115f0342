/** Tests a pool of pages for many sequences: what is in use, what is refused, and what is released when. */
import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { attention, attentionSync } from '../../lib/attention/attention.js';
import type { HeedErrorCode } from '../../lib/errors.js';
import { KeyValueCache } from '../../lib/key-value-cache/key-value-cache.js';
import { KeyValuePool, type KeyValuePoolOptions } from '../../lib/key-value-cache/key-value-pool.js';
import { eachBackend, locationOf } from '../support/backends.js';
import { collected } from '../support/collected.js';
import { expectSameBits } from '../support/compare.js';
import { Random } from '../support/random.js';
import { zeros } from '../support/refusals.js';
import { throwsHeed } from '../support/rejects.js';

eachBackend('a pool of pages', (backend) => {
  const random = new Random(`pools on ${backend}`);
  const form = { heads: 2, width: 8, valueWidth: 5, pageSize: 4, location: locationOf(backend) } as const;
  const pageBytes = 2 * 4 * (8 + 5) * 4;
  const steps = (count: number) =>
    [random.tensor('float32', [1, 2, count, 8]), random.tensor('float32', [1, 2, count, 5])] as const;
  const append = (cache: KeyValueCache, count: number) => cache.append(...steps(count));

  it('gives sequences their pages as steps come, and takes them back', () => {
    using pool = new KeyValuePool({ ...form, pages: 10 });
    assert.deepEqual(
      [pool.heads, pool.width, pool.valueWidth, pool.pageSize, pool.pages, pool.type, pool.location],
      [2, 8, 5, 4, 10, 'float32', form.location],
    );
    assert.deepEqual([pool.used, pool.byteLength], [0, 0]);
    const [a, b] = [pool.sequence(), pool.sequence()];
    assert.deepEqual([a.batch, a.capacity, a.pageSize, pool.used], [1, 40, 4, 0]);
    append(a, 9);
    append(b, 4);
    assert.equal(pool.used, 4);
    assert.equal(pool.byteLength, 10 * pageBytes, 'a small pool is one piece of memory');
    append(b, 1);
    assert.equal(pool.used, 5);
    a.truncate(8);
    assert.equal(pool.used, 4);
    b.dispose();
    assert.equal(pool.used, 2);
    a.truncate(0);
    assert.equal(pool.used, 0);
    append(a, 40);
    assert.equal(pool.used, 10);
    a.dispose();
    assert.deepEqual([pool.used, pool.byteLength], [0, 10 * pageBytes]);
  });

  it('counts pages that forks share once', () => {
    using pool = new KeyValuePool({ ...form, pages: 10 });
    const prompt = pool.sequence();
    append(prompt, 6);
    const [a, b] = [prompt.fork(), prompt.fork()];
    assert.equal(pool.used, 2);
    // The first to write goes on behind the shared steps, the second has to copy their page.
    append(a, 1);
    assert.equal(pool.used, 2);
    append(b, 1);
    assert.equal(pool.used, 3);
    prompt.dispose();
    a.dispose();
    assert.equal(pool.used, 2);
    b.dispose();
    assert.equal(pool.used, 0);
  });

  it('refuses steps that it has no pages for, and changes nothing', () => {
    using pool = new KeyValuePool({ ...form, pages: 5 });
    const [a, b] = [pool.sequence(), pool.sequence()];
    append(a, 10);
    append(b, 3);
    const query = random.tensor('float32', [1, 4, 1, 8]);
    const before = attentionSync(query, b, { backend });
    throwsHeed(
      () => append(b, 6),
      'HEED_POOL_FULL',
      'Expected the pool to have pages left for new steps up to those of entry 0 of the cache (2), received one with 1',
    );
    throwsHeed(
      () => append(b, 38),
      'HEED_CACHE_FULL',
      'Expected entry 0 of the cache to have room for 38 more',
    );
    assert.deepEqual([pool.used, ...b.lengths], [4, 3]);
    expectSameBits(attentionSync(query, b, { backend }), before);
    // A shared page counts as it has to be copied.
    append(b, 5);
    const fork = a.fork();
    append(a, 1);
    throwsHeed(() => append(fork, 1), 'HEED_POOL_FULL', '(1), received one with 0');
    b.truncate(4);
    append(fork, 1);
    assert.deepEqual([pool.used, a.lengths[0], fork.lengths[0]], [5, 11, 11]);
  });

  it('gives every sequence what it had alone', () => {
    using pool = new KeyValuePool({ ...form, pages: 60 });
    const pairs = Array.from({ length: 6 }, () => ({
      alone: new KeyValueCache({ ...form, batch: 1, capacity: 40 }),
      among: pool.sequence(),
    }));
    for (let round = 0; round < 5; round++) {
      for (const { alone, among } of pairs) {
        const [key, value] = steps(random.integer(0, 7));
        alone.append(key, value);
        among.append(key, value);
      }
    }
    for (const { alone, among } of pairs) {
      const query = random.tensor('float32', [1, 4, 3, 8]);
      const options = { backend, causal: true };
      expectSameBits(attentionSync(query, among, options), attentionSync(query, alone, options));
    }
  });

  it('is disposed of with its sequences, but for what running operations read', async () => {
    const pool = new KeyValuePool({ ...form, pages: 5 });
    const cache = pool.sequence();
    append(cache, 5);
    const fork = cache.fork();
    const query = random.tensor('float32', [1, 4, 1, 8]);
    const expected = attentionSync(query, cache, { backend });
    // With a signal, even a small operation has to wait for a thread.
    const running = attention(query, cache, { backend, signal: new AbortController().signal });
    pool.dispose();
    assert.deepEqual([pool.disposed, cache.disposed, fork.disposed], [true, true, true]);
    throwsHeed(() => cache.lengths, 'HEED_DISPOSED', 'disposed one (KeyValueCache float32, 2 heads of 8');
    throwsHeed(() => append(fork, 1), 'HEED_DISPOSED', 'Expected a live cache');
    throwsHeed(() => pool.sequence(), 'HEED_DISPOSED', 'Expected a live pool');
    expectSameBits(await running, expected);
    assert.deepEqual([pool.used, pool.byteLength], [0, 0]);
    cache.dispose();
    pool.dispose();
    assert.match(inspect(pool), /^KeyValuePool float32, 2 heads of 8, disposed$/);
  });

  it('gets back the pages of sequences that are forgotten', async () => {
    using pool = new KeyValuePool({ ...form, pages: 5 });
    (() => append(pool.sequence(), 9))();
    assert.equal(pool.used, 3);
    await collected();
    assert.equal(pool.used, 0);
  });

  it('may be forgotten while its sequences are not', async () => {
    const cache = (() => new KeyValuePool({ ...form, pages: 5 }).sequence())();
    append(cache, 9);
    await collected();
    append(cache, 11);
    assert.deepEqual([...cache.lengths], [20]);
    throwsHeed(() => append(cache, 1), 'HEED_CACHE_FULL', '20 of 20');
  });
});

describe('a pool', () => {
  const good: KeyValuePoolOptions = { heads: 2, width: 8, pages: 5 };

  it('has pages of 16 steps unless told otherwise', () => {
    using pool = new KeyValuePool(good);
    assert.deepEqual([pool.pageSize, pool.valueWidth, pool.type], [16, 8, 'float32']);
    assert.match(inspect(pool), /^KeyValuePool float32, 2 heads of 8, 0 of 5 pages of 16 in use$/);
  });

  it('takes no memory for pages that nobody needs yet', () => {
    const { arrayBuffers } = process.memoryUsage();
    using pool = new KeyValuePool({ ...good, pages: 2 ** 31 - 1 });
    const cache = pool.sequence();
    cache.append(zeros(1, 2, 20, 8), zeros(1, 2, 20, 8));
    assert.equal(cache.capacity, 2 ** 31 - 1);
    assert.ok(process.memoryUsage().arrayBuffers - arrayBuffers < 2 ** 28);
  });

  const refusals: readonly [title: string, change: object, code: HeedErrorCode, message: string][] = [
    ['no heads', { heads: 0 }, 'HEED_INVALID_ARGUMENT', 'options.heads'],
    ['keys too wide', { width: 577 }, 'HEED_INVALID_ARGUMENT', 'options.width'],
    ['values of no width', { valueWidth: 0 }, 'HEED_INVALID_ARGUMENT', 'options.valueWidth'],
    ['no pages', { pages: 0 }, 'HEED_INVALID_ARGUMENT', 'options.pages to be an integer from 1'],
    ['half a page', { pages: 1.5 }, 'HEED_INVALID_ARGUMENT', 'options.pages'],
    ['pages not at all', { pages: undefined }, 'HEED_INVALID_ARGUMENT', 'options.pages'],
    ['pages of nothing', { pageSize: 0 }, 'HEED_INVALID_ARGUMENT', 'options.pageSize'],
    ['a type that no cache has', { type: 'float64' }, 'HEED_INVALID_ARGUMENT', 'options.type'],
    ['a capacity', { capacity: 5 }, 'HEED_UNKNOWN_OPTION', "'capacity'"],
    ['a GPU that is not there', { location: 'cuda:99' }, 'HEED_NO_CUDA', 'Expected a '],
  ];
  for (const [title, change, code, message] of refusals) {
    it(`refuses ${title}`, () => {
      throwsHeed(() => new KeyValuePool({ ...good, ...change }), code, message);
    });
  }

  it('refuses to be told nothing', () => {
    const construct = () => new (KeyValuePool as unknown as new () => KeyValuePool)();
    throwsHeed(construct, 'HEED_INVALID_ARGUMENT', 'Expected options to be an object');
  });
});
