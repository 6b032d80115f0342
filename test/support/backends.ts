/**
 * Runs suites on every required backend: the reference, and the cpu backend with every instruction set of
 * this machine.
 */
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
/** Only the cuda backend, with an emulated GPU. */
export const emulatedOnly = process.env.HEED_BACKEND === 'cuda-emulator';

/** The backends for tests that iterate over them directly. */
export function backendsAtHand(): readonly TestedBackend[] {
  if (referenceOnly) return ['reference'];
  return emulatedOnly ? ['cuda'] : ['reference', 'cpu'];
}

/** The number of steps for slow tests; an emulated GPU uses fewer. */
export function many(steps: number): number {
  return emulatedOnly ? Math.ceil(steps / 10) : steps;
}

/** The memory that a backend computes on. */
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
 * Describes a suite once per backend and instruction set. Without the addon the suite fails, so that an
 * incomplete run does not pass; HEED_BACKEND=reference requests such a run, and HEED_BACKEND=cuda-emulator
 * one with the emulated GPU, which is slow. A machine with a real GPU runs these suites there, too.
 *
 * @param refusedOn backends that reject the whole suite, which test/backends/cuda/refusals.test.ts checks
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

/** The backends that multiply with quantised weights. */
export function eachQuantisingBackend(title: string, suite: (backend: TestedBackend) => void): void {
  eachBackend(title, suite, 'cuda');
}
