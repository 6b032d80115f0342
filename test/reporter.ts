/**
 * Mocha's spec reporter, which also appends the run's counts to the file named by HEED_TEST_REPORT as a
 * line of JSON: CI adds these up instead of reading numbers out of prose.
 */
import { appendFileSync } from 'node:fs';
import { type MochaOptions, Runner, reporters } from 'mocha';

class Reporter extends reporters.Spec {
  constructor(runner: Runner, options: MochaOptions) {
    super(runner, options);
    const file = process.env.HEED_TEST_REPORT;
    if (file === undefined) return;
    runner.once(Runner.constants.EVENT_RUN_END, () => {
      const { passes, failures, pending } = this.stats;
      appendFileSync(file, `${JSON.stringify({ passes, failures, pending })}\n`);
    });
  }
}

// Mocha wants the class itself as the module.
export = Reporter;
