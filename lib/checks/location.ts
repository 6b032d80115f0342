/** The locations of tensors and weights, and the check that those of one operation are in one place. */
import { HeedError } from '../errors.js';
import type { Location } from '../tensor/types.js';
import { invalid } from './values.js';

/** The normalised name of a location: 'cuda' is 'cuda:0'. */
export function expectLocation(value: unknown, name: string): Location {
  if (value === 'cpu') return value;
  if (value === 'cuda') return 'cuda:0';
  if (typeof value === 'string' && /^cuda:(0|[1-9]\d{0,2})$/.test(value)) return value as Location;
  throw invalid(name, "'cpu', 'cuda' or 'cuda:' and a number", value);
}

export function locationOption(value: unknown, name: string): Location {
  return value === undefined ? 'cpu' : expectLocation(value, name);
}

/** Something with a location: a tensor that was read, or memory that a backend keeps. */
interface Placed {
  readonly name: string;
  readonly location: Location;
}

/** Reads as "Expected key to be where query is ('cuda:0'), received one at 'cpu'". */
export function expectPlace({ name, location }: Placed, expected: Location, source: string): void {
  if (location === expected) return;
  throw new HeedError(
    'HEED_LOCATION_MISMATCH',
    `Expected ${name} to be where ${source} is ('${expected}'), received one at '${location}'; tensors are copied with to()`,
  );
}

/**
 * Checks the tensors that are used with a weight or cache at a location: they are there, or on the CPU and
 * will be copied.
 */
export function expectReach({ name, location }: Placed, of: Location, source: string): void {
  if (location === of || location === 'cpu') return;
  throw new HeedError(
    'HEED_LOCATION_MISMATCH',
    `Expected ${name} to be where ${source} is ('${of}'), received one at '${location}'; tensors are copied with to()`,
  );
}
