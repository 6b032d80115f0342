/**
 * Loaded before any test file, by Mocha and by the processes in which it runs files in parallel. Settles the seed of every
 * random input and prints it, so that a failure can be repeated with HEED_TEST_SEED; all other processes and workers
 * inherit it through the environment.
 */
import { randomInt } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Context } from 'mocha';

process.env.HEED_TEST_SEED ??= String(randomInt(2 ** 32));
// Where test/support/programs.ts writes what is left out.
process.env.HEED_TEST_LEFT_OUT ??= join(tmpdir(), `heed-left-out-${process.pid}`);

export function mochaGlobalSetup(): void {
  console.log(`  seed ${process.env.HEED_TEST_SEED} (HEED_TEST_SEED repeats it)\n`);
}

/** The stacks, each of which begins with the message: of a property that failed, the cause says what was wrong. */
function* withCauses(error: unknown): Generator<string> {
  for (let each = error; each instanceof Error; each = each.cause) yield each.stack ?? String(each);
}

export const mochaHooks = {
  /** Only the message and the stack of an error reach the process that reports it. */
  afterEach(this: Context) {
    const error: unknown = this.currentTest?.err;
    if (!(error instanceof Error)) return;
    error.stack = [...withCauses(error)].join('\n\ncaused by: ');
    error.cause = undefined;
  },
};
