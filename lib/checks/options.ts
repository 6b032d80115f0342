/** Options objects: every property is known, and read once. */
import { HeedError } from '../errors.js';
import { describe, guard, isArray, readProperty } from './values.js';

/** Levenshtein's distance, cut off beyond what a typing error explains. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(substitution, previous[j] + 1, current[j - 1] + 1));
    }
    previous = current;
  }
  return previous[b.length];
}

/** The name that was meant, if a typing error explains the difference: by so many letters at most. */
export function nearest(
  name: string,
  known: readonly string[],
  most = Math.max(2, name.length / 3),
): string | undefined {
  if (name.length > 40) return undefined;
  const lower = name.toLowerCase();
  const distances = known.map((option) => editDistance(lower, option.toLowerCase()));
  const smallest = Math.min(...distances);
  return smallest <= most ? known[distances.indexOf(smallest)] : undefined;
}

function rejectUnknown(options: object, known: readonly string[], name: string): void {
  for (const key of guard(name, () => Object.keys(options))) {
    if (known.includes(key)) continue;
    const suggestion = nearest(key, known);
    throw new HeedError(
      'HEED_UNKNOWN_OPTION',
      `Expected ${name} to have only options that exist, received ${describe(key)}` +
        (suggestion ? `; did you mean '${suggestion}'?` : ` (known: ${known.join(', ')})`),
    );
  }
}

export type OptionValues<Key extends string> = { readonly [Name in Key]?: unknown };

/** The values of all known options of an object; none when it is undefined. Throws for an option that does not exist. */
export function readOptions<Key extends string>(
  options: unknown,
  known: readonly Key[],
  name = 'options',
): OptionValues<Key> {
  if (options === undefined) return {};
  if (typeof options !== 'object' || options === null || isArray(options)) {
    throw new HeedError(
      'HEED_INVALID_ARGUMENT',
      `Expected ${name} to be an object, received ${describe(options)}`,
    );
  }
  rejectUnknown(options, known, name);
  const values: { [Name in Key]?: unknown } = {};
  for (const key of known) {
    const value = readProperty(options, key, name);
    if (value !== undefined) values[key] = value;
  }
  return values;
}
