/**
 * Reading what callers pass. Properties may be getters, objects may be proxies: each property is
 * read once, what it throws becomes a HeedError, and only the value read is ever used.
 */
import { HeedError } from '../errors.js';

/** Runs code of the caller's, so that whatever it throws reaches the caller as a HeedError. */
export function guard<Value>(name: string, read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    if (error instanceof HeedError) throw error;
    throw new HeedError('HEED_INVALID_ARGUMENT', `Expected ${name} to be readable, but reading it threw`, {
      cause: error,
    });
  }
}

export function readProperty(object: object, key: string, name: string): unknown {
  try {
    return (object as Record<string, unknown>)[key];
  } catch (error) {
    return guard(`${name}.${key}`, () => {
      throw error;
    });
  }
}
