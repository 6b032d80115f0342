/** Tests worker threads, which share the devices of their process. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { deviceMemory } from '../../../lib/backends/devices.js';
import { collected } from '../../support/collected.js';
import { expectMemoryBack, isEmulated, onDevice } from '../../support/device.js';
import { reload } from '../../support/reload.js';
import { terminations } from '../../support/terminations.js';
import { deviceOperations } from './children/operations.js';

const child = join(__dirname, 'children', 'operations.js');

onDevice('worker threads', (location) => {
  it('compute there at once, and leave nothing behind', async () => {
    await deviceOperations();
    await collected();
    const { used } = deviceMemory(location);
    const workers = Array.from({ length: 4 }, () => new Worker(child, { workerData: 'small' }));
    const exits = workers.map((worker) => once(worker, 'exit'));
    await deviceOperations();
    for (const [code] of await Promise.all(exits)) assert.equal(code, 0);
    await collected();
    expectMemoryBack(location, used);
  });

  it('may be terminated while their operations run', async () => {
    await collected();
    const { used } = deviceMemory(location);
    const workers = Array.from({ length: 4 }, () => new Worker(child, { workerData: 'long' }));
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    assert.deepEqual(await Promise.all(workers.map((worker) => worker.terminate())), Array(4).fill(1));
    await deviceOperations();
    await collected();
    expectMemoryBack(location, used);
  });

  it('may end at any moment, while they load heed or work', function () {
    this.timeout(240_000);
    const { total, ended } = terminations({ times: 68 });
    assert.equal(total, 68);
    assert.equal(Object.keys(ended).length, 17);
  });

  // Memory that CUDA itself keeps for a process does not count as heed's.
  if (isEmulated) {
    it('can be the only ones with the addon, which goes with the last of them', function () {
      this.timeout(120_000);
      reload({ times: 24, worker: child, work: ['small', 'small', 'small', 'long'] });
    });

    it('leave nothing behind where they have lost the device', function () {
      this.timeout(120_000);
      reload({ times: 24, worker: child, work: ['lost'], env: { HEED_EMULATED_LAUNCHES: '5' } });
    });

    it('are unloaded where a kernel was at fault, but for what has told its line', function () {
      this.timeout(120_000);
      reload({ times: 8, worker: child, work: ['fault'], most: 8 * 64 });
    });
  }
});
