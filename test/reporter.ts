/**
 * Mocha's spec reporter, which also appends the run's counts and failures to the file named by HEED_TEST_REPORT
 * as a line of JSON: CI adds these up, and says once more what failed, instead of reading prose. What was left out is said in the
 * end.
 */
import { appendFileSync } from 'node:fs';
import { type MochaOptions, Runner, reporters, type Test } from 'mocha';
import { leftOut } from './support/programs.js';

/** The stacks, each of which begins with the message: of a property that failed, the cause says what was wrong. */
function* withCauses(error: unknown): Generator<string> {
  for (let each = error; each instanceof Error; each = each.cause) yield each.stack ?? String(each);
}

class Reporter extends reporters.Spec {
  constructor(runner: Runner, options: MochaOptions) {
    super(runner, options);
    runner.once(Runner.constants.EVENT_RUN_END, () => {
      for (const line of leftOut) console.log(`  left out: ${line}`);
    });
    const file = process.env.HEED_TEST_REPORT;
    if (file === undefined) return;
    const failed: { title: string; errors: string[] }[] = [];
    runner.on(Runner.constants.EVENT_TEST_FAIL, (test: Test, error: Error) => {
      failed.push({ title: test.fullTitle(), errors: [...withCauses(error)] });
    });
    runner.once(Runner.constants.EVENT_RUN_END, () => {
      const { passes, failures, pending } = this.stats;
      const seed = process.env.HEED_TEST_SEED;
      appendFileSync(file, `${JSON.stringify({ passes, failures, pending, seed, failed })}\n`);
    });
  }
}

// Mocha wants the class itself as the module.
export = Reporter;
