import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { setThreads } from '../../../lib/backends/native/native.js';
import { solve } from '../../../lib/backends/operation.js';
import { keepThreads } from '../../support/threads.js';
import { cpu, delay, longShape, longTaskShape, randomProblem } from './problems.js';

describe('aborting native operations', () => {
  keepThreads();
  beforeEach(() => setThreads(1));

  const small = { queries: 300, keys: 300 };

  it('rejects at once with the reason when the signal is aborted already, and does no work', async () => {
    const problem = randomProblem(small);
    const reason = { not: 'even an error' };
    await assert.rejects(solve(cpu(), [problem], AbortSignal.abort(reason)), (error) => error === reason);
    await delay(20);
    assert.ok(problem.output.data.every(Number.isNaN));
  });

  it('ends queued work without doing any of it, while other work goes on', async () => {
    // The only thread is busy and checks nothing else.
    const running = randomProblem(longTaskShape);
    const queued = randomProblem(small);
    let stillRunning = true;
    const first = cpu()
      .solve([running])
      .then(() => {
        stillRunning = false;
      });
    const controller = new AbortController();
    const second = cpu().solve([queued], controller.signal);
    controller.abort();
    await assert.rejects(second, { name: 'AbortError' });
    assert.ok(stillRunning);
    await first;
    assert.ok(queued.output.data.every(Number.isNaN));
    assert.ok(running.output.data.every(Number.isFinite));
  });

  it('stops running work between tiles, and leaves the memory alone once the promise has rejected', async () => {
    setThreads(2);
    const problem = randomProblem({ ...longShape, heads: 32 });
    const controller = new AbortController();
    const promise = cpu().solve([problem], controller.signal);
    const output = problem.output.data as Float32Array;
    while (!output.some(Number.isFinite)) await delay(1);
    controller.abort(new Error('enough'));
    await assert.rejects(promise, /enough/);
    assert.ok(output.some(Number.isNaN), 'it had not finished');
    output.fill(7);
    await delay(100);
    assert.ok(output.every((x) => x === 7));
  });

  it('stops within a task: one block of rows over very many keys', async function () {
    // On a busy machine the task may end before the signal is handled, but not every time.
    this.retries(4);
    const problem = randomProblem(longTaskShape);
    const controller = new AbortController();
    const promise = cpu().solve([problem], controller.signal);
    await delay(5);
    controller.abort();
    await assert.rejects(promise, { name: 'AbortError' });
    // A block writes its rows after it has processed all keys.
    assert.ok(problem.output.data.every(Number.isNaN), 'it went on to the last key');
  });

  it('rejects also when the signal aborts after the last tile, before the promise has settled', async () => {
    const controller = new AbortController();
    const promise = cpu().solve([randomProblem({ queries: 1, keys: 1, width: 8 })], controller.signal);
    const settled = assert.rejects(promise, { name: 'AbortError' });
    const end = performance.now() + 20;
    while (performance.now() < end);
    controller.abort();
    await settled;
  });

  it('listens to a signal once, however many operations it is for, and no longer than they run', async () => {
    const { signal } = new AbortController();
    const operations = Array.from({ length: 20 }, () => cpu().solve([randomProblem(small)], signal));
    assert.equal(getEventListeners(signal, 'abort').length, 1);
    await Promise.all(operations);
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  });

  it('ends all operations of one signal', async () => {
    const controller = new AbortController();
    const operations = Array.from({ length: 5 }, () =>
      cpu().solve([randomProblem(longShape)], controller.signal),
    );
    controller.abort();
    const results = await Promise.allSettled(operations);
    assert.deepEqual(
      results.map(({ status }) => status),
      Array(5).fill('rejected'),
    );
  });
});
