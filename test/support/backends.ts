/** Runs suites on every backend that there should be: the reference, and the cpu backend with every instruction set of this machine. */
import assert from 'node:assert/strict';
import {
  availableInstructionSets,
  cudaStatus,
  nativeBackend,
  nativeStatus,
  setInstructionSet,
} from '../../lib/backends/native/native.js';
import type { Location } from '../../lib/tensor/types.js';

export type TestedBackend = 'reference' | 'cpu' | 'cuda';

const referenceOnly = process.env.HEED_BACKEND === 'reference';
/** The cuda backend alone, its GPU emulated. */
export const emulatedOnly = process.env.HEED_BACKEND === 'cuda-emulator';

/** The backends that tests of their own making take one after the other. */
export function backendsAtHand(): readonly TestedBackend[] {
  if (referenceOnly) return ['reference'];
  return emulatedOnly ? ['cuda'] : ['reference', 'cpu'];
}

/** Steps for tests of what takes long: an emulated GPU needs fewer of them. */
export function many(steps: number): number {
  return emulatedOnly ? Math.ceil(steps / 10) : steps;
}

/** Where what a backend computes with is kept. */
export function locationOf(backend: TestedBackend): Location {
  return backend === 'cuda' ? 'cuda:0' : 'cpu';
}

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
 * nobody takes a run for complete that was not; HEED_BACKEND=reference asks for such a run, and HEED_BACKEND=cuda-emulator
 * for one with the emulated GPU, which is slow: a machine with a real one runs these suites there, too.
 *
 * @param refusedOn backends that refuse all of it: test/backends/cuda/refusals.test.ts holds them to that
 */
export function eachBackend(
  title: string,
  suite: (backend: TestedBackend) => void,
  refusedOn?: 'cuda',
): void {
  if (!referenceOnly && refusedOn !== 'cuda' && cudaStatus().devices.length > 0)
    describe(`${title}, on cuda`, () => suite('cuda'));
  if (emulatedOnly) return;
  describe(`${title}, on reference`, () => suite('reference'));
  if (!referenceOnly) eachInstructionSet(title, () => suite('cpu'));
}

/** The same for the cpu backend alone. */
export function eachInstructionSet(title: string, suite: () => void): void {
  if (referenceOnly || emulatedOnly) return;
  if (nativeBackend() === undefined) {
    describe(`${title}, on cpu`, missingAddon);
    return;
  }
  for (const name of availableInstructionSets()) {
    describe(`${title}, on cpu with ${name}`, () => onInstructionSet(name, suite));
  }
}
