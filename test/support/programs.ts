/**
 * Tests that need more than Node, npm and a C++ compiler: they are skipped if a program is missing, and the
 * end of the run says so. With HEED_TEST_EVERYTHING=1, a missing program is a failure instead.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync, rmSync } from 'node:fs';
import type { Suite } from 'mocha';

const runs = new Map<string, boolean>();

export function hasProgram(program: string): boolean {
  const known = runs.get(program);
  if (known !== undefined) return known;
  const there = spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;
  runs.set(program, there);
  return there;
}

/** A file, because Mocha may run every test file in a separate process. */
const leftOut = process.env.HEED_TEST_LEFT_OUT ?? '';

/** The skipped suites of this run, one line each. */
export function takeLeftOut(): string[] {
  if (!existsSync(leftOut)) return [];
  const lines = readFileSync(leftOut, 'utf8').trimEnd().split('\n');
  rmSync(leftOut);
  return lines;
}

/** Describes a suite that runs if these programs are installed; its title names them. */
export function describeWith(
  programs: readonly string[],
  subject: string,
  suite: (this: Suite) => void,
): void {
  const title = `${subject} (with ${programs.join(' and ')})`;
  const missing = programs.filter((program) => !hasProgram(program));
  if (missing.length === 0) {
    describe(title, suite);
  } else if (process.env.HEED_TEST_EVERYTHING === '1') {
    describe(title, () => {
      it(`has ${missing.join(' and ')}`, () => assert.fail('not found on this machine'));
    });
  } else {
    appendFileSync(leftOut, `${title}: there is no ${missing.join(', no ')}\n`);
  }
}

/** Describes a suite that runs if a folder is there that is no part of the repository. */
export function describeWithFolder(folder: string, subject: string, suite: (this: Suite) => void): void {
  if (existsSync(folder)) describe(subject, suite);
  else appendFileSync(leftOut, `${subject}: there is no folder ${folder}\n`);
}
