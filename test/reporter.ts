/**
 * Mocha's spec reporter, which also appends the run's counts and failures to the file named by
 * HEED_TEST_REPORT as a line of JSON. CI adds these up and reports the failures from there instead of parsing
 * text. Skipped suites are listed at the end.
 */
import { appendFileSync } from 'node:fs';
import { type MochaOptions, Runner, reporters, type Test } from 'mocha';
import { takeLeftOut } from './support/programs.js';

class Reporter extends reporters.Spec {
  constructor(runner: Runner, options: MochaOptions) {
    super(runner, options);
    runner.once(Runner.constants.EVENT_RUN_END, () => {
      for (const line of takeLeftOut()) console.log(`  left out: ${line}`);
    });
    const file = process.env.HEED_TEST_REPORT;
    if (file === undefined) return;
    const failed: { title: string; error: Error }[] = [];
    runner.on(Runner.constants.EVENT_TEST_FAIL, (test: Test, error: Error) => {
      failed.push({ title: test.fullTitle(), error });
    });
    runner.once(Runner.constants.EVENT_RUN_END, () => {
      const { passes, failures, pending } = this.stats;
      const seed = process.env.HEED_TEST_SEED;
      const told = failed.map(({ title, error }) => ({ title, error: error.stack ?? String(error) }));
      appendFileSync(file, `${JSON.stringify({ passes, failures, pending, seed, failed: told })}\n`);
    });
  }
}

// Mocha requires the class itself as the module.
export = Reporter;
