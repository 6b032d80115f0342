/** Tests what is shared, what is copied, and the memory that this takes. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { attention, attentionSync } from '../../lib/attention/attention.js';
import { KeyValueCache } from '../../lib/key-value-cache/key-value-cache.js';
import { randomInputs } from '../support/attention.js';
import { eachBackend, locationOf, many } from '../support/backends.js';
import { filledCache } from '../support/cached.js';
import { expectSameBits } from '../support/compare.js';
import { Random } from '../support/random.js';

const children = join(__dirname, '..', 'backends', 'native', 'children');

eachBackend('a cache under running operations', (backend) => {
  const location = locationOf(backend);
  it('stays for each of them as it was when it began', async () => {
    const random = new Random('running');
    for (const pageSize of [undefined, 16]) {
      const { query, key, value } = randomInputs(random, { heads: 4, keys: 500, queries: 20, width: 32 });
      const cache = filledCache(random, key, value, {
        spare: 100,
        location,
        ...(pageSize !== undefined && { pageSize }),
      });
      const expected = attentionSync(query, cache, { backend });
      const running = Array.from({ length: 6 }, () => attention(query, cache, { backend }));
      const more = randomInputs(random, { heads: 4, keys: 50, queries: 1, width: 32 });
      cache.append(more.key, more.value);
      cache.truncate(3);
      cache.append(more.key, more.value);
      running.push(attention(query, cache, { backend, kvLengths: [3, 3] }));
      cache.dispose();
      const other = filledCache(random, more.key, more.value, { pageSize: 16, location });
      const results = await Promise.all(running);
      for (const result of results.slice(0, 6)) expectSameBits(result, expected);
      other.dispose();
    }
  });

  it('is let go when they are aborted', async () => {
    const random = new Random('aborted');
    const { query, key, value } = randomInputs(random, {
      heads: 8,
      keys: 400,
      queries: many(200),
      width: 64,
    });
    const cache = filledCache(random, key, value, { pageSize: 16, location });
    const controller = new AbortController();
    const running = attention(query, cache, { backend, signal: controller.signal });
    controller.abort();
    await assert.rejects(running, { name: 'AbortError' });
    attentionSync(query, cache, { backend });
  });
});

describe('the memory of a cache', () => {
  const form = { batch: 1, heads: 2, width: 8, capacity: 64, pageSize: 8 };
  const append = (cache: KeyValueCache, steps: number) => {
    const { key, value } = randomInputs(new Random('memory'), {
      batch: cache.batch,
      heads: 2,
      keys: steps,
      width: 8,
    });
    cache.append(key, value);
  };
  const page = 2 * 8 * (8 + 8) * 4;

  it('grows with the steps, a page at a time', () => {
    const cache = new KeyValueCache(form);
    assert.equal(cache.byteLength, 0);
    append(cache, 8);
    assert.equal(cache.byteLength, page);
    append(cache, 1);
    assert.equal(cache.byteLength, 2 * page);
    cache.truncate(8);
    assert.equal(cache.byteLength, page);
  });

  it('is a quarter, and a scale for each row, with int8 and float8', () => {
    for (const type of ['int8', 'float8'] as const) {
      const cache = new KeyValueCache({ ...form, type });
      append(cache, 8);
      assert.equal(cache.byteLength, page / 4 + 2 * 2 * 8 * 4);
    }
  });

  it('takes less than 1 % more for 1,000 forks of 8,192 steps, and comes back from forks that nobody disposes of', () => {
    const args = ['--expose-gc', join(children, 'cache-forks.js')];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    assert.equal(stderr, '');
    assert.equal(status, 0);
    const { one, forks, resident, appended, again } = JSON.parse(stdout);
    assert.ok(forks < 0.01 * one, `${forks} bytes for 1,000 forks of ${one}`);
    // V8's heap may grow by a megabyte or two at any time; a copy for each fork would take a thousand times
    // as much.
    assert.ok(resident < 0.1 * one || process.env.HEED_TEST_SANITIZED === '1', `${resident} resident bytes`);
    assert.ok(again <= appended, `${again} bytes after ${appended}: forgotten forks keep their pages`);
  });

  it('is of each worker by itself', async () => {
    const workers = Array.from(
      { length: 4 },
      () => new Worker(join(children, 'cache-operations.js'), { workerData: 'finish' }),
    );
    const exits = workers.map((worker) => once(worker, 'exit'));
    for (const [code] of await Promise.all(exits)) assert.equal(code, 0);
    const stopped = Array.from(
      { length: 4 },
      () => new Worker(join(children, 'cache-operations.js'), { workerData: 'go on' }),
    );
    await Promise.all(stopped.map((worker) => once(worker, 'message')));
    await Promise.all(stopped.map((worker) => worker.terminate()));
  });
});
