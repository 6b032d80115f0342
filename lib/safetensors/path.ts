import { fileURLToPath } from 'node:url';
import { invalid } from '../checks/numbers.js';
import { HeedError } from '../errors.js';

/** A file name, or the one that a `file:` URL stands for. */
export function readPath(value: unknown, name: string): string {
  if (typeof value === 'string') return value;
  if (!(value instanceof URL)) throw invalid(name, 'a file name or a file: URL', value);
  try {
    return fileURLToPath(value);
  } catch (error) {
    throw new HeedError(
      'HEED_INVALID_ARGUMENT',
      `Expected ${name} to be a file: URL, received ${value.href}`,
      { cause: error },
    );
  }
}
