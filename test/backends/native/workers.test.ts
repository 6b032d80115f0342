import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { reload } from '../../support/reload.js';
import { terminations } from '../../support/terminations.js';
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

  it('survives workers that end at any moment, while they load heed or work, in every kind of operation', function () {
    this.timeout(240_000);
    const times = process.env.HEED_TEST_SANITIZED === '1' ? 64 : 256;
    const { total, ended } = terminations({ times });
    assert.equal(total, times);
    assert.equal(Object.keys(ended).length, 16);
  });

  it('survives workers that end while the process does', function () {
    this.timeout(120_000);
    for (let i = 0; i < 8; i++) {
      const { status, signal, stderr } = spawnSync(process.execPath, [join(children, 'busy-exit.js')], {
        encoding: 'utf8',
      });
      assert.deepEqual({ status, signal, stderr }, { status: 0, signal: null, stderr: '' });
    }
  });

  it('survives a pool that cancels its tasks', function () {
    this.timeout(120_000);
    const { status, signal, stdout, stderr } = spawnSync(
      process.execPath,
      [join(children, 'cancelled-pool.js'), '60'],
      { encoding: 'utf8' },
    );
    assert.deepEqual({ status, signal, stderr }, { status: 0, signal: null, stderr: '' });
    assert.deepEqual(JSON.parse(stdout), { cancelled: 60 });
  });

  it('can be loaded and unloaded a hundred times', function () {
    this.timeout(120_000);
    const times = process.env.HEED_TEST_SANITIZED === '1' ? 25 : 100;
    reload({ times, worker: join(children, 'operations.js'), work: ['small', 'small', 'small', 'long'] });
  });
});
