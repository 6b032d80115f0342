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

  for (const type of ['float32', 'float16', 'int8'] as const) {
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
