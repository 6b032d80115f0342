/** Ends in one of several ways while operations run. */
import { longOperation, smallOperations } from './operations.js';

async function main(how: string): Promise<void> {
  if (how === 'natural') {
    // Only the process itself waits for it.
    void smallOperations().then(() => console.log('finished'));
    return;
  }
  const controller = new AbortController();
  const running = [longOperation(controller.signal), longOperation()];
  if (how === 'exit at once') process.exit();
  setTimeout(() => {
    if (how === 'exit') process.exit();
    if (how === 'exit code') process.exitCode = 7;
    if (how === 'exit code') process.exit();
    if (how === 'throw') throw new Error('on purpose');
    if (how === 'abort and exit') controller.abort();
    if (how === 'abort and exit') process.exit();
  }, 50);
  await Promise.allSettled(running);
}

void main(process.argv[2]);
