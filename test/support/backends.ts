/** Runs suites on every backend that there should be: the reference, and the cpu backend with every instruction set of this machine. */
import assert from 'node:assert/strict';
import {
  availableInstructionSets,
  nativeBackend,
  nativeStatus,
  setInstructionSet,
} from '../../lib/native.js';

export type TestedBackend = 'reference' | 'cpu';

const referenceOnly = process.env.HEED_BACKEND === 'reference';

function missingAddon(): void {
  it('has the native addon to test', () => {
    assert.fail(
      `${nativeStatus().why}: build it, or set HEED_BACKEND=reference to test the reference backend alone`,
    );
  });
}

function onInstructionSet(name: string, suite: () => void): void {
  let original: string | undefined;
  before(() => {
    original = nativeStatus().instructionSet;
    setInstructionSet(name);
  });
  suite();
  after(() => {
    if (original !== undefined) setInstructionSet(original);
  });
}

/**
 * Describes a suite once per backend and instruction set. Without the addon the suite fails, so that
 * nobody takes a run for complete that was not; HEED_BACKEND=reference asks for such a run.
 */
export function eachBackend(title: string, suite: (backend: TestedBackend) => void): void {
  describe(`${title}, on reference`, () => suite('reference'));
  if (!referenceOnly) eachInstructionSet(title, () => suite('cpu'));
}

/** The same for the cpu backend alone. */
export function eachInstructionSet(title: string, suite: () => void): void {
  if (referenceOnly) return;
  if (nativeBackend() === undefined) {
    describe(`${title}, on cpu`, missingAddon);
    return;
  }
  for (const name of availableInstructionSets()) {
    describe(`${title}, on cpu with ${name}`, () => onInstructionSet(name, suite));
  }
}
