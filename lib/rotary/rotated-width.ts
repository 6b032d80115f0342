/** How much of a head turns. */
import { invalid } from '../checks/values.js';
import { HeedError } from '../errors.js';
import type { Rotary } from './options.js';

/** How many elements of heads of this width turn. */
export function rotatedWidth(rotary: Rotary, width: number): number {
  if (rotary.dims === undefined && width % 2 !== 0)
    throw invalid('the width of a head with options.rotary', 'even, since elements turn in pairs', width);
  const dims = rotary.dims ?? width;
  if (dims > width) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected options.rotary.dims to be at most the width of a head (${width}), received ${dims}`,
    );
  }
  const { inverseFrequencies, scaling } = rotary;
  if (inverseFrequencies) expectPairs(inverseFrequencies, 'inverseFrequencies', dims);
  if (scaling?.type === 'longrope') {
    expectPairs(scaling.shortFactor, 'scaling.shortFactor', dims);
    expectPairs(scaling.longFactor, 'scaling.longFactor', dims);
  }
  return dims;
}

function expectPairs(numbers: readonly number[], name: string, dims: number): void {
  if (numbers.length === dims / 2) return;
  throw new HeedError(
    'HEED_SHAPE_MISMATCH',
    `Expected options.rotary.${name} to have one element for each pair of the ${dims} elements that turn (${dims / 2}), received ${numbers.length}`,
  );
}
