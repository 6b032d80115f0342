/** One process for each number of threads and instruction set, so that heed and its peers begin with what they are measured with. */
import { fork } from 'node:child_process';
import { join } from 'node:path';
import type { Message } from './results.js';
import type { Row } from './row.js';

export interface Batch {
  readonly threads: number;
  readonly instructionSet?: 'avx2';
  readonly rows: readonly Row[];
}

export function batches(rows: readonly Row[], threadCounts: readonly number[]): Batch[] {
  const usual = rows.filter((row) => row.instructionSet === undefined);
  const avx2 = rows.filter((row) => row.instructionSet === 'avx2');
  return [
    ...threadCounts.map((threads) => ({ threads, rows: usual })),
    ...(threadCounts.includes(1) ? [{ threads: 1, instructionSet: 'avx2' as const, rows: avx2 }] : []),
  ].filter((batch) => batch.rows.length > 0);
}

/** Rejects when the process ends otherwise than well. */
export function runBatch(
  { threads, instructionSet, rows }: Batch,
  seed: string,
  onMessage: (message: Message) => void,
): Promise<void> {
  const child = fork(join(__dirname, 'run-rows.js'), [JSON.stringify(rows.map(({ name }) => name)), seed], {
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
      else reject(new Error(`A measuring process ended with ${signal ?? `exit code ${code}`}`));
    });
  });
}
