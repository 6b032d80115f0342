/** Tests that set the number of threads, which is the whole process's. */
import { setThreads, threads } from '../../lib/backends/native/native.js';

/** After each test of the suite it is what it was before. */
export function keepThreads(): void {
  let before: number | undefined;
  beforeEach(() => {
    before = threads();
  });
  afterEach(() => {
    if (before !== undefined) setThreads(before);
  });
}
