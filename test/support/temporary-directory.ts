/** A directory for the files of one suite, removed with everything in it when the suite ends. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Returns the path for a file name; call it inside the suite's tests. */
export function temporaryDirectory(): (name: string) => string {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'heed-test-'));
  });
  after(() => rmSync(directory, { recursive: true }));
  return (name) => join(directory, name);
}
