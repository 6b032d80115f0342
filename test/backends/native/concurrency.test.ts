import assert from 'node:assert/strict';
import { setThreads, threads } from '../../../lib/backends/native/native.js';
import { solveUnfused } from '../../../lib/backends/unfused.js';
import { HeedError } from '../../../lib/errors.js';
import type { Problem } from '../../../lib/problem/problem.js';
import { turnsDuring } from '../../support/event-loop.js';
import { attentionProblem, cpu, longShape, randomArrays, randomProblem } from './problems.js';

describe('native operations side by side', () => {
  const original = threads() ?? 1;
  after(() => setThreads(original));

  for (const count of [1, 2]) {
    it(`all progress on ${count} threads: later short ones end before an earlier long one`, async () => {
      setThreads(count);
      // Drawn before any operation begins, and long enough to be still running if the machine is busy.
      const longOne = randomProblem({ ...longShape, heads: 16 });
      const shortOnes = Array.from({ length: 20 }, () => randomProblem({ queries: 50, keys: 50 }));
      const ended: string[] = [];
      const run = async (name: string, problem: Problem) => {
        await cpu().solve([problem]);
        ended.push(name);
      };
      const long = run('long', longOne);
      const short = shortOnes.map((problem) => run('short', problem));
      await Promise.all([long, ...short]);
      assert.equal(ended.length, 21);
      assert.equal(ended.indexOf('long'), 20);
    });
  }

  it('give what each gives alone, however many there are', async () => {
    setThreads(2);
    const shape = { heads: 3, queries: 70, keys: 90, width: 40 };
    const alone = randomProblem(shape);
    cpu().solveSync([alone]);
    const together = Array.from({ length: 200 }, () => randomProblem(shape));
    await Promise.all(together.map((problem) => cpu().solve([problem])));
    for (const problem of together) assert.deepEqual(problem.output.data, alone.output.data);
  });

  it('go on while a synchronous one runs', async () => {
    setThreads(2);
    const background = randomProblem(longShape);
    const promise = cpu().solve([background]);
    const problem = randomProblem({ heads: 2, queries: 500, keys: 500 });
    cpu().solveSync([problem]);
    assert.ok(problem.output.data.every(Number.isFinite));
    await promise;
    assert.ok(background.output.data.every(Number.isFinite));
  });

  it('of several problems are solved one after the other: each may read what the one before wrote', async () => {
    setThreads(2);
    const shape = { heads: 2, queries: 300, keys: 300 };
    const arrays = randomArrays(shape);
    const first = attentionProblem(shape, arrays);
    const second = attentionProblem(shape, {
      ...arrays,
      query: arrays.output,
      output: new Float32Array(arrays.output.length).fill(Number.NaN),
    });
    await cpu().solve([first, second]);
    const chained = Float32Array.from(second.output.data as Float32Array);
    cpu().solveSync([second]);
    assert.deepEqual(second.output.data, chained);
  });

  it('leave the event loop free: 99 % of its delays stay under 20 ms', async function () {
    // The machine may stall occasionally, but not every time.
    this.retries(9);
    setThreads(original);
    const problems = Array.from({ length: 2 }, () => randomProblem(longShape));
    const { count, p99 } = await turnsDuring(Promise.all(problems.map((problem) => cpu().solve([problem]))));
    assert.ok(count > 50, `only ${count} turns of the event loop`);
    assert.ok(p99 < 20, `p99 ${p99} ms`);
  });

  it('that the addon turns away are errors, and nothing is left under way', async () => {
    const problem = randomProblem({ queries: 5, keys: 5 });
    const broken = { ...problem, query: { ...problem.query, headStride: 1e9, stepStride: 1e9 } };
    const isNativeError = (error: unknown) => error instanceof HeedError && error.code === 'HEED_NATIVE';
    await assert.rejects(cpu().solve([broken]), isNativeError);
    assert.throws(() => cpu().solveSync([broken]), isNativeError);
  });

  it('that need more memory than there is are HEED_OUT_OF_MEMORY, and the next one works', async () => {
    // A matrix of 2^46 scores: more than a process can address.
    const problem = randomProblem({ queries: 1 << 23, keys: 1 << 23, width: 1 });
    const isOutOfMemory = (error: unknown) =>
      error instanceof HeedError && error.code === 'HEED_OUT_OF_MEMORY';
    assert.throws(() => solveUnfused(cpu(), problem), isOutOfMemory);
    await cpu().solve([randomProblem({ queries: 5, keys: 5 })]);
  });
});
