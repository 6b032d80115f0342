/** For tests that set the number of threads, which the whole process shares. */
import { setThreads, threads } from '../../lib/backends/native/native.js';

/** Restores the number of threads after each test of the suite. */
export function keepThreads(): void {
  let before: number | undefined;
  beforeEach(() => {
    before = threads();
  });
  afterEach(() => {
    if (before !== undefined) setThreads(before);
  });
}
