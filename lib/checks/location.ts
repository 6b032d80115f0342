/** Where tensors and weights may be. */
import { HeedError } from '../errors.js';
import type { Location } from '../tensor-type.js';
import { invalid } from './numbers.js';

export function expectLocation(value: unknown, name: string): Location {
  if (value === 'cpu') return value;
  if (typeof value === 'string' && /^cuda(:\d+)?$/.test(value)) {
    throw new HeedError(
      'HEED_UNSUPPORTED_LOCATION',
      `Expected ${name} to be 'cpu', received '${value}': this version of heed holds tensors in the memory of the CPU only`,
    );
  }
  throw invalid(name, "'cpu'", value);
}

export function locationOption(value: unknown, name: string): Location {
  return value === undefined ? 'cpu' : expectLocation(value, name);
}
