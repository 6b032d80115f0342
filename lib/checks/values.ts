/**
 * Values that callers pass: reading them, checking them, and naming them in messages. Properties may be getters, objects may
 * be proxies: each property is read once, what it throws becomes a HeedError, and only the value that was read is ever used.
 * A check of an option takes undefined for "not given" and returns the default.
 */
import { types } from 'node:util';
import { isSignal } from '../abort.js';
import { describeFromAnotherCopy } from '../copies.js';
import { HeedError } from '../errors.js';
import { typedArrayName } from '../memory/arrays.js';

/** Array.isArray, which throws for a proxy that has been revoked. */
export function isArray(value: unknown): value is unknown[] {
  try {
    return Array.isArray(value);
  } catch {
    return false;
  }
}

/** instanceof, which runs a proxy's code. */
export function isInstance<Instance>(
  value: unknown,
  of: { readonly prototype: Instance; [Symbol.hasInstance](value: unknown): boolean },
): value is Instance {
  try {
    return value instanceof of;
  } catch {
    return false;
  }
}

export function describe(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return `'${value.length > 40 ? `${value.slice(0, 40)}…` : value}'`;
    case 'bigint':
      return 'a bigint';
    case 'symbol':
      return 'a symbol';
    case 'function':
      return 'a function';
    case 'object': {
      if (value === null) return 'null';
      const typed = typedArrayName(value);
      if (typed !== undefined) return `a ${typed}`;
      if (types.isDataView(value)) return 'a DataView';
      if (types.isAnyArrayBuffer(value)) return 'a buffer without a type';
      return describeFromAnotherCopy(value) ?? (isArray(value) ? 'an array' : 'an object');
    }
    default:
      return String(value);
  }
}

export function describeDims(dims: readonly number[]): string {
  return `[${dims.join(', ')}]`;
}

/** 'a', 'b' or 'c' */
export function listChoices(choices: readonly string[]): string {
  const quoted = choices.map((choice) => `'${choice}'`);
  return quoted.length === 1 ? quoted[0] : `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`;
}

/** What reading an argument threw, as a HeedError. */
export function unreadable(name: string, error: unknown): HeedError {
  if (error instanceof HeedError) return error;
  return new HeedError('HEED_INVALID_ARGUMENT', `Expected ${name} to be readable, but reading it threw`, {
    cause: error,
  });
}

/** Runs the caller's code, so that whatever it throws reaches the caller as a HeedError. */
export function guard<Value>(name: string, read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    throw unreadable(name, error);
  }
}

export function readProperty(object: object, key: string, name: string): unknown {
  try {
    return (object as Record<string, unknown>)[key];
  } catch (error) {
    throw unreadable(`${name}.${key}`, error);
  }
}

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

/** What is added to a variance before its root is taken. */
export function epsilonOption(value: unknown, name: string): number {
  const epsilon = finiteOption(value, name, 1e-6);
  if (epsilon < 0) throw invalid(name, 'a finite, non-negative number', value);
  return epsilon;
}

export function integerBetween(value: unknown, name: string, low: number, high: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < low || value > high) {
    throw invalid(name, `an integer from ${low} to ${high}`, value);
  }
  return value;
}

export function signalOption(value: unknown, name: string): AbortSignal | undefined {
  if (value === undefined || isSignal(value)) return value;
  throw invalid(name, 'an AbortSignal', value);
}
