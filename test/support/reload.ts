/** Loads heed in one worker after the other, and nowhere else, so that it is unloaded each time. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const child = join(__dirname, '..', 'backends', 'native', 'children', 'reload.js');

interface ReloadOptions {
  readonly times: number;
  /** The module that workers run, and the work of each in turn. */
  readonly worker: string;
  readonly work: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** The maximum growth of memory in MiB. */
  readonly most?: number;
}

/** Expects that nothing is left: neither the addon, nor its threads, nor its memory. */
export function reload({ times, worker, work, env, most = 32 }: ReloadOptions): void {
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    [child, String(times), worker, ...work],
    { env: { ...process.env, ...env }, encoding: 'utf8' },
  );
  assert.equal(stderr, '');
  assert.deepEqual({ status, signal }, { status: 0, signal: null });
  const { before, after } = JSON.parse(stdout);
  assert.equal(after.loaded, false, 'still loaded after the last worker has gone');
  assert.equal(after.threads, before.threads);
  const grown = (after.bytes - before.bytes) / 2 ** 20;
  // AddressSanitizer delays the reuse of freed memory, to detect later accesses.
  assert.ok(
    grown < most || process.env.HEED_TEST_SANITIZED === '1',
    `resident memory has grown by ${grown} MiB`,
  );
}
