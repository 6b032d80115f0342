/** Runs commands; a failing command ends the check with its whole output. */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Runs a command whose output belongs in the log. */
export function run(command, args, options = {}) {
  console.log(`\n$ ${[command, ...args].join(' ')}`);
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    ...options,
  });
  if (status !== 0) throw new Error(`${command} failed: ${error?.message ?? `status ${status}`}`);
}

/** Runs a command and returns its output. */
export function output(command, args, options = {}) {
  const { stdout, stderr } = capture(command, args, options);
  process.stderr.write(stderr);
  return stdout;
}

/** Runs a command and returns its output on both streams. */
export function capture(command, args, options = {}) {
  const { status, error, stdout, stderr } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    ...options,
  });
  if (status !== 0) {
    throw new Error(
      `${[command, ...args].join(' ')} failed: ${error?.message ?? `status ${status}`}\n${stdout}\n${stderr}`,
    );
  }
  return { stdout, stderr };
}
