/** Runs a program that uses heed, and compares its output with the expected one. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Errors go to a file: Node prints the line that threw, which in a minified program is all of it, and loses what
 * a pipe does not take at once.
 */
function runProgram(command, { cwd, env }) {
  const folder = mkdtempSync(join(tmpdir(), 'heed-errors-'));
  const path = join(folder, 'stderr');
  const file = openSync(path, 'w');
  try {
    const { status, stdout } = spawnSync('sh', ['-euc', command], {
      cwd,
      env: { ...process.env, ...env },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', file],
    });
    return { status, stdout, stderr: readFileSync(path, 'utf8') };
  } finally {
    closeSync(file);
    rmSync(folder, { recursive: true });
  }
}

/** Expects that a program computes on this backend and prints nothing else. */
export function expectBackend(backend, what, command, options) {
  const { status, stdout, stderr } = runProgram(command, options);
  assert.equal(stderr, '', `${what}: ${command} was to be silent`);
  assert.equal(stdout, `${backend}\n`, `${what}: ${command} was to run on ${backend}`);
  assert.equal(status, 0, `${what}: ${command} ended with ${status}`);
  console.log(`${what}: ${backend}`);
}

/** Expects that the command fails with all these messages. */
export function expectFailure(parts, what, command, options) {
  const { status, stdout, stderr: all } = runProgram(command, options);
  // Node prints the line that threw: in a minified program that is the whole program.
  const stderr = all.replace(/^.{2000,}$/gm, '…');
  assert.equal(stdout, '', `${what}: ${command} was to compute nothing`);
  assert.notEqual(status, 0, `${what}: ${command} was to fail`);
  for (const part of ['HEED_NO_NATIVE', ...parts]) {
    assert(stderr.includes(part), `${what}: ${command} was to say '${part}', and said\n${stderr}`);
  }
  assert(!stderr.includes('heed build'), `${what}: ${command} was not to advise building:\n${stderr}`);
  console.log(`${what}: says what to write`);
}
