import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
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
    const times = process.env.HEED_TEST_SANITIZED === '1' ? '25' : '100';
    const args = [join(children, 'reload.js'), times];
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    assert.equal(stderr, '');
    assert.deepEqual({ status, signal }, { status: 0, signal: null });
    const { before, after } = JSON.parse(stdout);
    assert.equal(after.loaded, false, 'still loaded after the last worker has gone');
    assert.equal(after.threads, before.threads);
    const grown = (after.bytes - before.bytes) / 2 ** 20;
    // AddressSanitizer holds back what is freed, to see who still uses it.
    assert.ok(
      grown < 32 || process.env.HEED_TEST_SANITIZED === '1',
      `resident memory has grown by ${grown} MiB`,
    );
  });
});
