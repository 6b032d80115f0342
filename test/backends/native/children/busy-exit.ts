/** Ends the process while workers compute. */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { Random } from '../../../support/random.js';
import { endlessKinds } from './endless-operations.js';

const random = new Random(`busy exit ${process.pid}`);
for (let i = 0; i < 6; i++) {
  new Worker(join(__dirname, 'endless-operations.js'), { workerData: random.pick(endlessKinds) });
}
setTimeout(() => process.exit(0), random.integer(50, 400));
