/** Ends in one of several ways while operations run on a device. */
import { deviceOperations, manyOperations } from './operations.js';

async function main(how: string): Promise<void> {
  if (how === 'natural') {
    // Only the process itself waits for it.
    void deviceOperations().then(() => console.log('finished'));
    return;
  }
  const controller = new AbortController();
  const running = [manyOperations(controller.signal), manyOperations()];
  if (how === 'exit at once') process.exit();
  setTimeout(() => {
    if (how === 'throw') throw new Error('on purpose');
    if (how === 'abort and exit') controller.abort();
    process.exit();
  }, 100);
  await Promise.allSettled(running);
}

void main(process.argv[2]);
