/**
 * Tests that need more than Node, npm and a C++ compiler: where a program is missing they are left out, and the end of the
 * run says so. With HEED_TEST_EVERYTHING=1 what is missing is a failure instead.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import type { Suite } from 'mocha';

const runs = new Map<string, boolean>();

export function hasProgram(program: string): boolean {
  const known = runs.get(program);
  if (known !== undefined) return known;
  const there = spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;
  runs.set(program, there);
  return there;
}

/** What is left out of this run, a line for each suite. */
export const leftOut: string[] = [];

/** Describes a suite, where these programs are there; its title names them. */
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
    leftOut.push(`${title}: there is no ${missing.join(', no ')}`);
  }
}
