/**
 * Mocha loads this before any test file, also in the processes in which it runs files in parallel. It sets
 * the seed of all random inputs and prints it, so that a failure can be repeated with HEED_TEST_SEED; all
 * other processes and workers inherit it through the environment.
 */
import { randomInt } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Context } from 'mocha';

process.env.HEED_TEST_SEED ??= String(randomInt(2 ** 32));
// The file in which test/support/programs.ts records skipped suites.
process.env.HEED_TEST_LEFT_OUT ??= join(tmpdir(), `heed-left-out-${process.pid}`);

export function mochaGlobalSetup(): void {
  console.log(`  seed ${process.env.HEED_TEST_SEED} (HEED_TEST_SEED repeats it)\n`);
}

/**
 * The stacks, each of which begins with the message: for a failed property, the cause has the actual error.
 */
function* withCauses(error: unknown): Generator<string> {
  for (let each = error; each instanceof Error; each = each.cause) yield each.stack ?? String(each);
}

export const mochaHooks = {
  /** Only the message and the stack of an error reach the reporting process. */
  afterEach(this: Context) {
    const error: unknown = this.currentTest?.err;
    if (!(error instanceof Error)) return;
    error.stack = [...withCauses(error)].join('\n\ncaused by: ');
    error.cause = undefined;
  },
};
