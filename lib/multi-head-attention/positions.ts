/** The positions of the steps of a call, for rotary embedding. */
import { type Backend, precisionOf } from '../backends/backend.js';
import { expectDims } from '../checks/lists.js';
import { integerElement, readShapedIntegers } from '../checks/numbers.js';
import { invalid } from '../checks/values.js';
import { HeedError } from '../errors.js';
import type { Rotation, Sequence } from '../problem/problem.js';
import { Angles, type Steps } from '../rotary/angles.js';
import { type Rotary, rotatedWidth } from '../rotary/options.js';

const farthest = 2 ** 31 - 1;

/** The angles of a layer, in the precision that its backend computes in. */
export function anglesFor(rotary: Rotary, width: number, backend: Backend): Angles {
  return Angles.of(rotary, rotatedWidth(rotary, width), precisionOf(backend));
}

/** One position for each step, or one for each [batch, step]; undefined for the default. */
export function readPositions(
  value: unknown,
  name: string,
  { batch, steps, rotates }: { batch: number; steps: number; rotates: boolean },
): readonly number[] | undefined {
  if (value === undefined) return undefined;
  if (!rotates) {
    throw invalid(name, 'left out for a layer without options.rotary, which does not use positions', value);
  }
  const { dims, elements } = readShapedIntegers(value, name);
  const { length } = elements;
  if (length !== steps && length !== batch * steps) {
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected ${name} to have one element per step (${steps}) or per batch entry and step (${batch * steps}), received ${length}`,
    );
  }
  if (dims.length !== 1) expectDims(dims, name, [length === steps ? 1 : batch, steps]);
  return elements.map((element, i) => integerElement(element, `${name}[${i}]`, 0, farthest));
}

/** The rows that queries are projected from, and what attends them. */
export interface PlacedQueries {
  readonly steps: number;
  readonly positions: readonly number[] | undefined;
  readonly sequences: readonly Sequence[];
  /** How many keys come from elsewhere; undefined when they come from the same rows. */
  readonly contextSteps: number | undefined;
}

/**
 * Query row i has the position queryOffset + i, as for `causal`, `window` and ALiBi, unless the caller gives
 * positions. Keys have the positions of the queries of the same rows; those of a context have 0, 1, 2, …
 */
export function rotations(
  angles: Angles,
  { steps, positions, sequences, contextSteps }: PlacedQueries,
): { query: Rotation; key: Rotation } {
  const own = (entry: number) =>
    positions?.length === steps ? positions : positions?.slice(entry * steps, (entry + 1) * steps);
  const queries = sequences.map(({ queryOffset, keySteps }, entry) => {
    const given = own(entry);
    const length =
      given && contextSteps === undefined
        ? 1 + largest(given, Math.min(steps, keySteps - queryOffset))
        : keySteps;
    return { count: steps, first: queryOffset, positions: given, length };
  });
  const query = angles.rotation(shared(angles, queries));
  if (contextSteps === undefined) return { query, key: query };
  const keys = queries.map(({ length }) => ({ count: contextSteps, first: 0, positions: undefined, length }));
  // Without queries the valid keys do not matter.
  const all = { count: contextSteps, first: 0, positions: undefined, length: contextSteps };
  return { query, key: angles.rotation(shared(angles, keys.length > 0 ? keys : [all])) };
}

/** Of the first few; −1 where there is none. */
function largest(positions: readonly number[], count: number): number {
  let most = -1;
  for (let i = 0; i < count; i++) most = Math.max(most, positions[i]);
  return most;
}

const noSteps: Steps = { count: 0, first: 0, positions: undefined, length: 0 };

/** One part that holds for all batch entries, where they agree. */
function shared(angles: Angles, parts: readonly Steps[]): readonly Steps[] {
  if (parts.length === 0) return [noSteps];
  const [one] = parts;
  const agree = parts.every(
    ({ first, positions, length }) =>
      positions === one.positions &&
      (positions !== undefined || first === one.first) &&
      (length === one.length || !angles.dependsOnLength),
  );
  return agree ? [one] : parts;
}
