/** Runs a program that uses heed, and compares its output with the expected one. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';

function runProgram(command, { cwd, env }) {
  const { status, stdout, stderr } = spawnSync('sh', ['-euc', command], {
    cwd,
    env: { ...process.env, ...env },
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
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
