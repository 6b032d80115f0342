/** The positions of the steps of a call, for rotary embedding. */
import { type Backend, precisionOf } from '../backends/backend.js';
import { expectDims } from '../checks/lists.js';
import { integerElement, readShapedIntegers } from '../checks/numbers.js';
import { invalid } from '../checks/values.js';
import { HeedError } from '../errors.js';
import type { Rotation, Sequence } from '../problem/problem.js';
import { Angles, type Steps } from '../rotary/angles.js';
import type { Rotary } from '../rotary/options.js';
import { rotatedWidth } from '../rotary/rotated-width.js';

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
  /** Of each batch entry, or of all sequences together if they are packed. */
  readonly steps: number;
  /** Whether sequences lie end to end, with rows of their own. */
  readonly packed: boolean;
  readonly positions: readonly number[] | undefined;
  readonly sequences: readonly Sequence[];
  /** How many steps before them each sequence has had but has no more. */
  readonly dropped: readonly number[] | undefined;
  /** Whether keys come from the same rows, and turn as these do. */
  readonly withKeys: boolean;
}

/**
 * Row i of a sequence has the position queryOffset + i, as for `causal`, `window` and ALiBi, but here steps that were
 * dropped count; unless the caller gives positions.
 */
export function queryRotation(
  angles: Angles,
  { steps, packed, positions, sequences, dropped, withKeys }: PlacedQueries,
): Rotation {
  const shares = !packed && positions?.length === steps;
  const queries = sequences.map(({ queryStart, querySteps, queryOffset, keySteps }, entry) => {
    const first = packed ? queryStart : entry * steps;
    const count = packed ? querySteps : steps;
    const given = shares ? positions : positions?.slice(first, first + count);
    const lost = dropped?.[entry] ?? 0;
    const length =
      given && withKeys ? 1 + largest(given, Math.min(count, keySteps - queryOffset)) : lost + keySteps;
    return { count, first: lost + queryOffset, positions: given, length };
  });
  return angles.rotation(packed && queries.length > 0 ? queries : shared(angles, queries));
}

/**
 * Steps of a context have the positions 0, 1, 2, …
 *
 * @param lengths how many of them are valid, for each batch entry; none if it does not matter
 */
export function contextRotation(angles: Angles, steps: number, lengths: readonly number[]): Rotation {
  const keys = (lengths.length > 0 ? lengths : [steps]).map((length) => ({
    count: steps,
    first: 0,
    positions: undefined,
    length,
  }));
  return angles.rotation(shared(angles, keys));
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
