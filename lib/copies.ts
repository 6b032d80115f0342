/**
 * Several copies of heed in one process: two versions among the packages, or one whose modules were loaded
 * anew. Tensors of another copy are accepted like any other tensor-like. Other objects that hold memory work
 * only with the copy that made them, and are recognised here by a list that all copies share.
 */

interface Origin {
  readonly className: string;
  readonly copy: object;
}

const thisCopy = {};
const listName = Symbol.for('heed.origins');

function sharedList(): WeakMap<object, Origin> {
  const holder = globalThis as { [listName]?: unknown };
  const there = holder[listName];
  if (there instanceof WeakMap) return there;
  const list = new WeakMap<object, Origin>();
  Object.defineProperty(holder, listName, { value: list });
  return list;
}

const origins = sharedList();

/** Called by the constructors of classes whose instances only this copy can use. */
export function rememberOrigin(instance: object, className: string): void {
  origins.set(instance, { className, copy: thisCopy });
}

/** 'a PackedWeight of another copy of heed', say; undefined for anything else. */
export function describeFromAnotherCopy(value: object): string | undefined {
  const origin = origins.get(value);
  return origin === undefined || origin.copy === thisCopy
    ? undefined
    : `a ${origin.className} of another copy of heed`;
}
