import assert from 'node:assert/strict';
import { attentionSync } from '../../lib/attention/attention.js';
import { KeyValueCache } from '../../lib/key-value-cache/key-value-cache.js';
import { eachInstructionSet } from '../support/backends.js';
import { collected } from '../support/collected.js';
import { Random } from '../support/random.js';

/** The number of steps that allocated memory for tensors. */
function allocatingSteps(count: number, step: () => void): number {
  let [allocations, before] = [0, process.memoryUsage().arrayBuffers];
  for (let i = 0; i < count; i++) {
    step();
    const after = process.memoryUsage().arrayBuffers;
    if (after > before) allocations++;
    before = after;
  }
  return allocations;
}

eachInstructionSet('decoding with a cache', () => {
  const random = new Random('decoding');
  const key = random.tensor('float32', [2, 2, 1, 32]);
  const query = random.tensor('float32', [2, 4, 1, 32]);
  const out = random.tensor('float32', [2, 4, 1, 32]);

  for (const type of ['float32', 'float16', 'int8', 'float8'] as const) {
    it(`takes no memory for a step, of ${type}`, async () => {
      using cache = new KeyValueCache({ batch: 2, heads: 2, width: 32, capacity: 1000, type });
      const step = () => {
        cache.append(key, key);
        attentionSync(query, cache, { out, causal: true });
      };
      step();
      assert.equal(allocatingSteps(900, step), 0);
      // Otherwise memory that the collector frees meanwhile may hide allocations.
      await collected();
      const keeping: unknown[] = [];
      const wasteful = () => keeping.push(cache.append(key, key), new Float32Array(1000));
      assert.equal(allocatingSteps(10, wasteful), 10, 'it would have been noticed');
    });
  }

  it('takes no memory for a step of a cache that rolls', async () => {
    await collected();
    using cache = new KeyValueCache({
      batch: 2,
      heads: 2,
      width: 32,
      capacity: 48,
      pageSize: 8,
      rolling: { window: 30, sinks: 4 },
    });
    const step = () => {
      cache.append(key, key);
      attentionSync(query, cache, { out, causal: true });
    };
    for (let i = 0; i < 100; i++) step();
    const taken = allocatingSteps(900, step);
    // Lists of pages are small; their memory may come from V8's heap or not.
    assert.ok(taken <= Math.ceil((2 * 900) / 8), `${taken} steps took memory`);
    assert.deepEqual(
      [...cache.dropped],
      [...cache.lengths].map((length) => 1000 - length),
    );
    assert.ok(cache.byteLength <= 2 * 6 * (8 * 2 * 64 * 4), `${cache.byteLength} bytes`);
  });

  it('takes memory for many pages at once', async () => {
    await collected();
    using cache = new KeyValueCache({ batch: 2, heads: 2, width: 32, capacity: 1024, pageSize: 16 });
    const taken = allocatingSteps(1024, () => {
      cache.append(key, key);
      attentionSync(query, cache, { out, causal: true });
    });
    assert.ok(taken >= 1 && taken <= 8, `${taken} steps took memory`);
  });
});

/**
 * The bytes of ArrayBuffers that `act` takes. No collection may hide some, as what the test has left is
 * collected before. That needs no finalising; the second collection waits until the first has freed it.
 */
async function taken(act: () => void): Promise<number> {
  await collected(2);
  const before = process.memoryUsage().arrayBuffers;
  act();
  return process.memoryUsage().arrayBuffers - before;
}

describe('the memory of a cache, whatever its capacity', () => {
  const [heads, width] = [2, 32];
  const stepBytes = heads * 2 * width * 4;
  const random = new Random('memory that comes');
  const step = random.tensor('float32', [1, heads, 1, width]);
  // For the state of each page, and for what appending takes in passing.
  const little = 2 ** 16;
  before(() => collected());

  for (const pageSize of [undefined, 1, 500]) {
    const pageBytes = (pageSize ?? 384) * stepBytes;
    const form = { batch: 1, heads, width, ...(pageSize !== undefined && { pageSize }) };

    it(`is taken as steps come, in pages of ${pageSize ?? 'the default size'}`, async () => {
      for (const capacity of [1e7, 2 ** 31 - 1]) {
        let cache: KeyValueCache | undefined;
        const none = await taken(() => {
          cache = new KeyValueCache({ ...form, capacity });
        });
        assert.ok(none < little, `${none} bytes before the first step of at most ${capacity}`);
        const one = await taken(() => cache?.append(step, step));
        const least = Math.max(pageBytes, 2 ** 21);
        assert.ok(
          one >= pageBytes && one < least + little,
          `${one} bytes for one step of at most ${capacity}`,
        );
        assert.equal(cache?.byteLength, pageBytes);
        cache?.dispose();
      }
    });

    it(`is at most twice that of its steps and a little, in pages of ${pageSize ?? 'the default size'}`, async () => {
      using cache = new KeyValueCache({ ...form, capacity: 1e6 });
      let [all, length] = [0, 0];
      // Drawn before, and read to the end: what is freed while memory is measured would hide what is taken.
      const counts = [1, 700, 4000, 9000, 9000];
      const appended = counts.map((more) => random.tensor('float32', [1, heads, more, width]));
      for (const [i, more] of counts.entries()) {
        all += await taken(() => cache.append(appended[i], appended[i]));
        length += more;
        const used = Math.ceil((length * stepBytes) / pageBytes) * pageBytes;
        assert.equal(cache.byteLength, used);
        assert.ok(all >= used, `${all} bytes for ${length} steps of ${used}`);
        const most = 2 * used + 2 ** 21 + little;
        assert.ok(all <= most, `${all} bytes for ${length} steps of ${used}`);
      }
    });

    it(`is never more than its capacity takes, in pages of ${pageSize ?? 'the default size'}`, async () => {
      const capacity = 2000;
      using cache = new KeyValueCache({ ...form, capacity });
      const steps = random.tensor('float32', [1, heads, 250, width]);
      const all = await taken(() => {
        for (let length = 0; length < capacity; length += 250) cache.append(steps, steps);
      });
      const full = Math.ceil((capacity * stepBytes) / pageBytes) * pageBytes;
      assert.ok(all >= full && all < full + little, `${all} bytes for ${full}`);
    });
  }
});
