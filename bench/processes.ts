/**
 * One process for each number of threads and instruction set, so that heed and its peers start with these
 * settings.
 */
import { fork } from 'node:child_process';
import { join } from 'node:path';
import type { Message } from './results.js';
import type { Batch } from './tasks.js';

/** Rejects if the process fails. */
export function runBatch(
  { threads, instructionSet, tasks }: Batch,
  seed: string,
  onMessage: (message: Message) => void,
): Promise<void> {
  const names = JSON.stringify(tasks.map(({ name }) => name));
  const child = fork(join(__dirname, 'measuring-process.js'), [names, seed], {
    env: {
      ...process.env,
      HEED_NUM_THREADS: String(threads),
      ...(instructionSet && { HEED_CPU_ISA: instructionSet }),
    },
  });
  child.on('message', (message) => onMessage(message as Message));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`A measuring process has ended with ${signal ?? `exit code ${code}`}`));
    });
  });
}
