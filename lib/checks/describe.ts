/** How the values that callers pass are named in error messages, without running any of their code. */

import { describeFromAnotherCopy } from '../copies.js';
import { typedArrayName } from '../memory/arrays.js';

/** Array.isArray, which throws for a proxy that has been revoked. */
export function isArray(value: unknown): value is unknown[] {
  try {
    return Array.isArray(value);
  } catch {
    return false;
  }
}

/** instanceof, which runs a proxy's code. */
export function isInstance<Instance>(
  value: unknown,
  of: { readonly prototype: Instance; [Symbol.hasInstance](value: unknown): boolean },
): value is Instance {
  try {
    return value instanceof of;
  } catch {
    return false;
  }
}

export function describe(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return `'${value.length > 40 ? `${value.slice(0, 40)}…` : value}'`;
    case 'bigint':
      return 'a bigint';
    case 'symbol':
      return 'a symbol';
    case 'function':
      return 'a function';
    case 'object': {
      if (value === null) return 'null';
      const typed = typedArrayName(value);
      if (typed !== undefined) return `a ${typed}`;
      return describeFromAnotherCopy(value) ?? (isArray(value) ? 'an array' : 'an object');
    }
    default:
      return String(value);
  }
}

export function describeDims(dims: readonly number[]): string {
  return `[${dims.join(', ')}]`;
}

/** 'a', 'b' or 'c' */
export function listChoices(choices: readonly string[]): string {
  const quoted = choices.map((choice) => `'${choice}'`);
  return quoted.length === 1 ? quoted[0] : `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`;
}
