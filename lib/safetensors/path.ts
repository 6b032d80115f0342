import { fileURLToPath } from 'node:url';
import { describe, isInstance } from '../checks/describe.js';
import { invalid } from '../checks/numbers.js';
import { guard } from '../checks/read.js';
import { HeedError } from '../errors.js';

/** A file name, or that of a `file:` URL. */
export function readPath(value: unknown, name: string): string {
  if (typeof value === 'string') return value;
  if (!isInstance(value, URL)) throw invalid(name, 'a file name or a file: URL', value);
  const href = guard(name, () => value.href);
  try {
    return fileURLToPath(href);
  } catch (error) {
    throw new HeedError(
      'HEED_INVALID_ARGUMENT',
      `Expected ${name} to be a file: URL, received ${describe(href)}`,
      { cause: error },
    );
  }
}
