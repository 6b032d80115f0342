/** Terminates workers at random moments in a separate process, because a defect could end the process. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const child = join(__dirname, '..', 'backends', 'native', 'children', 'terminations.js');

interface TerminationOptions {
  readonly times: number;
  readonly env?: NodeJS.ProcessEnv;
}

export function terminations({ times, env }: TerminationOptions): {
  readonly total: number;
  readonly ended: Readonly<Record<string, number>>;
} {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [child, String(times), '8'], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
  });
  assert.deepEqual({ status, signal, stderr }, { status: 0, signal: null, stderr: '' });
  return JSON.parse(stdout);
}
