import assert from 'node:assert/strict';
import {
  type AttentionShape,
  drawInputs,
  keyValueBytes,
  pairs,
} from '../../bench/contests/attention-shape.js';
import { transposed } from '../../bench/contests/transposed.js';
import { limitResult } from '../../bench/limits.js';
import { Random as Inputs } from '../../bench/random.js';
import { timesOf } from '../../bench/statistics.js';
import { allTasks, batches } from '../../bench/tasks.js';
import { Random } from '../support/random.js';

const one = { heads: 1, keyHeads: 1, width: 8 };

/** Counts by the definition of the options. */
function countPairs({ queries, keys, causal, window }: AttentionShape): number {
  let count = 0;
  for (let i = 0; i < queries; i++) {
    for (let j = 0; j < keys; j++) {
      const position = keys - queries + i;
      if (causal && j > position) continue;
      if (window?.left !== undefined && j < position - window.left) continue;
      count++;
    }
  }
  return count;
}

describe('the work of a row of the benchmark', () => {
  const random = new Random('the work of a row of the benchmark');

  it('is every pair of a query and a key that may attend', () => {
    for (let i = 0; i < 50; i++) {
      const queries = random.integer(1, 20);
      const shape: AttentionShape = {
        ...one,
        queries,
        keys: queries + random.integer(0, 20),
        causal: random.chance(0.5),
        ...(random.chance(0.5) && { window: { left: random.integer(0, 25) } }),
      };
      assert.equal(pairs(shape), countPairs(shape), JSON.stringify(shape));
    }
  });

  it('reads every key and value once', () => {
    const shape = { ...one, keyHeads: 8, queries: 1, keys: 100, width: 64 };
    assert.equal(keyValueBytes(shape), 2 * 8 * 100 * 64 * 4);
    assert.equal(keyValueBytes({ ...shape, type: 'bfloat16' }), 2 * 8 * 100 * 64 * 2);
  });

  it('masks documents off from each other, and no step from itself', () => {
    const steps = 300;
    const shape = { ...one, queries: steps, keys: steps, mask: 'documents' as const };
    const { documents } = drawInputs(shape, new Inputs(String(random.next()), 'documents'));
    assert.ok(documents);
    const sees = (i: number, j: number) => documents[i * steps + j];
    let left = 0;
    for (let i = 0; i < steps; i++) {
      assert.equal(sees(i, i), 1);
      for (let j = 0; j < steps; j++) {
        assert.equal(sees(i, j), sees(j, i));
        if (j > i && sees(i, j)) assert.equal(sees(i, j - 1), 1);
        left += sees(i, j);
      }
    }
    assert.ok(left < (steps * steps) / 2);
  });

  it('is told apart by its name', () => {
    const names = allTasks.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
  });

  it('is measured once with each number of threads; what is for one thread, or one instruction set, only so', () => {
    const all = batches(allTasks, [1, 2]);
    for (const task of allTasks) {
      const found = all.filter(({ tasks }) => tasks.includes(task));
      const single = 'instructionSet' in task || task.name.startsWith('growth');
      assert.deepEqual(
        found.map(({ threads }) => threads),
        single ? [1] : [1, 2],
        task.name,
      );
      for (const batch of found) {
        assert.equal(batch.instructionSet, 'instructionSet' in task ? task.instructionSet : undefined);
      }
    }
  });

  it('transposes matrices', () => {
    assert.deepEqual([...transposed(Float32Array.of(1, 2, 3, 4, 5, 6), 2, 3)], [1, 4, 2, 5, 3, 6]);
  });

  it('is limited by what of it would take longest', () => {
    const read = { work: { limit: 'reading from memory', bytes: 60 }, perSecond: 20 } as const;
    const multiplied = { work: { limit: 'multiply-adds', operations: 400 }, perSecond: 100 } as const;
    const times = timesOf([10_000, 8_000, 16_000]);
    for (const limits of [
      [read, multiplied],
      [multiplied, read],
    ] as const) {
      const { work, perSecond, share, bestShare } = limitResult([...limits], times);
      assert.deepEqual([work.limit, perSecond, share, bestShare], ['multiply-adds', 100, 0.4, 0.5]);
    }
    assert.equal(limitResult([read], times).share, 0.3);
  });
});
