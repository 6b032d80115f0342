import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { reload } from '../support/reload.js';
import { smallOperations } from './children/operations.js';

const children = join(__dirname, 'children');

describe('heed in worker threads', () => {
  it('works in eight of them at once, and beside them', async () => {
    const workers = Array.from(
      { length: 8 },
      () => new Worker(join(children, 'operations.js'), { workerData: 'small' }),
    );
    const exits = workers.map((worker) => once(worker, 'exit'));
    await smallOperations();
    for (const [code] of await Promise.all(exits)) assert.equal(code, 0);
  });

  it('survives eight of them being terminated while their operations run', async () => {
    const workers = Array.from(
      { length: 8 },
      () => new Worker(join(children, 'operations.js'), { workerData: 'long' }),
    );
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    const codes = await Promise.all(workers.map((worker) => worker.terminate()));
    assert.deepEqual(codes, Array(8).fill(1));
    await smallOperations();
  });

  it('can be loaded and unloaded a hundred times', function () {
    this.timeout(120_000);
    const times = process.env.HEED_TEST_SANITIZED === '1' ? 25 : 100;
    reload({ times, worker: join(children, 'operations.js'), work: ['small', 'small', 'small', 'long'] });
  });
});
