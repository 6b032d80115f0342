/**
 * Reading what callers pass. Properties may be getters, objects may be proxies: each property is
 * read once, what it throws becomes a HeedError, and only the value read is ever used.
 */
import { HeedError } from '../errors.js';

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
