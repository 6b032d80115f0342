/** Numbers, booleans and choices among options. Each check takes undefined for "not given" and then answers the default. */
import { HeedError } from '../errors.js';
import { describe, listChoices } from './describe.js';

export function invalid(name: string, expectation: string, received: unknown): HeedError {
  return new HeedError(
    'HEED_INVALID_ARGUMENT',
    `Expected ${name} to be ${expectation}, received ${describe(received)}`,
  );
}

export function booleanOption(value: unknown, name: string, byDefault: boolean): boolean {
  if (value === undefined) return byDefault;
  if (typeof value !== 'boolean') throw invalid(name, 'true or false', value);
  return value;
}

export function choiceOption<Choice extends string>(
  value: unknown,
  name: string,
  choices: readonly Choice[],
  byDefault: Choice,
): Choice {
  if (value === undefined) return byDefault;
  const choice = choices.find((candidate) => candidate === value);
  if (choice === undefined) throw invalid(name, listChoices(choices), value);
  return choice;
}

/** Kernels compute in float32: a number beyond its range would become infinite on the way. */
export function isFiniteFloat32(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(Math.fround(value));
}

export function finiteOption(value: unknown, name: string, byDefault: number): number {
  if (value === undefined) return byDefault;
  if (!isFiniteFloat32(value)) throw invalid(name, 'a finite number in the range of float32', value);
  return value;
}

export function integerBetween(value: unknown, name: string, low: number, high: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < low || value > high) {
    throw invalid(name, `an integer from ${low} to ${high}`, value);
  }
  return value;
}
