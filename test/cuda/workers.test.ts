/** Worker threads share the devices of their process. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { deviceMemory } from '../../lib/devices.js';
import { collected } from '../support/collected.js';
import { expectMemoryBack, onDevice } from '../support/device.js';
import { deviceOperations } from './children/operations.js';

const child = join(__dirname, 'children', 'operations.js');

onDevice('worker threads', (location) => {
  it('compute there at once, and leave nothing behind', async () => {
    await deviceOperations();
    await collected();
    const { used } = deviceMemory(location);
    const workers = Array.from({ length: 4 }, () => new Worker(child, { workerData: 'device operations' }));
    const exits = workers.map((worker) => once(worker, 'exit'));
    await deviceOperations();
    for (const [code] of await Promise.all(exits)) assert.equal(code, 0);
    await collected();
    expectMemoryBack(location, used);
  });

  it('may be terminated while their operations run', async () => {
    await collected();
    const { used } = deviceMemory(location);
    const workers = Array.from(
      { length: 4 },
      () => new Worker(child, { workerData: 'many device operations' }),
    );
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    assert.deepEqual(await Promise.all(workers.map((worker) => worker.terminate())), Array(4).fill(1));
    await deviceOperations();
    await collected();
    expectMemoryBack(location, used);
  });
});
